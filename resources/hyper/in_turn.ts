import type { Attempt } from "../store.ts";
import { tryUntilDone } from "../waiting.ts";
import { ConflictError, TableLockedError } from "./errors.ts";

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
  return await tryUntilDone({ timeoutMs, signal, log }, async () => {
    try {
      return { done: await act() };
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      return {
        message: `Waiting for another transaction that writes ${assetKey}`,
        timedOut: (seconds) =>
          new TableLockedError(
            `${assetKey} was still being written by another transaction after ${seconds} s; nothing was published. ` +
              "Wait for the other run, end it, or raise HYPER_LOCK_TIMEOUT_SECONDS",
            { cause: error },
          ),
      };
    }
  });
}
