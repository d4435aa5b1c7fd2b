import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Engine } from "../../../ops/engines/engine.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { connect, textOf } from "../postgres/server.ts";
import { assetFile, createProject, type Project, until } from "../runtime/project.ts";

const folder = mkdtempSync(join(tmpdir(), "transfer-runs-"));
let postgres: Engine;
let hyper: Engine;
beforeAll(async () => {
  postgres = await startEngine("postgres", { dataDir: join(folder, "postgres"), durable: false });
  hyper = await startEngine("hyper", { dataDir: join(folder, "hyper") });
});
afterAll(async () => {
  await postgres.stop();
  await hyper.stop();
  rmSync(folder, { recursive: true, force: true });
});

const env = (): Record<string, string> => ({ DATABASE_URL: postgres.url, HYPER_URL: hyper.url });

async function rowsOf(engine: Engine, text: string): Promise<(string | null)[][]> {
  const client = await connect(engine.url);
  try {
    return await textOf(client, text);
  } finally {
    await client.end();
  }
}

/** What is on its way from store to store. */
function transfers(project: Project): string[] {
  const path = join(project.dir, "data", "transfers");
  return existsSync(path) ? readdirSync(path) : [];
}

const lines = (schema: string, rows: number): string =>
  assetFile(
    `${schema}/lines`,
    `store: "duckdb", columns: z.strictObject({ id: z.int(), note: z.string() }),
      body: sql\`SELECT range AS id, 'note ' || range AS note FROM range(${rows})\``,
  );
const copied = (schema: string, name: string, store: string): string =>
  assetFile(
    `${schema}/${name}`,
    `store: "${store}", columns: z.strictObject({ id: z.int(), note: z.string() }), body: d.copy(lines)`,
    `import { lines } from "./lines.ts";`,
  );

test("an asset is copied from store to store and to the next, and nothing is left of its way", async () => {
  const shape = "columns: z.strictObject({ id: z.int(), note: z.string() })";
  const project = createProject({
    "assets/round/lines.ts": lines("round", 1000),
    "assets/round/in_postgres.ts": copied("round", "in_postgres", "postgres"),
    "assets/round/in_hyper.ts": assetFile(
      "round/in_hyper",
      `store: "hyper", ${shape}, body: d.copy(in_postgres)`,
      `import { in_postgres } from "./in_postgres.ts";`,
    ),
    "assets/round/back.ts": assetFile(
      "round/back",
      `store: "duckdb", ${shape}, body: d.copy(in_hyper)`,
      `import { in_hyper } from "./in_hyper.ts";`,
    ),
  });
  const { code, stderr } = await project.run(
    ["round/lines", "round/in_postgres", "round/in_hyper", "round/back"],
    env(),
  ).ended;
  expect(code, stderr).toBe(0);
  expect(await project.query("SELECT count(*), sum(id), max(note) FROM round.back")).toEqual([
    ["1000", "499500", "note 999"],
  ]);
  expect(transfers(project)).toEqual([]);
});

test("what a killed process left is removed by a later run, and what a running one needs is not", async () => {
  const project = createProject({
    "assets/killed/lines.ts": lines("killed", 4_000_000),
    "assets/killed/one.ts": copied("killed", "one", "hyper"),
    "assets/killed/other.ts": copied("killed", "other", "hyper"),
    "assets/killed/few.ts": assetFile(
      "killed/few",
      `store: "hyper", columns: z.strictObject({ id: z.int() }), body: sql\`SELECT CAST(1 AS bigint) AS id\``,
    ),
  });
  const made = await project.run(["killed/lines"], env()).ended;
  expect(made.code, made.stderr).toBe(0);

  const killed = project.run(["killed/one"], env());
  await until("the transfer", () => transfers(project).length === 1);
  killed.child.kill("SIGKILL");
  expect((await killed.ended).signal).toBe("SIGKILL");
  const [left] = transfers(project);
  expect(left).toBeDefined();

  const running = project.run(["killed/other"], env());
  await until("the other transfer", () => transfers(project).some((name) => name !== left));
  running.child.kill("SIGSTOP");
  const [needed] = transfers(project).filter((name) => name !== left);
  const later = await project.run(["killed/few"], env()).ended;
  expect(later.code, later.stderr).toBe(0);
  expect(transfers(project)).toEqual([needed]);
  running.child.kill("SIGCONT");
  const ended = await running.ended;
  expect(ended.code, ended.stderr).toBe(0);
  expect(await rowsOf(hyper, "SELECT count(*) FROM killed.other")).toEqual([["4000000"]]);
  expect(transfers(project)).toEqual([]);
});

test("Dagster is shown the statement and the rows of a copy, and nothing of how it connects", async () => {
  await rowsOf(
    postgres,
    "CREATE SCHEMA shop; CREATE TABLE shop.lines AS SELECT g AS id, 'note' AS note FROM generate_series(1, 7) AS g",
  );
  const project = createProject({
    "assets/shop/copied.ts": assetFile(
      "shop/copied",
      `columns: z.strictObject({ id: z.int(), note: z.string() }), body: d.copy(d.postgresTable("shop.lines"))`,
    ),
  });
  const run = project.launch("shop/copied", { env: env() });
  const ended = await run.ended;
  expect(ended.code, ended.stderr).toBe(0);
  const [report] = run.messages().filter(({ method }) => method === "report_asset_materialization");
  const metadata = report?.params["metadata"] as Record<string, { readonly raw_value: unknown }>;
  expect(metadata["sql"]?.raw_value).toContain('FROM "shop"."lines"');
  expect(metadata["rows_read"]?.raw_value).toBe(7);
  expect(JSON.stringify(run.messages()) + ended.stderr).not.toContain(new URL(postgres.url).password);

  // A table that grew is not what was agreed on, until somebody says so.
  await rowsOf(postgres, "ALTER TABLE shop.lines ADD COLUMN price numeric(9, 3) DEFAULT 1.5");
  const grown = await project.launch("shop/copied", { env: env() }).ended;
  expect(grown.stderr).toContain('column "price" (numeric(9,3)) is not in the contract');
  project.write({
    "assets/shop/copied.ts": assetFile(
      "shop/copied",
      `columns: z.strictObject({ id: z.int(), note: z.string() }), contract: "evolve",
        body: d.copy(d.postgresTable("shop.lines"))`,
    ),
  });
  expect((await project.launch("shop/copied", { env: env() }).ended).code).toBe(0);
  expect(await project.query("SELECT typeof(price), sum(price) FROM shop.copied GROUP BY ALL")).toEqual([
    ["DECIMAL(9,3)", "10.500"],
  ]);
  await rowsOf(postgres, "ALTER TABLE shop.lines DROP COLUMN price");
  expect((await project.launch("shop/copied", { env: env() }).ended).code).toBe(0);
  expect(await project.query("SELECT count(*), count(price) FROM shop.copied")).toEqual([["7", "0"]]);
});

test("a source that is missing, away or refused says what to do, and publishes nothing", async () => {
  const project = createProject({
    "assets/away/copied.ts": assetFile(
      "away/copied",
      `columns: z.strictObject({ id: z.int() }), body: d.copy(d.postgresTable("shop.nothing", { url: "SHOP_URL" }))`,
    ),
  });
  const run = async (url: string): Promise<string> => {
    const { code, stderr } = await project.run(["away/copied"], { SHOP_URL: url }).ended;
    expect(code).toBe(1);
    return stderr;
  };
  expect(await run("")).toContain("SHOP_URL is not set: expected the URL of the database with shop.nothing");
  expect(await run(postgres.url)).toContain("shop.nothing cannot be copied");
  const away = new URL(postgres.url);
  away.port = "1";
  expect(await run(away.href)).toContain("Is the server of SHOP_URL running");
  const wrong = new URL(postgres.url);
  wrong.password = "s3cr3t-word";
  const refused = await run(wrong.href);
  expect(refused).toContain("Look at user, password and database in SHOP_URL");
  expect(refused).not.toContain("s3cr3t-word");
});
