// Publishes once, as an asset's run does, and says how far it got. Killed by the tests at any moment.
import { sql, timestamp, z } from "../../../definitions/index.ts";
import { clickhouse } from "../../../resources/clickhouse/kind.ts";
import type { ClickHouseTable } from "../../../definitions/storage.ts";
import type { Target, WriteStrategy } from "../../../resources/store.ts";
import { attempt, publish, targetOf } from "./warehouse_values.ts";

interface Job {
  readonly assetKey: string;
  readonly strategy: WriteStrategy;
  /** The layout; its expressions as text. */
  readonly layout?: Pick<ClickHouseTable, "replacePartitions"> & { readonly partitionBy: string };
  readonly runId: string;
  readonly rootRunId: string;
  readonly resume: boolean;
  /** The rows' identifiers: `first` to `first + count - 1`. */
  readonly first: number;
  readonly count: number;
}

const job = JSON.parse(process.argv[2] ?? "{}", (name, value: unknown) =>
  name === "start" || name === "end" ? new Date(String(value)) : value,
) as Job;
const to: Target = {
  ...targetOf({ id: z.int(), run: z.string(), at: timestamp() }, job.strategy, job.assetKey),
  storage:
    job.layout === undefined
      ? {}
      : { clickhouse: { ...job.layout, partitionBy: { kind: "sql", strings: [job.layout.partitionBy], values: [] } } },
};
const store = await clickhouse.open(process.cwd(), process.env);
const given = attempt({ runId: job.runId, rootRunId: job.rootRunId });
console.log("begun");
const found = job.resume ? await store.findPublished(to, given) : undefined;
if (found === undefined) {
  await store.removeOrphans(() => false);
  const rows = sql`SELECT toInt64(number + ${job.first}) AS id, CAST(${job.rootRunId} AS String) AS run,
    toDateTime64('2017-01-02 12:00:00', 6, 'UTC') + INTERVAL (number % 3) HOUR AS at FROM numbers(${job.count})`;
  await publish(await store.stageQuery(to, rows, null, given), to, given);
}
await store.close();
console.log(found === undefined ? "published" : "reused");
