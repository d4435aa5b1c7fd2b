import { ProjectError } from "../../definitions/project_error.ts";

/** Anything that went wrong between a body and the source it reads. One class per cause. */
export abstract class SourceError extends ProjectError {
  /** How often the request was tried in all. */
  attempts = 1;

  /** Adds to the message how much was tried before giving up. */
  gaveUp(attempts: number, reason: string): this {
    this.attempts = attempts;
    this.message = `${this.message} Gave up after ${attempts} ${attempts === 1 ? "attempt" : "attempts"}${reason}.`;
    return this;
  }
}

/** The URL or a header cannot be used. The value is left out of the message: it may hold a secret. */
export class InvalidRequestError extends SourceError {
  readonly code = "invalid_request";
  readonly retryable = false;
}

/** No whole answer came: refused, reset, or cut in the middle. */
export class NetworkError extends SourceError {
  readonly code = "network";
  readonly retryable = true;
}

/** The whole answer had not come within `timeoutMs`. */
export class TimeoutError extends SourceError {
  readonly code = "timeout";
  readonly retryable = true;
}

/** 408, 425 and what a server may recover from. @see https://www.rfc-editor.org/rfc/rfc9110#section-15 */
const TRANSIENT_STATUS: ReadonlySet<number> = new Set([408, 425, 500, 502, 503, 504]);

/** An answer other than 2xx and 429. */
export class HttpStatusError extends SourceError {
  readonly code = "http_status";
  readonly retryable: boolean;
  readonly status: number;
  /** What the server asks for in `Retry-After`, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, status: number, retryAfterMs: number | undefined) {
    super(message);
    this.status = status;
    this.retryable = TRANSIENT_STATUS.has(status);
    this.retryAfterMs = retryAfterMs;
  }
}

/** 429. */
export class RateLimitedError extends SourceError {
  readonly code = "rate_limited";
  readonly retryable = true;
  /** What the server asks for in `Retry-After`, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, retryAfterMs: number | undefined) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** The answer came to its end but is not JSON: half a page, or a proxy's error page with status 200. */
export class InvalidJsonError extends SourceError {
  readonly code = "invalid_json";
  readonly retryable = true;
}

/** The answer is JSON of another shape than the schema. Asking again would not change it. */
export class InvalidPageError extends SourceError {
  readonly code = "invalid_page";
  readonly retryable = false;
}

/** A page names a cursor that was followed before: following it again would repeat rows without end. */
export class RepeatedCursorError extends SourceError {
  readonly code = "repeated_cursor";
  readonly retryable = true;
}
