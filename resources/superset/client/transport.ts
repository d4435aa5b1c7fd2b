import { SupersetTimeoutError, SupersetUnreachableError } from "./errors.ts";

/** One attempt at one request. */
export interface Attempt {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** For messages. */
  readonly label: string;
}

/** A whole answer, whatever it says. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/**
 * Sends a request once and reads the answer to its end.
 *
 * @throws SupersetUnreachableError, SupersetTimeoutError; the signal's reason when it is aborted
 */
export async function send(attempt: Attempt): Promise<Answer> {
  const { url, method, headers, body, label, timeoutMs, signal } = attempt;
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      method,
      headers: {
        // Without it several errors are pages for people.
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      // Superset's API never redirects: it would be a login page, or http for https.
      redirect: "manual",
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  } catch (error) {
    signal?.throwIfAborted();
    if (timeout.aborted) {
      throw new SupersetTimeoutError(
        label,
        `Superset at ${url.origin}: no whole answer to ${label} within ${timeoutMs / 1000} s. ` +
          "Is it overloaded? SUPERSET_TIMEOUT_SECONDS is the limit.",
      );
    }
    const { message, code } = reasonOf(error);
    throw new SupersetUnreachableError(
      label,
      `Superset at ${url.origin} cannot be reached (${label}): ${message}. Is it running, and is SUPERSET_URL right?`,
      NEVER_SENT.has(code),
      { cause: error },
    );
  }
}

/** No connection was made. @see https://nodejs.org/api/errors.html#common-system-errors */
const NEVER_SENT: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** `fetch` says "fetch failed" and puts the reason one level down. */
function reasonOf(error: unknown): { message: string; code: string } {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(inner instanceof Error)) return { message: "the connection failed", code: "" };
  const code = "code" in inner && typeof inner.code === "string" ? inner.code : "";
  const text = inner.message === "" ? "the connection failed" : inner.message;
  return { message: code === "" || text.includes(code) ? text : `${text} (${code})`, code };
}
