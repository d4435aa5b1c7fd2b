import type { z } from "zod";
import type { Clock } from "./clock.ts";
import {
  HttpStatusError,
  InvalidJsonError,
  InvalidPageError,
  NetworkError,
  RateLimitedError,
  TimeoutError,
} from "./errors.ts";
import type { PreparedRequest } from "./request.ts";
import { parseRetryAfterMs } from "./retry.ts";

/** One attempt at one JSON document. */
export interface Attempt<T> {
  readonly request: PreparedRequest;
  /** The request's URL, with this page's cursor. */
  readonly url: URL;
  readonly schema: z.ZodType<T>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/**
 * Sends the request once and reads the answer to its end.
 *
 * @throws a SourceError per cause; the signal's reason when it is aborted
 */
export async function attemptJson<T>(attempt: Attempt<T>): Promise<T> {
  const { request, signal, timeoutMs } = attempt;
  const timeout = AbortSignal.timeout(timeoutMs);
  let response: Response;
  let text: string;
  try {
    response = await fetch(attempt.url, {
      headers: request.headers,
      // A redirect would carry headers of the caller's own to another host.
      redirect: "manual",
      signal: AbortSignal.any([signal, timeout]),
    });
    text = await response.text();
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) throw new TimeoutError(`${request.label}: no whole answer within ${timeoutMs} ms.`);
    throw new NetworkError(`${request.label}: ${reasonOf(error)}.`, { cause: error });
  }
  if (!response.ok) throw statusError(attempt, response, text);
  return parsePage(attempt, parseJson(request, text));
}

function statusError(attempt: Attempt<unknown>, response: Response, text: string): Error {
  const { request, clock } = attempt;
  const retryAfterMs = parseRetryAfterMs(response.headers.get("retry-after"), clock.now());
  const { status } = response;
  const said = excerpt(request, text);
  if (status === 429) {
    const wait = retryAfterMs === undefined ? "" : ` and asks to wait ${Math.ceil(retryAfterMs / 1000)} s`;
    return new RateLimitedError(`${request.label}: answered 429${wait}.`, retryAfterMs);
  }
  return new HttpStatusError(`${request.label}: answered ${status}${said && `: ${said}`}.`, status, retryAfterMs);
}

function parseJson(request: PreparedRequest, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own error quotes the text.
    throw new InvalidJsonError(
      `${request.label}: the answer of ${text.length} characters is not JSON, or was cut off; it ends with ${JSON.stringify(request.redact(text).slice(-40))}.`,
    );
  }
}

function parsePage<T>(attempt: Attempt<T>, value: unknown): T {
  const result = attempt.schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.slice(0, 3).map(({ path, message }) => `${path.join(".") || "page"}: ${message}`);
  const rest = result.error.issues.length - issues.length;
  const text = `${issues.join("; ")}${rest > 0 ? `; and ${rest} more` : ""}`;
  throw new InvalidPageError(`${attempt.request.label}: the answer has another shape than the schema: ${text}.`);
}

/** What a server said about its error: short, on one line, without our secrets. */
function excerpt(request: PreparedRequest, text: string): string {
  const line = request
    .redact(text)
    .replaceAll(/[\s\p{Cc}]+/gu, " ")
    .trim();
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}

/** `fetch` says "fetch failed" and puts the reason one level down. */
function reasonOf(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(inner instanceof Error)) return "the connection failed";
  const code = "code" in inner && typeof inner.code === "string" ? ` (${inner.code})` : "";
  return `${inner.message || "the connection failed"}${inner.message.includes(code.trim()) ? "" : code}`;
}
