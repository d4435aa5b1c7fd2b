import type { Clock } from "../../sources/clock.ts";
import { backoffMs } from "../../sources/retry.ts";
import { SupersetError, SupersetRateLimitedError, SupersetServerError, SupersetUnreachableError } from "./errors.ts";

/** How stubborn the client is. */
export interface SupersetRetryOptions {
  /** Attempts per request, the first one included. @default 7 */
  readonly maxAttempts?: number;
  /** Wait before the second attempt, in milliseconds; doubles with each further one. @default 500 */
  readonly baseDelayMs?: number;
  /** Longest wait, in milliseconds, also where Superset asks for a longer one. @default 15000 */
  readonly maxDelayMs?: number;
}

/** What is told about retries. */
export interface SupersetLog {
  readonly warning: (message: string) => void;
}

/** What a series of attempts needs. */
export interface Retrying {
  readonly options: SupersetRetryOptions;
  readonly clock: Clock;
  readonly log: SupersetLog | undefined;
  readonly signal: AbortSignal | undefined;
  /** Whether a request may be sent again without knowing what became of the first. */
  readonly isRepeatable: boolean;
}

/** @throws the last error, when it is not worth another attempt or there were enough */
export async function withRetries<T>(attempt: () => Promise<T>, retrying: Retrying): Promise<T> {
  const { options, clock, log } = retrying;
  const signal = retrying.signal ?? new AbortController().signal;
  const maxAttempts = options.maxAttempts ?? 7;
  for (let count = 1; ; count++) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof SupersetError) || !isWorthAnother(error, retrying.isRepeatable)) throw error;
      if (count >= maxAttempts) throw error.gaveUp(count);
      const waitMs = waitOf(error, count, options, clock);
      log?.warning(`${error.message} Attempt ${count + 1} of ${maxAttempts} in ${(waitMs / 1000).toFixed(1)} s.`);
      await clock.sleep(waitMs, signal);
    }
  }
}

function isWorthAnother(error: SupersetError, isRepeatable: boolean): boolean {
  if (!error.retryable) return false;
  if (isRepeatable || error instanceof SupersetRateLimitedError) return true;
  return error instanceof SupersetUnreachableError && error.neverSent;
}

function waitOf(error: SupersetError, count: number, options: SupersetRetryOptions, clock: Clock): number {
  const maxDelayMs = options.maxDelayMs ?? 15_000;
  const jitteredMs = backoffMs(count, options.baseDelayMs ?? 500, maxDelayMs, clock);
  const asked =
    error instanceof SupersetRateLimitedError || error instanceof SupersetServerError ? error.retryAfterMs : undefined;
  return Math.round(Math.min(maxDelayMs, Math.max(jitteredMs, asked ?? 0)));
}
