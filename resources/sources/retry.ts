import type { Clock } from "./clock.ts";
import { HttpStatusError, RateLimitedError, SourceError } from "./errors.ts";

/** How stubborn a source is. */
export interface RetryOptions {
  /** Attempts per request, the first one included. @default 5 */
  readonly maxAttempts?: number | undefined;
  /** Wait before the second attempt, in milliseconds; doubles with each further one. @default 250 */
  readonly baseDelayMs?: number | undefined;
  /** Longest wait that the doubling leads to, in milliseconds. @default 15000 */
  readonly maxDelayMs?: number | undefined;
  /** Waiting between attempts in all, in milliseconds, over all pages. @default 120000 */
  readonly maxWaitMs?: number | undefined;
}

/** What is told about retries. */
export interface SourceLog {
  readonly warning: (message: string) => void;
}

/** Runs attempts of requests until one succeeds or a limit is reached. The waiting is counted over its whole life. */
export class Retries {
  readonly #maxAttempts: number;
  readonly #baseDelayMs: number;
  readonly #maxDelayMs: number;
  readonly #maxWaitMs: number;
  readonly #clock: Clock;
  readonly #log: SourceLog | undefined;
  #waitedMs = 0;

  constructor(options: RetryOptions, clock: Clock, log: SourceLog | undefined) {
    this.#maxAttempts = options.maxAttempts ?? 5;
    this.#baseDelayMs = options.baseDelayMs ?? 250;
    this.#maxDelayMs = options.maxDelayMs ?? 15_000;
    this.#maxWaitMs = options.maxWaitMs ?? 120_000;
    this.#clock = clock;
    this.#log = log;
  }

  /** @throws the last error of `attempt`, when it is not retryable or a limit is reached */
  async run<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let count = 1; ; count++) {
      signal.throwIfAborted();
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof SourceError) || !error.retryable) throw error;
        if (count >= this.#maxAttempts) throw error.gaveUp(count, ` (maxAttempts ${this.#maxAttempts})`);
        const waitMs = this.#waitMs(error, count);
        if (this.#waitedMs + waitMs > this.#maxWaitMs) {
          const rest = this.#maxWaitMs - this.#waitedMs;
          throw error.gaveUp(
            count,
            `: the next one is due in ${seconds(waitMs)}, and ${seconds(rest)} of maxWaitMs are left`,
          );
        }
        this.#log?.warning(`${error.message} Attempt ${count + 1} of ${this.#maxAttempts} in ${seconds(waitMs)}.`);
        this.#waitedMs += waitMs;
        await this.#clock.sleep(waitMs, signal);
      }
    }
  }

  #waitMs(error: SourceError, count: number): number {
    const jitteredMs = backoffMs(count, this.#baseDelayMs, this.#maxDelayMs, this.#clock);
    const asked =
      error instanceof RateLimitedError || error instanceof HttpStatusError ? error.retryAfterMs : undefined;
    return Math.round(asked === undefined ? jitteredMs : asked + this.#clock.random() * this.#baseDelayMs);
  }
}

/** How long to wait after attempts that failed, in milliseconds: twice as long after each, up to a limit. */
export function backoffMs(attempts: number, baseMs: number, maxMs: number, clock: Pick<Clock, "random">): number {
  const longest = Math.min(maxMs, baseMs * 2 ** (attempts - 1));
  // Half of the wait is chance, so that steps that failed together do not come back together.
  return longest / 2 + (longest / 2) * clock.random();
}

/**
 * Reads a `Retry-After` header: seconds or an HTTP date.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
 */
export function parseRetryAfterMs(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  const text = header.trim();
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
