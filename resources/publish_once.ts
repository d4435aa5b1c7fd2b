import { ProjectError } from "../definitions/project_error.ts";
import type { LedgerEntry, WriteStrategy } from "./store.ts";

/** Another run has published since this one read its cursor. */
export class CursorMovedError extends ProjectError {
  readonly code = "cursor_moved";
  readonly retryable = true;
}

/** What the ledger knows of the asset in hand. */
interface Ledger {
  /** The latest publish by the same root run, as {@link LedgerEntry} says it. */
  readonly find: () => Promise<LedgerEntry | undefined>;
  /** The cursor of the latest publish; `null`: none. */
  readonly lastCursor: () => Promise<string | null>;
  /** The run of the latest publish; `undefined`: none. */
  readonly lastRun: () => Promise<string | undefined>;
}

/**
 * The publish that stands in place of this one: an earlier one of the same root run has added the same rows, for example
 * when a killed process had sent its COMMIT, and the server did it after the next attempt had looked. `undefined`: publish.
 *
 * Rows that were read from a cursor are others than those of the earlier publish, unless it is still where it was then.
 *
 * Call it where no other publish of the asset can come in between.
 *
 * @throws CursorMovedError when rows were read from a cursor that is not the latest any more
 */
export async function earlierPublish(
  { kind }: WriteStrategy,
  { assetKey, after, replayAfter }: LedgerEntry,
  ledger: Ledger,
): Promise<LedgerEntry | undefined> {
  // Whatever was published since, it may hold the same rows: a full refresh, another replay.
  if (replayAfter !== undefined && (await ledger.lastRun()) !== replayAfter)
    throw new CursorMovedError(
      `${assetKey}: another run has published since this replay began, and may have brought the same rows. Nothing was ` +
        "published; run it again",
    );
  if (kind === "append" && typeof after !== "string" && replayAfter === undefined) {
    const earlier = await ledger.find();
    if (earlier !== undefined) return earlier;
  }
  if (after === undefined) return undefined;
  const latest = await ledger.lastCursor();
  if (after === latest) return undefined;
  throw new CursorMovedError(
    `${assetKey}: another run has published since this one began, and moved the cursor from ${after ?? "the start"} to ` +
      `${latest ?? "the start"}: its rows would be there twice. Nothing was published; run it again`,
  );
}
