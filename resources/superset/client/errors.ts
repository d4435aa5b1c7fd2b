import { ProjectError } from "../../../definitions/project_error.ts";

/** Anything that went wrong between us and Superset. One class per cause; a message never holds a secret. */
export abstract class SupersetError extends ProjectError {
  /** Method and path of the request, without its query, such as `PUT /api/v1/dataset/3`. */
  readonly request: string;
  /** How often the request was tried in all. */
  attempts = 1;

  constructor(request: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.request = request;
  }

  /** Adds to the message how much was tried before giving up. */
  gaveUp(attempts: number): this {
    this.attempts = attempts;
    if (attempts > 1) this.message = `${this.message} Gave up after ${attempts} attempts.`;
    return this;
  }
}

/** No whole answer came: refused, reset, or cut in the middle. Superset is down, restarting, or somewhere else. */
export class SupersetUnreachableError extends SupersetError {
  readonly code = "superset_unreachable";
  readonly retryable = true;
  /** Whether the request certainly never reached it. */
  readonly neverSent: boolean;

  constructor(request: string, message: string, neverSent: boolean, options?: ErrorOptions) {
    super(request, message, options);
    this.neverSent = neverSent;
  }
}

/** The whole answer had not come in time. What was asked for may have been done all the same. */
export class SupersetTimeoutError extends SupersetError {
  readonly code = "superset_timeout";
  readonly retryable = true;
}

/** User, password or API key are wrong, or the user may not log in. */
export class SupersetLoginError extends SupersetError {
  readonly code = "superset_login_refused";
  readonly retryable = false;
}

/** 401 and what else says that a token or an API key is not good. After a new login, where there can be one. */
export class SupersetTokenError extends SupersetError {
  readonly code = "superset_token_refused";
  readonly retryable = false;
}

/** 403: the account lacks a permission, or the object belongs to others. */
export class SupersetForbiddenError extends SupersetError {
  readonly code = "superset_forbidden";
  readonly retryable = false;
}

/** 404: the object is not there, or the account may not see it. */
export class SupersetNotFoundError extends SupersetError {
  readonly code = "superset_not_found";
  readonly retryable = false;
}

/** 400, 409, 422 and other answers that say no to what was asked. */
export class SupersetRefusedError extends SupersetError {
  readonly code = "superset_refused";
  readonly retryable = false;
  readonly status: number;
  /** What Superset said: its `message`, `errors` or `msg`, as text. */
  readonly said: string;

  constructor(request: string, message: string, status: number, said: string) {
    super(request, message);
    this.status = status;
    this.said = said;
  }
}

/** 429. */
export class SupersetRateLimitedError extends SupersetError {
  readonly code = "superset_rate_limited";
  readonly retryable = true;
  /** What `Retry-After` asks for, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(request: string, message: string, retryAfterMs: number | undefined) {
    super(request, message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** 5xx: Superset, its metadata or a proxy in front of it has a fault. */
export class SupersetServerError extends SupersetError {
  readonly code = "superset_failed";
  readonly retryable = true;
  readonly status: number;
  /** What `Retry-After` asks for, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(request: string, message: string, status: number, retryAfterMs: number | undefined) {
    super(request, message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The answer is none of Superset's API: a login page, a redirect, JSON of another shape. `SUPERSET_URL` may be wrong. */
export class SupersetAnswerError extends SupersetError {
  readonly code = "superset_unexpected_answer";
  readonly retryable = false;
}

/** The environment says wrongly, or does not say, where Superset is or who we are there. */
export class SupersetConfigError extends ProjectError {
  readonly code = "bad_configuration";
  readonly retryable = false;
}
