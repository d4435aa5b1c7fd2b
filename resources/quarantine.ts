import type { Statement } from "./render_sql.ts";
import type { Attempt, KeptRow, Sample, Target } from "./store.ts";

/**
 * The runs whose quarantined rows those of a run take the place of; `null`: all of the asset. Of a table to which runs add,
 * nobody reads the rows of earlier runs again: what they quarantined is kept, until a replay has tried it. Elsewhere a run
 * reads all of its rows anew, and the bad ones among them.
 */
export function replacedRuns(
  { strategy }: Pick<Target, "strategy">,
  { runId, replay }: Pick<Attempt, "runId" | "replay">,
): readonly string[] | null {
  if (strategy.kind !== "append" && strategy.kind !== "merge") return null;
  return [runId, ...(replay?.runs ?? [])];
}

/** Deletes the rows that others take the place of. */
export function deleteQuarantined(quarantine: string, assetKey: string, runs: readonly string[] | null): Statement {
  const text = `DELETE FROM ${quarantine} WHERE asset_key = $1`;
  if (runs === null) return { text, parameters: [assetKey] };
  const list = runs.map((_, index) => `CAST($${index + 2} AS text)`).join(", ");
  return { text: `${text} AND run_id IN (${list})`, parameters: [assetKey, ...runs] };
}

/** Reads an asset's quarantined rows, and which of their runs have published what. */
export async function readQuarantine(
  text: (statement: Statement) => Promise<Pick<Sample, "rows">>,
  quarantine: string,
  ledger: string,
  assetKey: string,
): Promise<KeptRow[]> {
  const parameters = [assetKey];
  const { rows } = await text({
    text: `SELECT run_id, row_number, reason, value, exact, origin FROM ${quarantine} WHERE asset_key = $1
      ORDER BY quarantined_at, run_id, row_number`,
    parameters,
  });
  const { rows: published } = await text({
    text: `SELECT run_id, cursor FROM ${ledger} WHERE asset_key = $1 AND (
        run_id IN (SELECT run_id FROM ${quarantine} WHERE asset_key = $1)
        OR run_id IN (SELECT origin FROM ${quarantine} WHERE asset_key = $1 AND origin IS NOT NULL)
      ) ORDER BY published_at`,
    parameters,
  });
  return keptRows(rows, new Map(published.map(([runId, cursor]) => [runId ?? "", cursor ?? null])));
}

/**
 * @param rows As {@link readQuarantine} selects them.
 * @param cursors Of the runs that have published.
 */
export function keptRows(
  rows: readonly (readonly (string | null)[])[],
  cursors: ReadonlyMap<string, string | null>,
): KeptRow[] {
  return rows.map(([run, rowNumber, reason, value, exact, origin]) => ({
    ...{ runId: run ?? "", rowNumber: Number(rowNumber), reason: reason ?? "", value: value ?? "" },
    ...{ exact: exact ?? null, origin: origin ?? null },
    isPublished: cursors.has(run ?? ""),
    cursor: cursors.get(origin ?? run ?? "") ?? null,
  }));
}
