/**
 * Writes the promotions once, and says what memory this process took.
 * Arguments: name of the store, body, Parquet file.
 */
import { randomUUID } from "node:crypto";
import { Worker } from "node:worker_threads";
import { DuckDBInstance } from "@duckdb/node-api";
import { type Column, readColumn } from "../../definitions/column_type.ts";
import { parquet, sql, z } from "../../definitions/index.ts";
import { literal } from "../../resources/quote.ts";
import type { Attempt, Staged, Store, Target } from "../../resources/store.ts";
import { chooseStore } from "../../resources/stores.ts";
import { RowValidator } from "../../runtime/validate_rows.ts";
import { type Body, NAMES, type RunReport, SCHEMA } from "./promotions_table.ts";

const shape = z.strictObject({
  product_id: z.int32(),
  store_id: z.int32(),
  display_location: z.string(),
  mailer_location: z.string(),
  week: z.int32(),
});
const columns: readonly Column[] = Object.entries(shape.shape).map(([name, schema]) => {
  const read = readColumn(name, schema);
  if (!read.ok) throw new Error(read.message);
  return read.column;
});
const SAMPLE_EVERY_MS = 25;

const [storeName = "", body = "", file = ""] = process.argv.slice(2);
const kind = chooseStore(storeName, "", {});
if (typeof kind === "string") throw new Error(kind);
const runId = randomUUID();
const attempt: Attempt = {
  runId,
  rootRunId: runId,
  codeVersion: "1",
  startedAt: new Date(),
  signal: new AbortController().signal,
  log: console.error,
};
const table = body as Body;
const target: Target = {
  assetKey: `${SCHEMA}/${table}`,
  schema: SCHEMA,
  table,
  description: "A soak.",
  columns,
  key: [],
  storage: {},
  strategy: { kind: "replace" },
};
const memory = watchMemory();
const start = performance.now();
const store = await kind.open(process.cwd(), process.env);
const staged = await stage(store, table);
const facts = await staged.facts();
await staged.publish({
  ...{ assetKey: target.assetKey, runId, rootRunId: runId, codeVersion: "1", partitionKeys: null },
  rowCount: facts.rowCount,
  columns: [],
  contentHash: facts.contentHash,
  startedAt: attempt.startedAt,
  cursor: null,
  report: "{}",
});
await store.close();
const report: RunReport = { seconds: (performance.now() - start) / 1000, ...(await memory()) };
console.log(JSON.stringify(report));

async function stage(to: Store, how: Body): Promise<Staged> {
  if (how === "copied") return await to.stageCopy(target, parquet(file), new Map(), attempt);
  if (how === "queried") {
    const query = sql`SELECT product_id, store_id, display_location, mailer_location, week FROM promotions.copied`;
    return await to.stageQuery(target, query, null, attempt);
  }
  const validator = new RowValidator(shape, columns);
  const writer = await to.stageRows(target, attempt);
  for await (const page of pages()) {
    const { good, bad } = validator.validate(page);
    if (bad.length > 0) throw new Error(bad[0]?.reason);
    await writer.append(good);
  }
  return await writer.finish();
}

/** The file's rows, a batch of the reader at a time. */
async function* pages(): AsyncGenerator<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(":memory:", { memory_limit: "256MB" });
  const connection = await instance.connect();
  const casts = NAMES.map((name) => `${name}::${name.endsWith("location") ? "VARCHAR" : "INTEGER"} AS ${name}`);
  const reader = await connection.stream(`SELECT ${casts.join(", ")} FROM read_parquet(${literal(file)})`);
  for await (const page of reader.yieldRowObjectJs()) yield page;
  connection.closeSync();
  instance.closeSync();
}

/** Looks at the resident memory from a thread of its own, so that a busy main thread keeps none of its peaks from view. */
function watchMemory(): () => Promise<Omit<RunReport, "seconds">> {
  const code = `
    const { parentPort } = require("node:worker_threads");
    const samples = [];
    setInterval(() => samples.push(process.memoryUsage.rss()), ${SAMPLE_EVERY_MS});
    parentPort.on("message", () => parentPort.postMessage(samples));`;
  const worker = new Worker(code, { eval: true });
  worker.unref();
  return async () => {
    const samples = await new Promise<number[]>((resolve) => {
      worker.once("message", resolve);
      worker.postMessage("how much");
    });
    await worker.terminate();
    const half = Math.ceil(samples.length / 2);
    const peak = (part: readonly number[]): number =>
      part.reduce((most, bytes) => Math.max(most, bytes), 0) / 1_000_000;
    return { firstHalfMb: peak(samples.slice(0, half)), secondHalfMb: peak(samples.slice(half)) };
  };
}
