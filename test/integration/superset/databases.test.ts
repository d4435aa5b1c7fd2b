import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import type { Engine } from "../../../ops/engines/engine.ts";
import { query } from "../../../ops/engines/postgres.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { SupersetConfigError, SupersetRefusedError } from "../../../resources/superset/client/errors.ts";
import type { SupersetStore } from "../../../resources/superset/connection.ts";
import {
  type ComparedDatabase,
  compareDatabase,
  storeDatabase,
  type SupersetDatabase,
} from "../../../resources/superset/databases.ts";
import { chartData } from "../../../resources/superset/chart_data.ts";
import { dashboardUuid } from "../../../resources/superset/dashboard.ts";
import { openSuperset } from "../../../resources/superset/open.ts";
import { questionsOf } from "../../../resources/superset/warm.ts";
import { createProject } from "../runtime/project.ts";
import { Front } from "./front.ts";
import { type LocalSuperset, localSuperset, SUPERSET_TIMEOUT_MS } from "./local_superset.ts";
import { serviceAccount } from "./service_account.ts";

const folder = mkdtempSync(join(tmpdir(), "superset-stores-"));
const duckdbSnapshot = join(folder, "current", "warehouse.duckdb");
const engines: Engine[] = [];
let superset: LocalSuperset;
let env: Record<string, string>;

beforeAll(async () => {
  const [shared, ...started] = await Promise.all([
    localSuperset(),
    startEngine("postgres", { dataDir: join(folder, "postgres"), durable: false, tls: certificate() }),
    startEngine("clickhouse", { dataDir: join(folder, "clickhouse") }),
    startEngine("hyper", { dataDir: join(folder, "hyper with a space") }),
  ]);
  engines.push(...started);
  superset = shared;
  const [postgres, clickhouse, hyper] = started;
  await query(
    postgres.url,
    "CREATE VIEW settings AS SELECT current_setting('application_name') AS who, current_setting('statement_timeout') AS timeout, " +
      "(SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS ssl",
  );
  env = { ...shared.env, DATABASE_URL: postgres.url, CLICKHOUSE_URL: clickhouse.url, HYPER_URL: hyper.url };
}, SUPERSET_TIMEOUT_MS);

/** A key, and a certificate for the name localhost that it signs itself. */
function certificate(): { certFile: string; keyFile: string } {
  const [certFile, keyFile] = [join(folder, "server.pem"), join(folder, "server.key")];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", keyFile];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  execFileSync("openssl", ["req", "-x509", ...key, ...subject, "-days", "2", "-out", certFile], { stdio: "ignore" });
  return { certFile, keyFile };
}

afterAll(async () => {
  for (const engine of engines) await engine.stop();
  rmSync(folder, { recursive: true, force: true });
});

const register = (store: SupersetStore, more: Record<string, string> = {}): Promise<SupersetDatabase> => {
  const all = { ...env, ...more };
  return storeDatabase(openSuperset(all), { store, env: all, duckdbSnapshot });
};

const answer = z.object({ data: z.array(z.record(z.string(), z.unknown())) });

/** What comes back of a query that Superset sends to a database. */
async function ask(database: SupersetDatabase, sql: string): Promise<unknown> {
  return (await superset.client().post("/sqllab/execute/", { database_id: database.id, sql, runAsync: false }, answer))
    .data;
}

const SETTINGS = "SELECT who, timeout FROM settings";

async function expectNoPassword({ id }: SupersetDatabase): Promise<void> {
  const client = superset.client();
  const paths = [`/database/${id}`, `/database/${id}/connection`, "/database/"];
  const shown = JSON.stringify(await Promise.all(paths.map((path) => client.get(path, z.unknown()))));
  for (const name of ["DATABASE_URL", "CLICKHOUSE_URL", "HYPER_URL"]) {
    expect(shown).not.toContain(new URL(env[name] ?? "").password);
  }
}

test.each([
  ["postgres", SETTINGS, [{ who: "superset", timeout: "5min" }]],
  ["clickhouse", "SELECT getSetting('max_execution_time') AS seconds", [{ seconds: 300 }]],
] as const)("a connection to %s answers within limits, its password nowhere to be read", async (store, sql, rows) => {
  const database = await register(store);
  expect(await ask(database, sql)).toEqual(rows);
  expect(await register(store)).toEqual(database);
  await expectNoPassword(database);
});

test("comparing makes no connection, and says what a sync would change of one", async () => {
  const compare = (more: Record<string, string> = {}): Promise<ComparedDatabase> => {
    const all = { ...env, ...more };
    return compareDatabase(openSuperset(all), { store: "hyper", env: all, duckdbSnapshot });
  };
  const client = superset.client();
  const [own] = await client.list("database", z.object({ id: z.number() }), {
    filters: [{ column: "database_name", operator: "eq", value: "dagster-typescript hyper" }],
  });
  if (own !== undefined) await client.delete(`/database/${own.id}`);
  const missing = { id: undefined, differences: ['the database connection "dagster-typescript hyper" is not there'] };
  expect([await compare(), await compare()]).toEqual([missing, missing]);
  const { id } = await register("hyper");
  expect(await compare()).toEqual({ id, differences: [] });
  const other = `${env["HYPER_URL"] ?? ""}?application_name=other`;
  expect((await compare({ SUPERSET_HYPER_URL: other })).differences).toHaveLength(1);
  expect(await compare()).toEqual({ id, differences: [] });
});

test("a connection that a new Superset refuses because another is made at once is made all the same", async () => {
  let refused = 0;
  await using front = await Front.open(superset.url, ({ method, path }) => {
    if (method !== "POST" || path !== "/api/v1/database/" || (refused += 1) > 2) return undefined;
    return { kind: "answer", status: 422, body: '{"message": "Database could not be created."}' };
  });
  const client = superset.client();
  const database = await register("clickhouse");
  await client.delete(`/database/${database.id}`);
  const again = await register("clickhouse", { SUPERSET_URL: front.url });
  expect(refused).toBe(3);
  expect(again.id).not.toBe(database.id);
});

test("a connection to Hyper lists its tables, its password nowhere to be read", async () => {
  const { HYPER_URL: url = "" } = env;
  await query(url, 'CREATE SCHEMA "retail"');
  await query(url, 'CREATE TABLE "retail"."it\'s" (a INTEGER)');
  const database = await register("hyper");
  const tables = z.object({ result: z.array(z.object({ value: z.string() })) });
  const options = { query: { schema_name: "retail", force: true } };
  const { result } = await superset.client().get(`/database/${database.id}/tables/`, tables, options);
  expect(result.map(({ value }) => value)).toEqual(["it's"]);
  await expectNoPassword(database);
});

test.each(["clickhouse", "hyper"] as const)(
  "over %s a dataset is synced once, and a dashboard of every kind of chart is made and warm",
  async (store) => {
    const project = createProject({
      [`assets/${store}/sales.ts`]: SALES.replaceAll("STORE", store),
      [`assets/dashboards/${store}.ts`]: BOARD.replaceAll("STORE", store),
    });
    const own = { ...env, WAREHOUSE: store };
    const dataset = `superset/dataset/${store}/sales`;
    const ended = await project.run([`${store}/sales`, dataset, `superset/dashboard/${store}`, `superset/warm/${store}`], own).ended; // prettier-ignore
    expect(ended.stderr).not.toMatch(/fail|Error/);
    expect(ended.code).toBe(0);
    expect((await project.start("runtime/superset/compare.ts", [dataset], own).ended).stdout).toContain(
      `${dataset}: as it should be`,
    );
    const client = superset.client();
    const answers = await Promise.all(
      (await questionsOf(client, dashboardUuid(store), 2)).map(async ({ name, context }) => {
        const { isCached, data } = await chartData(client, context ?? expect.fail(name));
        return { name, isCached, data };
      }),
    );
    expect(answers.filter(({ isCached }) => !isCached)).toEqual([]);
    // Superset writes decimals as the driver of the store gives them.
    const [total] = z.tuple([z.tuple([z.object({ revenue: z.coerce.number() })])]).parse(answers.find(({ name }) => name === "Revenue")?.data); // prettier-ignore
    expect(total).toEqual([{ revenue: 4.75 }]);
    expect(answers.find(({ name }) => name === "Shops")?.data).toMatchObject([
      [
        { "it's": "west 🦆", lines: 2 },
        { "it's": "east", lines: 1 },
      ],
    ]);
  },
);

const SALES = `
import { count, date, decimal, defineAsset, sum, timestamp, z } from "dagster-typescript";

export const sales = defineAsset("STORE/sales", {
  description: "What was sold.",
  columns: z.strictObject({ at: timestamp(), day: date(), "it's": z.string().describe("Shop's"), amount: decimal(12, 2).nullable() }),
  superset: { metrics: { revenue: sum("amount"), lines: count() }, timeColumn: "at", columns: { "it's": { label: "Shop" } } },
  body: {
    async *rows() {
      yield { at: new Date("2026-01-05T23:30:00Z"), day: "2026-01-05", "it's": "west 🦆", amount: "1.50" };
      yield { at: new Date("2026-01-06T00:30:00Z"), day: "2026-01-06", "it's": "west 🦆", amount: "2.25" };
      yield { at: new Date("2026-02-01T00:00:00Z"), day: "2026-02-01", "it's": "east", amount: "1.00" };
      yield { at: new Date("2027-02-01T00:00:00Z"), day: "2027-02-01", "it's": "late", amount: null };
    },
  },
});
`;

const BOARD = `
import { bar, bigNumber, defineDashboard, pie, table, timeFilter, timeSeries, valueFilter } from "dagster-typescript";
import { sales } from "../STORE/sales.ts";

export const board = defineDashboard("STORE", {
  title: "STORE",
  description: "Each kind of chart.",
  filters: [
    timeFilter("period", { default: "2026-01-01 : 2027-01-01" }),
    valueFilter("shop", { dataset: sales, column: "it's", default: ["west 🦆", "east"] }),
  ],
  charts: [
    bigNumber("revenue", { dataset: sales, metric: "revenue" }),
    timeSeries("by_month", { dataset: sales, time: "at", grain: "month", metrics: ["revenue", "lines"], by: "it's" }),
    timeSeries("by_day", { dataset: sales, time: "day", metrics: ["revenue"] }),
    bar("by_shop", { dataset: sales, metrics: ["revenue"], by: "it's" }),
    pie("shares", { dataset: sales, metric: "lines", by: "it's" }),
    table("shops", { dataset: sales, metrics: ["lines"], by: ["it's"] }),
  ],
});
`;

test("a connection follows the address of its store, and keeps what people set", async () => {
  const database = await register("postgres");
  const client = superset.client();
  const path = `/database/${database.id}/connection`;
  const withExtra = z.object({ result: z.object({ extra: z.string() }) });
  const { extra } = (await client.get(path, withExtra)).result;
  const edited = JSON.stringify({ ...(JSON.parse(extra) as object), cost_estimate_enabled: true });
  await client.put(`/database/${database.id}`, { extra: edited }, z.unknown());
  expect(await register("postgres", { DATABASE_STATEMENT_TIMEOUT_SECONDS: "7" })).toEqual(database);
  expect(await ask(database, SETTINGS)).toEqual([{ who: "superset", timeout: "7s" }]);
  expect(JSON.parse((await client.get(path, withExtra)).result.extra)).toMatchObject({ cost_estimate_enabled: true });
});

test("a connection follows a changed password", async () => {
  const { DATABASE_URL: owner = "" } = env;
  const url = new URL(owner);
  url.username = "reader";
  await query(owner, "CREATE ROLE reader LOGIN PASSWORD 'first-password'");
  await query(owner, "GRANT SELECT ON settings TO reader");
  for (const password of ["first-password", "p@ss/word? #2%"]) {
    await query(owner, `ALTER ROLE reader PASSWORD '${password}'`);
    url.password = encodeURIComponent(password);
    const database = await register("postgres", { SUPERSET_POSTGRES_URL: url.href });
    expect(await ask(database, "SELECT who FROM settings")).toEqual([{ who: "superset" }]);
  }
});

test("a connection is encrypted and its server verified where the URL says so", async () => {
  const url = new URL(env["DATABASE_URL"] ?? "");
  url.hostname = "localhost";
  url.searchParams.set("sslmode", "verify-full");
  url.searchParams.set("sslrootcert", join(folder, "server.pem"));
  const database = await register("postgres", { SUPERSET_POSTGRES_URL: url.href });
  expect(await ask(database, "SELECT ssl FROM settings")).toEqual([{ ssl: true }]);
  url.hostname = "127.0.0.1";
  await expect(register("postgres", { SUPERSET_POSTGRES_URL: url.href })).rejects.toThrow(SupersetRefusedError);
});

test("a connection goes through PgBouncer when its limit is left to the server", async () => {
  const { DATABASE_URL: target = "" } = env;
  const bouncer = await startEngine("pgbouncer", { dataDir: join(folder, "pgbouncer"), target });
  engines.push(bouncer);
  const through = { SUPERSET_POSTGRES_URL: bouncer.url };
  await expect(register("postgres", through)).rejects.toThrow("ignore_startup_parameters");
  const database = await register("postgres", { ...through, DATABASE_STATEMENT_TIMEOUT_SECONDS: "0" });
  expect(await ask(database, "SELECT who FROM settings")).toEqual([{ who: "superset" }]);
});

test("a snapshot of DuckDB is read only, and a missing one is not made", async () => {
  await expect(register("duckdb")).rejects.toThrow(SupersetRefusedError);
  mkdirSync(join(folder, "current"));
  const instance = await DuckDBInstance.create(duckdbSnapshot);
  instance.closeSync();
  const database = await register("duckdb");
  await expect(ask(database, "CREATE TABLE t (a INTEGER)")).rejects.toThrow();
  expect(await ask(database, "SELECT 1 AS a")).toEqual([{ a: 1 }]);
});

test("a store that Superset cannot reach is a fault that names no password", async () => {
  const wrong = "postgres://somebody:hunter2hunter2@127.0.0.1:1/nowhere";
  const all = { ...env, SUPERSET_POSTGRES_URL: wrong };
  const error: unknown = await register("postgres", all).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(SupersetRefusedError);
  expect(String(error)).not.toContain("hunter2");
});

test("a service account with the rights that the documentation names finds a database, and cannot make one", async () => {
  const { id, name } = await register("postgres");
  const account = await serviceAccount(superset);
  const service = { ...env, SUPERSET_USERNAME: account.username, SUPERSET_PASSWORD: account.password };
  const own = {
    ...service,
    SUPERSET_DATABASE_POSTGRES: name,
    SUPERSET_ADMIN_USERNAME: "",
    SUPERSET_ADMIN_PASSWORD: "",
  };
  expect(await storeDatabase(openSuperset(own), { store: "postgres", env: own, duckdbSnapshot })).toEqual({ id, name });

  const asAdmin = { ...service, SUPERSET_ADMIN_USERNAME: account.username, SUPERSET_ADMIN_PASSWORD: account.password };
  const making = storeDatabase(openSuperset(asAdmin), { store: "hyper", env: asAdmin, duckdbSnapshot });
  await expect(making).rejects.toThrow("SUPERSET_ADMIN_USERNAME");
});

test("without an administrator, the database that is named has to be there", async () => {
  const service = { ...env, SUPERSET_ADMIN_USERNAME: "", SUPERSET_ADMIN_PASSWORD: "" };
  const find = (more: Record<string, string>): Promise<SupersetDatabase> =>
    storeDatabase(openSuperset(service), { store: "postgres", env: { ...service, ...more }, duckdbSnapshot });
  const database = await register("postgres");
  expect(await find({ SUPERSET_DATABASE_POSTGRES: database.name })).toEqual(database);
  await expect(find({ SUPERSET_DATABASE_POSTGRES: "nobody's" })).rejects.toThrow(SupersetConfigError);
});
