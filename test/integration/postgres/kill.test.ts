import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { date, z } from "../../../definitions/index.ts";
import { literal } from "../../../resources/quote.ts";
import type { Target, WriteStrategy } from "../../../resources/store.ts";
import { attempt } from "../duckdb/warehouse.ts";
import { connect, Server, textOf } from "./server.ts";
import { Warehouse } from "./warehouse.ts";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
}, 900_000);
afterAll(() => server.stop());

const ROWS = 50_000;
const SHAPE = { id: z.int(), run: z.string() };
type Body = "query" | "rows" | "copy" | "view" | "refresh";

/** Kills by `npm test`; `npm run soak` asks for more. */
const KILLS = Number(process.env["KILLS_PER_CASE"] ?? 4);

/**
 * Runs a publish in a process of its own and resolves, when it has ended, with what it said and how long it worked.
 *
 * @param killAfterMs Counted from when it begins to work.
 */
async function run(
  body: Body,
  target: Target,
  rootRunId: string,
  first: number,
  killAfterMs?: number,
): Promise<{ readonly said: string; readonly ms: number }> {
  const script = join(import.meta.dirname, "publish_until_killed.ts");
  const file = join(server.folder, `${rootRunId}.parquet`);
  if (body === "copy") await writeParquet(file, rootRunId, first);
  if (body === "refresh") await server.sql(`UPDATE "${target.schema}".root SET root = ${literal(rootRunId)}`);
  const args = [script, body, JSON.stringify(target), rootRunId, String(first), String(ROWS), file];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, DATABASE_URL: server.url },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  let said = "";
  let beganAt = 0;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
    if (beganAt !== 0) return;
    beganAt = performance.now();
    if (killAfterMs !== undefined) setTimeout(() => child.kill("SIGKILL"), killAfterMs).unref();
  });
  await ended;
  return { said, ms: performance.now() - beganAt };
}

async function writeParquet(file: string, rootRunId: string, first: number): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const query = `SELECT n AS id, ${literal(rootRunId)} AS run FROM range(${first}, ${first + ROWS}) AS r(n)`;
  await connection.run(`COPY (${query}) TO ${literal(file)} (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
}

test.each<[Body, WriteStrategy["kind"], boolean, isPartitioned?: boolean]>([
  ["rows", "replace", false],
  ["rows", "append", false],
  ["query", "replace", true],
  ["query", "merge", false],
  ["copy", "replace", false],
  ["view", "replace", true],
  ["refresh", "replace", true],
  ["rows", "append", false, true],
  ["query", "replace", false, true],
  ["query", "replace", true, true],
])(
  "%s, %s (with a view: %s; partitioned: %s): whenever its process is killed, a rerun makes the table exact and readers see whole publishes",
  { timeout: 600_000 },
  async (body, kind, hasView, isPartitioned = false) => {
    const warehouse = new Warehouse(server);
    const strategy: WriteStrategy =
      kind === "merge" ? { kind, key: ["id"] } : kind === "append" ? { kind } : { kind: "replace" };
    const target: Target = isPartitioned
      ? {
          ...warehouse.target({ ...SHAPE, day: date() }, strategy),
          storage: { postgres: { partitionBy: { column: "day", every: "week" }, indexes: [{ columns: ["id"] }] } },
        }
      : { ...warehouse.target(SHAPE, strategy), key: ["id"] };
    if (body === "refresh")
      await warehouse.sql(`CREATE SCHEMA ${warehouse.schema}; CREATE TABLE {root} AS SELECT 'none'::text AS root`);
    const { said, ms } = await run(body, target, "root-0", 0);
    expect(said).toContain("published");
    if (hasView) await warehouse.sql("CREATE VIEW {v} AS SELECT * FROM {x}");

    const wrong = new Set<string>();
    let reads = 0;
    const done = new AbortController();
    const reader = await connect(server.url);
    const reading = (async () => {
      while (!done.signal.aborted) {
        const counts = await textOf(reader, `SELECT run, count(*) FROM ${warehouse.name()} GROUP BY run`);
        for (const [root, count] of counts) if (count !== String(ROWS)) wrong.add(`${root ?? ""}: ${count ?? ""}`);
        if (strategy.kind === "replace" && counts.length !== 1) wrong.add(`${counts.length} runs`);
        reads += 1;
      }
    })();

    for (let kill = 1; kill <= KILLS; kill += 1) {
      const first = strategy.kind === "replace" ? 0 : kill * ROWS;
      await run(body, target, `root-${kill}`, first, ms * Math.random());
      expect((await run(body, target, `root-${kill}`, first)).said).toContain("published");
      const published = strategy.kind === "replace" ? 1 : kill + 1;
      expect(await warehouse.sql("SELECT count(*), count(DISTINCT id), count(DISTINCT run) FROM {x}")).toEqual([
        [String(published * ROWS), String(published * ROWS), String(published)],
      ]);
    }
    done.abort();
    await reading;
    await reader.end();
    expect([...wrong]).toEqual([]);
    expect(reads).toBeGreaterThan(0);
    // What a killed process left goes with the next run; the server may need a moment to notice its end.
    const deadline = performance.now() + 60_000;
    while ((await warehouse.stagingTables()).length > 0 && performance.now() < deadline) {
      await warehouse.store.removeOrphans(() => false);
      await wait(50);
    }
    expect(await warehouse.stagingTables()).toEqual([]);
    expect(
      await warehouse.sql(
        `SELECT count(DISTINCT root_run_id), count(*) FROM _dagster_typescript.ledger WHERE asset_key = '${target.assetKey}'`,
      ),
    ).toEqual([[String(KILLS + 1), String(KILLS + 1)]]);
  },
);

test("staging of a process that lives, or of a run on another machine that is open, stays", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(SHAPE);
  const mine = await warehouse.store.stageRows(target, attempt({ runId: "mine" }));
  await warehouse.sql(`CREATE TABLE _dagster_typescript._stage_elsewhere (id integer);
    COMMENT ON TABLE _dagster_typescript._stage_elsewhere IS '{"run":"far","process":"0.0.0.1.1"}';
    CREATE TABLE _dagster_typescript._stage_people (id integer)`);
  await warehouse.store.removeOrphans((runId) => runId === "far");
  expect((await warehouse.stagingTables()).map(([name]) => name)).toHaveLength(3);
  await warehouse.store.removeOrphans(() => false);
  const left = (await warehouse.stagingTables()).map(([name]) => name);
  expect(left).toContain("_stage_people");
  expect(left).not.toContain("_stage_elsewhere");
  expect(left).toHaveLength(2);
  await mine.discard();
  await warehouse.sql("DROP TABLE _dagster_typescript._stage_people");
});
