import { keptRows, replacedRuns } from "../quarantine.ts";
import type { Attempt, KeptRow, QuarantinedRow, Replay, Target } from "../store.ts";
import type { Client } from "./client.ts";
import { PUBLISHED, QUARANTINE, query, REPLAYED } from "./ledger.ts";
import { literal } from "./quote.ts";
import { onCluster } from "./tables.ts";
import { instantText } from "./types.ts";

/**
 * Replaces an asset's quarantined rows, or those of the run, by those of this run. Those that a replay tries again stay:
 * see {@link dropReplayed}.
 */
export async function replaceQuarantine(
  client: Client,
  target: Pick<Target, "assetKey" | "strategy">,
  { runId }: Pick<Attempt, "runId">,
  rows: readonly QuarantinedRow[],
): Promise<void> {
  const { assetKey } = target;
  await deleteRuns(client, assetKey, replacedRuns(target, { runId }));
  if (rows.length === 0) return;
  await growQuarantine(client);
  const quarantined_at = instantText(new Date());
  const lines = rows.map(({ rowNumber, reason, value, exact = null, origin = null }) =>
    JSON.stringify({
      ...{ asset_key: assetKey, run_id: runId, quarantined_at, row_number: rowNumber, reason, value, exact, origin },
    }),
  );
  await client.insert(`INSERT INTO ${QUARANTINE} FORMAT JSONEachRow`, lines.join("\n"));
}

/**
 * Drops what a replay has tried, once it is published. Until then, and when the process dies before, the line of the replay
 * in the ledger says that they do not count any more.
 */
export async function dropReplayed(client: Client, assetKey: string, { runs }: Replay): Promise<void> {
  await deleteRuns(client, assetKey, runs);
}

/** Statements hold no more. */
const RUNS_PER_DELETE = 500;

async function deleteRuns(client: Client, assetKey: string, runs: readonly string[] | null): Promise<void> {
  if (runs === null) {
    await client.run({ text: `DELETE FROM ${QUARANTINE} WHERE asset_key = {p1:String}`, parameters: [assetKey] });
    return;
  }
  for (let start = 0; start < runs.length; start += RUNS_PER_DELETE) {
    const list = runs
      .slice(start, start + RUNS_PER_DELETE)
      .map(literal)
      .join(", ");
    await client.run({
      text: `DELETE FROM ${QUARANTINE} WHERE asset_key = {p1:String} AND run_id IN (${list})`,
      parameters: [assetKey],
    });
  }
}

async function growQuarantine(client: Client): Promise<void> {
  const added = REPLAYED.map((column) => `ADD COLUMN IF NOT EXISTS ${column}`);
  await client.run(`ALTER TABLE ${QUARANTINE}${onCluster(client)} ${added.join(", ")}`);
}

/** An asset's quarantined rows; drops those that a replay has tried whose process died before it could. */
export async function quarantinedRows(client: Client, target: Target): Promise<KeptRow[]> {
  const { assetKey, schema, table } = target;
  await growQuarantine(client);
  const { rows } = await client.text({
    text: `SELECT run_id, row_number, reason, value, exact, origin FROM ${QUARANTINE} WHERE asset_key = {p1:String}
      ORDER BY quarantined_at, run_id, row_number`,
    parameters: [assetKey],
  });
  const quarantined = `SELECT arrayJoin([run_id, ifNull(origin, run_id)]) FROM ${QUARANTINE} WHERE asset_key = {p1:String}`;
  const lines = await query(client, {
    text: `SELECT run_id, cursor, JSONHas(report, 'replay') AS is_replay FROM ${PUBLISHED}
      WHERE is_replay = 1 OR run_id IN (${quarantined}) ORDER BY unsettled, published_at`,
    parameters: [assetKey, schema, table],
  });
  const cursors = new Map(lines.map(([run, cursor]) => [run ?? "", cursor ?? null]));
  const lastReplay = lines.findLastIndex(([, , isReplay]) => isReplay === "1");
  // A replay tries all that is published: what is from before the last one is done with.
  const done = new Set(lines.slice(0, Math.max(0, lastReplay)).map(([run]) => run ?? ""));
  const left = [...new Set(rows.map(([run]) => run ?? ""))].filter((run) => done.has(run));
  await deleteRuns(client, assetKey, left);
  return keptRows(
    rows.filter(([run]) => !done.has(run ?? "")),
    cursors,
  );
}
