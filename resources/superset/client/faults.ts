import { parseRetryAfterMs } from "../../sources/retry.ts";
import {
  SupersetAnswerError,
  type SupersetError,
  SupersetForbiddenError,
  SupersetNotFoundError,
  SupersetRateLimitedError,
  SupersetRefusedError,
  SupersetServerError,
  SupersetTokenError,
} from "./errors.ts";
import { isAboutToken, isJson, saidIn } from "./said.ts";
import type { Answer } from "./transport.ts";

/** What an answer with an error is about. */
export interface Asked {
  readonly label: string;
  /** Where Superset is, for people. */
  readonly origin: string;
  readonly redact: (text: string) => string;
}

/** The error of an answer that is not 2xx. */
export function faultOf({ label, origin, redact }: Asked, answer: Answer, nowMs: number): SupersetError {
  const { status } = answer;
  const said = redact(saidIn(answer.text));
  const what = `Superset at ${origin} answered ${status} to ${label}${said === "" ? "" : `: ${said}`}`;
  const retryAfterMs = parseRetryAfterMs(answer.headers.get("retry-after"), nowMs);
  if (status === 429) {
    return new SupersetRateLimitedError(label, `${what}. It limits how often it may be asked.`, retryAfterMs);
  }
  if (status >= 500) return new SupersetServerError(label, `${what}. Its log says more.`, status, retryAfterMs);
  if (status === 401 || (status === 422 && isAboutToken(answer.text))) {
    return new SupersetTokenError(
      label,
      `${what}. It does not accept the token. Is SUPERSET_API_KEY right (and FAB_API_KEY_ENABLED in Superset), or the user still active?`,
    );
  }
  if (status === 403) {
    return new SupersetForbiddenError(
      label,
      `${what}. The account lacks a permission or does not own the object: give it the role that docs/superset.md describes, or make it an owner.`,
    );
  }
  if (status === 404 && isJson(answer.text))
    return new SupersetNotFoundError(label, `${what}. It was deleted, or the account may not see it.`);
  if (status === 404) {
    return new SupersetAnswerError(label, `${what}. Is SUPERSET_URL (${origin}) the address of a Superset 6?`);
  }
  if (status < 400) {
    return new SupersetAnswerError(
      label,
      `${what} (a redirect to ${placeOf(answer.headers.get("location"))}). SUPERSET_URL names another address of it, such as http instead of https.`,
    );
  }
  return new SupersetRefusedError(label, `${what}.`, status, said);
}

/** The address without its query, which can hold anything. */
function placeOf(location: string | null): string {
  return location?.split("?")[0] ?? "nowhere";
}
