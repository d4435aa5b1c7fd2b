// Publishes once, as an asset's run does, and says how far it got. Killed by the tests at any moment.
import { sql, timestamp, z } from "../../../definitions/index.ts";
import { clickhouse } from "../../../resources/clickhouse/kind.ts";
import type { Sql } from "../../../definitions/sql.ts";
import type { Target, WriteStrategy } from "../../../resources/store.ts";
import { attempt, publish, targetOf } from "./warehouse_values.ts";

interface Job {
  readonly assetKey: string;
  readonly strategy: WriteStrategy;
  /** Publishes a view over this asset instead, with its definition changed by `first`. */
  readonly view?: { readonly source: string; readonly refresh: "full" | "incremental" };
  readonly runId: string;
  readonly rootRunId: string;
  readonly resume: boolean;
  /** The rows' identifiers: `first` to `first + count - 1`. */
  readonly first: number;
  readonly count: number;
}

const job = JSON.parse(process.argv[2] ?? "{}") as Job;
const store = await clickhouse.open(process.cwd(), process.env);
const given = attempt({ runId: job.runId, rootRunId: job.rootRunId });
const to = job.view === undefined ? tableOf(job) : { ...targetOf({ run: z.string(), n: z.int() }, job.strategy, job.assetKey), key: ["run"] }; // prettier-ignore
console.log("begun");
const found = job.resume ? await store.findPublished(to, given) : undefined;
if (found === undefined) {
  await store.removeOrphans(() => false);
  const staged =
    job.view === undefined
      ? await store.stageQuery(to, rowsOf(job), null, given)
      : await store.stageView(to, viewOf(job.view.source, job.first), job.view.refresh, null, given);
  await publish(staged, to, given);
}
await store.close();
console.log(found === undefined ? "published" : "reused");

function tableOf({ strategy, assetKey }: Job): Target {
  return targetOf({ id: z.int(), run: z.string(), at: timestamp() }, strategy, assetKey);
}

function rowsOf({ first, count, rootRunId }: Job): Sql {
  return sql`SELECT toInt64(number + ${first}) AS id, CAST(${rootRunId} AS String) AS run,
    toDateTime64('2017-01-02 12:00:00', 6, 'UTC') + INTERVAL (number % 3) HOUR AS at FROM numbers(${count})`;
}

function viewOf(assetKey: string, change: number): Sql {
  const source = { kind: "table", assetKey } as const;
  return sql`SELECT run, CAST(count() AS Int64) AS n FROM ${source} WHERE id <> ${-change - 1} GROUP BY run`;
}
