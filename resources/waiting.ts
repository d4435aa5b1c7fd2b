import { setTimeout as wait } from "node:timers/promises";
import type { Attempt } from "./store.ts";

const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 500;
const FIRST_MESSAGE_MS = 1_000;
const MESSAGE_EVERY_MS = 30_000;

/** Why something cannot be done yet. */
export interface NotYet {
  /** For the log. */
  readonly message: string;
  /** What is thrown where it takes too long. */
  readonly timedOut: (seconds: number) => Error;
}

/** How long to wait, and who is told. */
export interface Waiting extends Pick<Attempt, "log"> {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** Between two tries. @default 500 */
  readonly longestWaitMs?: number;
}

/**
 * Tries until it is done: soon at first, then at longer intervals, with a line in the log after a second and each half
 * minute.
 *
 * @param act Answers what it has done, or why it is to be tried again. What it throws ends the wait.
 */
export async function tryUntilDone<T>(
  { timeoutMs, signal, log, longestWaitMs = LONGEST_WAIT_MS }: Waiting,
  act: () => Promise<{ readonly done: T } | NotYet>,
): Promise<T> {
  const start = performance.now();
  let nextMessage = FIRST_MESSAGE_MS;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 1.5, longestWaitMs)) {
    const outcome = await act();
    if ("done" in outcome) return outcome.done;
    const waited = performance.now() - start;
    if (waited >= timeoutMs) throw outcome.timedOut(Math.round(waited / 1000));
    if (waited >= nextMessage) {
      log(outcome.message);
      nextMessage = waited + MESSAGE_EVERY_MS;
    }
    // A random part, so that processes that wait together do not keep meeting.
    await wait(waitMs * (0.5 + Math.random()), undefined, { signal }).catch((aborted: unknown) => {
      signal?.throwIfAborted();
      throw aborted;
    });
  }
}
