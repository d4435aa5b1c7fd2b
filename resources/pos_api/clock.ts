import { BadRequestError } from "./page_request.ts";

/**
 * The clock of the point-of-sale API: what is received at or after its time is not there yet. It stands still until
 * somebody moves it.
 */
export class PosClock {
  #now: Date | undefined;

  /** @param now `undefined`: after everything, so that all is there */
  constructor(now: Date | undefined) {
    this.#now = now;
  }

  /** `undefined`: after everything. */
  get now(): Date | undefined {
    return this.#now;
  }

  /** @throws BadRequestError for a time that has passed: what was handed out cannot be taken back */
  move(to: Date): void {
    if (this.#now === undefined || to < this.#now) {
      throw new BadRequestError(
        `the clock is at ${this.#now?.toISOString() ?? "the end of all lines"} and goes forward only`,
      );
    }
    this.#now = to;
  }

  /** The time up to which a reader may see, of the time up to which it asks. */
  limit(until: Date | undefined): Date | undefined {
    if (until === undefined || this.#now === undefined) return until ?? this.#now;
    return until < this.#now ? until : this.#now;
  }
}
