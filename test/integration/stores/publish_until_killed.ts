/**
 * Publishes as a run does, and says on standard output how far it is; for who kills it meanwhile.
 * Arguments: name of the store, job as JSON.
 */
import { parquet, timestamp, z } from "../../../definitions/index.ts";
import { type Sql, sql, type TableRef } from "../../../definitions/sql.ts";
import type { PostgresTable, Storage } from "../../../definitions/storage.ts";
import type { Staged, Target, WriteStrategy } from "../../../resources/store.ts";
import { chooseStore } from "../../../resources/stores.ts";
import { attempt, publish, targetOf } from "../clickhouse/warehouse_values.ts";

/** How the table is laid out; the expression of ClickHouse as text. */
export interface Layout {
  readonly clickhouse?: { readonly partitionBy: string; readonly replacePartitions: "atOnce" | "oneByOne" };
  readonly postgres?: PostgresTable;
}

/** What to publish, and how. */
export interface Job {
  /** `view` is a materialised view that each run defines anew; `refresh` one that reads its rows' text from a table. */
  readonly body: "query" | "rows" | "copy" | "view" | "refresh";
  readonly assetKey: string;
  readonly strategy: WriteStrategy;
  /** Stands in every row. */
  readonly rootRunId: string;
  /** The rows' identifiers: `first` to `first + count - 1`. */
  readonly first: number;
  readonly count: number;
  /** The day of the rows, as an ISO text: each hour of it has some. */
  readonly at: string;
  /** The rows as Parquet, for `copy`. */
  readonly file: string;
  readonly layout: Layout;
}

const SHAPE = { id: z.int(), at: timestamp(), run: z.string() };
const PAGE_ROWS = 1_000;
const MS_PER_HOUR = 3_600_000;

if (import.meta.main) {
  const [name = "", text = ""] = process.argv.slice(2);
  await main(name, JSON.parse(text, reviveDates) as Job);
}

/** The bounds of a window. */
function reviveDates(key: string, value: unknown): unknown {
  return key === "start" || key === "end" ? new Date(String(value)) : value;
}

async function main(storeName: string, job: Job): Promise<void> {
  const kind = chooseStore(storeName, "", {});
  if (typeof kind === "string") throw new Error(kind);
  const target = targetOfJob(job);
  const given = attempt({ rootRunId: job.rootRunId });
  const store = await kind.open(process.cwd(), process.env);
  say("began");
  await store.removeOrphans(() => false);
  if ((await store.findPublished(target, given)) === undefined) {
    const staged = await stage();
    say("staged");
    await publish(staged, target, given);
  }
  say("published");
  await store.close();

  async function stage(): Promise<Staged> {
    if (job.body === "query") return await store.stageQuery(target, numbers(storeName, job), null, given);
    if (job.body === "copy") return await store.stageCopy(target, parquet(job.file), new Map(), given);
    if (job.body === "view" || job.body === "refresh")
      return await store.stageView(target, numbers(storeName, job), "full", null, given);
    const writer = await store.stageRows(target, given);
    for (let row = 0; row < job.count; row += PAGE_ROWS) {
      const page = { length: Math.min(PAGE_ROWS, job.count - row) };
      await writer.append(
        Array.from(page, (_, index) => {
          const at = new Date(Date.parse(job.at) + ((row + index) % 24) * MS_PER_HOUR);
          return { id: job.first + row + index, at, run: job.rootRunId };
        }),
      );
    }
    return await writer.finish();
  }
}

/** What a job publishes to. */
export function targetOfJob(job: Job): Target {
  return { ...targetOf(SHAPE, job.strategy, job.assetKey), key: ["id"], storage: storageOf(job) };
}

function storageOf({ layout }: Job): Storage {
  const { clickhouse, postgres } = layout;
  if (clickhouse === undefined) return { postgres };
  const partitionBy: Sql = { kind: "sql", strings: [clickhouse.partitionBy], values: [] };
  return { clickhouse: { ...clickhouse, partitionBy }, postgres };
}

/** The rows as each engine makes numbers. */
function numbers(storeName: string, { body, assetKey, first, count, rootRunId, at }: Job): Sql {
  const time = new Date(at);
  switch (storeName) {
    case "duckdb":
      // Its table functions take no bound values.
      return sql`SELECT CAST(n + ${first} AS BIGINT) AS id, CAST(${time} AS TIMESTAMPTZ) + to_hours(n % 24) AS at,
        CAST(${rootRunId} AS VARCHAR) AS run FROM range(1000000) AS numbers(n) WHERE n < ${count}`;
    case "clickhouse":
      return sql`SELECT toInt64(number + ${first}) AS id, CAST(${time} AS DateTime64(6, 'UTC')) + toIntervalHour(number % 24) AS at,
        CAST(${rootRunId} AS String) AS run FROM numbers(${count})`;
    default: {
      const root: TableRef = { kind: "table", assetKey: assetKey.replace(/[^/]*$/, "root") };
      const run = body === "refresh" ? sql`(SELECT root FROM ${root})` : sql`CAST(${rootRunId} AS text)`;
      return sql`SELECT CAST(n AS bigint) AS id, CAST(${time} AS timestamptz) + (n % 24) * interval '1 hour' AS at,
        ${run} AS run
        FROM generate_series(${first}, ${first + count - 1}) AS numbers(n)`;
    }
  }
}

function say(word: string): void {
  process.stdout.write(`${word}\n`);
}
