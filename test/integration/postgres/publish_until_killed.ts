/**
 * Publishes as a run does, and says on standard output how far it is; for a test that kills it meanwhile.
 * Arguments: body, target as JSON, root run, number of the first row, number of rows.
 */
import { randomUUID } from "node:crypto";
import { parquet } from "../../../definitions/index.ts";
import { postgres } from "../../../resources/postgres/kind.ts";
import type { Staged, Target } from "../../../resources/store.ts";
import { sql, type TableRef } from "../../../definitions/sql.ts";

const [body = "", target = "", rootRunId = "", first = "", count = "", file = ""] = process.argv.slice(2);
const to = JSON.parse(target) as Target;
const hasDay = to.columns.some(({ name }) => name === "day");
const attempt = {
  runId: randomUUID(),
  rootRunId,
  codeVersion: "v1",
  startedAt: new Date(),
  signal: new AbortController().signal,
  log: () => undefined,
};
const store = await postgres.open(process.cwd(), process.env);
process.stdout.write("began\n");
if ((await store.findPublished(to, attempt)) === undefined) {
  await store.removeOrphans(() => false);
  const staged = await stage();
  const facts = await staged.facts();
  await staged.publish({
    assetKey: to.assetKey,
    runId: attempt.runId,
    rootRunId,
    codeVersion: "v1",
    partitionKeys: null,
    rowCount: facts.rowCount,
    columns: [],
    contentHash: facts.contentHash,
    startedAt: attempt.startedAt,
    cursor: null,
    report: "{}",
  });
}
process.stdout.write("published\n");
await store.close();

function table(assetKey: string): TableRef {
  return { kind: "table", assetKey };
}

async function stage(): Promise<Staged> {
  if (body === "query") {
    const numbers = sql`generate_series(${Number(first)}, ${Number(first) + Number(count) - 1})`;
    return await store.stageQuery(
      to,
      hasDay
        ? sql`SELECT n::bigint AS id, ${rootRunId}::text AS run, DATE '2024-01-01' + n::integer % 28 AS day FROM ${numbers} AS n`
        : sql`SELECT n::bigint AS id, ${rootRunId}::text AS run FROM ${numbers} AS n`,
      null,
      attempt,
    );
  }
  // Defined anew by each run, or the same view of rows that change.
  if (body === "view" || body === "refresh") {
    const root = body === "view" ? sql`${rootRunId}::text` : sql`(SELECT root FROM ${table(`${to.schema}/root`)})`;
    const numbers = sql`generate_series(${Number(first)}, ${Number(first) + Number(count) - 1})`;
    return await store.stageView(
      to,
      sql`SELECT n::bigint AS id, ${root} AS run FROM ${numbers} AS n`,
      "full",
      null,
      attempt,
    );
  }
  if (body === "copy") return await store.stageCopy(to, parquet(file), new Map(), attempt);
  const writer = await store.stageRows(to, attempt);
  for (let row = 0; row < Number(count); row += 1_000) {
    await writer.append(
      Array.from({ length: 1_000 }, (_, index) => {
        const id = Number(first) + row + index;
        return { id, run: rootRunId, ...(hasDay ? { day: `2024-01-${String((id % 28) + 1).padStart(2, "0")}` } : {}) };
      }),
    );
  }
  return await writer.finish();
}
