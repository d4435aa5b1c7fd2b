import type { Attempt, Target } from "../store.ts";
import { tryUntilDone } from "../waiting.ts";
import { type Client, FEW_ROWS } from "./client.ts";
import { UnfinishedMutationError } from "./errors.ts";

/** What tells the latest mutation of a table, of `system.mutations`, from every other; the server forgets earlier ones. */
export const LAST_MUTATION = "toString(max((create_time, toUInt64OrZero(extract(mutation_id, '[0-9]+')))))";

/** The mutations of a table. */
export interface Mutations {
  /** The latest one, as {@link LAST_MUTATION} says. */
  readonly last: string;
  /** What one does that the server has not finished, and why it fails; `undefined` where all are done. */
  readonly unfinished: string | undefined;
}

/** Looks at the mutations of a table, one that is there or not. */
export async function lookAtMutations(
  client: Client,
  { schema, table }: Pick<Target, "schema" | "table">,
): Promise<Mutations> {
  const { rows } = await client.text(
    {
      text: `SELECT ${LAST_MUTATION}, countIf(NOT is_done), anyIf(command, NOT is_done), anyIf(latest_fail_reason, NOT is_done)
        FROM system.mutations WHERE database = {p1:String} AND table = {p2:String}`,
      parameters: [schema, table],
    },
    FEW_ROWS,
  );
  const [last, count, command, fault] = rows[0] ?? [];
  const what = `${command ?? ""}${fault ? `, which fails: ${fault}` : ""}`;
  return { last: last ?? "", unfinished: count === "0" ? undefined : what };
}

/**
 * Waits for the mutations of a table that people began and the server has not finished: files that are linked to a copy
 * come without them.
 *
 * @param look The one before it waits.
 * @returns the latest one
 * @throws UnfinishedMutationError after the time that a publish waits for a lock
 */
export async function awaitMutations(
  client: Client,
  target: Target,
  { signal, log }: Pick<Attempt, "signal" | "log">,
  look: Mutations,
): Promise<string> {
  let seen: Mutations | undefined = look;
  return await tryUntilDone({ timeoutMs: client.config.lockTimeoutMs, signal, log }, async () => {
    const { last, unfinished } = seen ?? (await lookAtMutations(client, target));
    seen = undefined;
    if (unfinished === undefined) return { done: last };
    return {
      message: `Waiting for a mutation of ${target.assetKey}: ${unfinished}`,
      timedOut: (seconds) =>
        new UnfinishedMutationError(
          `${target.assetKey}: the server was still at a mutation of the table after ${seconds} s ` +
            `(CLICKHOUSE_LOCK_TIMEOUT_SECONDS), which a copy of its files would undo. Nothing was published: ` +
            `let it end, or give it up with KILL MUTATION (see system.mutations). It is ${unfinished}`,
        ),
    };
  });
}
