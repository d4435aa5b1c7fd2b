import { setTimeout as wait } from "node:timers/promises";
import type { Attempt } from "../store.ts";
import { ConflictError, TableLockedError } from "./errors.ts";

const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 1_000;
const MESSAGE_AFTER_MS = 1_000;

/**
 * Does it again as long as others write the same rows.
 *
 * @throws TableLockedError after `timeoutMs`
 */
export async function inTurn<T>(
  assetKey: string,
  { signal, log }: Pick<Attempt, "signal" | "log">,
  timeoutMs: number,
  act: () => Promise<T>,
): Promise<T> {
  const start = performance.now();
  let told = false;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 1.5, LONGEST_WAIT_MS)) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      const waited = performance.now() - start;
      if (waited >= timeoutMs) {
        throw new TableLockedError(
          `${assetKey} was still being written by another transaction after ${Math.round(waited / 1000)} s; nothing was published. ` +
            "Wait for the other run, end it, or raise HYPER_LOCK_TIMEOUT_SECONDS",
          { cause: error },
        );
      }
      if (waited > MESSAGE_AFTER_MS && !told) log(`Waiting for another transaction that writes ${assetKey}`);
      told ||= waited > MESSAGE_AFTER_MS;
      // A random part, so that processes that wait together do not keep meeting.
      await wait(waitMs * (0.5 + Math.random()), undefined, { signal }).catch(() => {
        signal.throwIfAborted();
      });
    }
  }
}
