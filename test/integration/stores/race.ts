import { randomUUID } from "node:crypto";
import { literal } from "../../../resources/quote.ts";
import { AT, BASE_AT, DAY, run } from "./kill.ts";
import type { OpenStore } from "./open_store.ts";
import type { Job } from "./publish_until_killed.ts";

const ROWS = 2_000;
const RUNS = 3;

/**
 * Runs of the same partition at once, each in a process of its own: what stands in the end is the whole of the one that
 * published last, and nothing of the others.
 *
 * @throws Error that says what is mixed or lost
 */
export async function raceForOnePartition(open: OpenStore, rounds: number): Promise<void> {
  const assetKey = `race_${randomUUID().slice(0, 8)}/x`;
  const job = (root: string, change: Partial<Job> = {}): Job => ({
    ...{
      body: "query",
      assetKey,
      strategy: { kind: "replacePartitions", partitions: { kind: "window", column: "at", ...DAY } },
    },
    ...{ rootRunId: root, first: 0, count: ROWS, at: AT, file: "", layout: {}, ...change },
  });
  await run(open, job("base", { strategy: { kind: "replace" }, at: BASE_AT }));
  for (let round = 1; round <= rounds; round += 1) {
    const racers = Array.from({ length: RUNS }, (_, index) =>
      // Of different sizes, so that a mixture shows.
      job(`root_${round}_${index}`, { body: index === 0 ? "rows" : "query", first: index * ROWS, count: ROWS - index }),
    );
    await Promise.all(racers.map((one) => run(open, one)));
    const ledger = await open.query(
      `SELECT root_run_id FROM _dagster_typescript.ledger WHERE asset_key = ${literal(assetKey)} ORDER BY published_at DESC`,
    );
    if (ledger.length !== 1 + round * RUNS)
      throw new Error(`the ledger has ${ledger.length} lines after round ${round}`);
    const last = racers.find(({ rootRunId }) => rootRunId === ledger[0]?.[0]);
    const found = await open.query(
      `SELECT run, count(*), count(DISTINCT id) FROM ${open.table(assetKey)} GROUP BY run ORDER BY run`,
    );
    const wanted = [
      ["base", String(ROWS), String(ROWS)],
      [last?.rootRunId ?? "none", String(last?.count), String(last?.count)],
    ];
    if (JSON.stringify(found) !== JSON.stringify(wanted))
      throw new Error(`the table holds ${JSON.stringify(found)}, and not ${JSON.stringify(wanted)}`);
  }
}
