import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { installEngine } from "../../ops/engines/install.ts";
import { checkout, npmBin } from "../../ops/process.ts";

/** A project of its own with the code of this one, and a graph of two small assets. */
let project: string;

const ORDERS = `
import { defineAsset, notNull, unique, z } from "dagster-typescript";

export const orders = defineAsset("shop/orders", {
  description: "Orders.",
  columns: z.strictObject({ id: z.int().describe("Number"), amount: z.int().nullable().describe("Cents") }),
  checks: [unique("id"), notNull("amount")],
  body: {
    async *rows({ row }) {
      yield row({ id: 1, amount: 500 });
      yield row({ id: 2, amount: 700 });
    },
  },
});
`;
const TOTALS = `
import { defineAsset, rowCount, sql, z } from "dagster-typescript";
import { orders } from "./orders.ts";

export const totals = defineAsset("shop/totals", {
  description: "All orders together.",
  columns: z.strictObject({ orders: z.int().describe("How many") }),
  checks: [rowCount({ min: 1 })],
  body: sql\`SELECT COUNT(*) AS orders FROM \${orders}\`,
});
`;

/** The same rows, in whichever store its own schema is. */
const MIRROR = `
import { copy, defineAsset, z } from "dagster-typescript";
import { orders } from "../shop/orders.ts";

export const mirror = defineAsset("marts/mirror", {
  description: "Orders, elsewhere.",
  columns: z.strictObject({ id: z.int().describe("Number"), amount: z.int().nullable().describe("Cents") }),
  body: copy(orders),
});
`;

let engines: string;
beforeAll(async () => {
  engines = path.dirname(await installEngine("postgres"));
}, 900_000);

beforeEach(() => {
  project = mkdtempSync(path.join(tmpdir(), "start-"));
  // Servers run as a user of their own where we are root.
  chmodSync(project, 0o755);
  for (const name of [
    "dagster_project",
    "definitions",
    "ops",
    "pipes",
    "resources",
    "runtime",
    "package.json",
    "pyproject.toml",
  ]) {
    cpSync(path.join(checkout, name), path.join(project, name), {
      recursive: true,
      filter: (source) => !source.endsWith("__pycache__"),
    });
  }
  for (const name of ["node_modules", ".venv"]) symlinkSync(path.join(checkout, name), path.join(project, name));
  mkdirSync(path.join(project, "data"));
  mkdirSync(path.join(project, ".state"));
  symlinkSync(engines, path.join(project, ".state/engines"));
  symlinkSync(path.join(checkout, "data/completejourney"), path.join(project, "data/completejourney"));
  asset("orders", ORDERS);
  asset("totals", TOTALS);
});
afterEach(async () => {
  await nothingIsLeft();
  rmSync(project, { recursive: true });
});

function asset(name: string, text: string, schema = "shop"): void {
  mkdirSync(path.join(project, "assets", schema), { recursive: true });
  writeFileSync(path.join(project, "assets", schema, `${name}.ts`), text);
}

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  /** What it has printed so far. */
  readonly output: () => string;
}

const STORES = ["WAREHOUSE", "DATABASE_URL", "CLICKHOUSE_URL", "HYPER_URL"];

function npmStart(...args: string[]): Started {
  return npmStartIn({}, ...args);
}

function npmStartIn(environment: Readonly<Record<string, string>>, ...args: string[]): Started {
  const ours = Object.fromEntries(Object.entries(process.env).filter(([name]) => !STORES.includes(name)));
  const child = spawn(npmBin("node"), ["ops/start.ts", ...args], {
    cwd: project,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...ours, NO_COLOR: "1", DUCKDB_PATH: path.join(project, "data/warehouse.duckdb"), ...environment },
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  return { child, ended: new Promise((resolve) => child.on("close", resolve)), output: () => printed };
}

async function printed(start: Started, text: string): Promise<void> {
  await until(
    () => start.output().includes(text) || start.child.exitCode !== null,
    () => `no "${text}" in:\n${start.output()}`,
  );
}

/** Every process of the project names its folder in its command line, or stands in it. */
async function nothingIsLeft(): Promise<void> {
  const processes = (): string[] =>
    execFileSync("ps", ["-eo", "pid,args", "-ww"], { encoding: "utf8" })
      .split("\n")
      .filter((line) => line.includes(project));
  await until(
    () => processes().length === 0,
    () => `left behind:\n${processes().join("\n")}`,
  );
}

async function until(condition: () => boolean, complaint: () => string): Promise<void> {
  const deadline = performance.now() + 100_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(complaint());
    await wait(100);
  }
}

/** What is in the project's DuckDB file. */
async function rowsOf(query: string): Promise<(string | null)[][]> {
  const instance = await DuckDBInstance.create(path.join(project, "data/warehouse.duckdb"));
  try {
    const connection = await instance.connect();
    const rows = (await connection.runAndReadAll(query)).getRows();
    connection.closeSync();
    return rows.map((row) => row.map((value) => (value === null ? null : String(value))));
  } finally {
    instance.closeSync();
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("npm start", () => {
  test("materializes the graph, shows the table, serves the UI until it is interrupted", async () => {
    const port = await freePort();
    const start = npmStart("--port", String(port));
    await printed(start, `Dagster is at http://127.0.0.1:${port}`);
    expect(start.output()).toMatch(/^shop\/orders +2 +2\/2 +\d+\.\d +shop\.orders$/m);
    expect(start.output()).toMatch(/^shop\/totals +1 +1\/1 +\d+\.\d +shop\.totals$/m);
    expect((await fetch(`http://127.0.0.1:${port}/server_info`)).status).toBe(200);
    start.child.kill("SIGINT");
    expect(await start.ended).toBe(130);
  });

  test("--once fails when a blocking check fails, and names the check", async () => {
    asset("orders", ORDERS.replace("amount: 700", "amount: null"));
    const start = npmStart("--once");
    expect(await start.ended).toBe(1);
    expect(start.output()).toMatch(/^shop\/orders +failed +1\/2/m);
    expect(start.output()).toMatch(/^shop\/totals +not run/m);
    expect(start.output()).toContain("shop/orders: refused by not_null_amount");
  });

  test("starts no run when an asset has a fault, and shows where", async () => {
    asset("totals", TOTALS.replace("COUNT(*) AS orders", "COUNT(*) AS order_count"));
    const start = npmStart("--once");
    expect(await start.ended).toBe(1);
    expect(start.output()).toContain("assets/shop/totals.ts:");
    expect(start.output()).not.toContain("Materializing");
  });

  test("leaves no process behind when it is killed in the middle of a run", async () => {
    asset(
      "orders",
      ORDERS.replace(
        "yield row({ id: 2",
        "await new Promise((resolve) => setTimeout(resolve, 3_600_000)); yield row({ id: 2",
      ),
    );
    const start = npmStart("--once");
    await printed(start, "shop/orders …");
    start.child.kill("SIGKILL");
    await start.ended;
    await nothingIsLeft();
  });

  test("refuses what it does not know, and a port that is taken", async () => {
    expect(await npmStart("--twice").ended).toBe(2);
    expect(await npmStart("--port", "http").ended).toBe(2);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const start = npmStart("--port", String(port));
    expect(await start.ended).toBe(1);
    expect(start.output()).toContain(`Port ${port} is taken`);
    server.close();
  });

  test("--warehouse starts a server for all tables but those whose schema or asset says another store", async () => {
    asset("mirror", MIRROR, "marts");
    asset(
      "kept",
      MIRROR.replaceAll("mirror", "kept").replace("marts/", "shop/").replace("columns:", 'store: "duckdb", columns:'),
    );
    const start = npmStartIn({ WAREHOUSE: "hyper,marts=duckdb" }, "--once", "--warehouse", "postgres");
    expect(await start.ended, start.output()).toBe(0);
    expect(start.output()).toContain("Starting postgres on this machine");
    expect(start.output()).not.toMatch(/Starting hyper|warning/);
    expect(start.output()).toMatch(/^shop\/totals +1 +1\/1 +\d+\.\d +shop\.totals$/m);
    const rows = [
      ["1", "500"],
      ["2", "700"],
    ];
    expect(await rowsOf("SELECT id, amount FROM marts.mirror ORDER BY id")).toEqual(rows);
    expect(await rowsOf("SELECT id, amount FROM shop.kept ORDER BY id")).toEqual(rows);
    // What is in the server is not in the file.
    const ofShop = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'shop'";
    expect(await rowsOf(ofShop)).toEqual([["kept"]]);
  });

  test("runs nothing when a server does not answer, and says in one line which and what to do", async () => {
    const port = await freePort();
    const start = npmStartIn({ DATABASE_URL: `postgres://me:hidden@127.0.0.1:${port}/x`, WAREHOUSE: "postgres" }, "--once"); // prettier-ignore
    expect(await start.ended).toBe(1);
    const [building, line, ...others] = start.output().trimEnd().split("\n");
    expect(building).toBe("Building the manifest of the assets");
    expect(line).toMatch(/^Nothing was run: postgres cannot be used\..*ECONNREFUSED/);
    expect(line).toContain(`DATABASE_URL names 127.0.0.1:${port}: start or correct it, or leave DATABASE_URL out`);
    expect(line).not.toContain("hidden");
    expect(others).toEqual([]);
  });

  test("refuses a WAREHOUSE that it cannot read, and one for a schema that no asset has", async () => {
    const twice = npmStartIn({ WAREHOUSE: "postgres,duckdb" }, "--once");
    expect(await twice.ended).toBe(2);
    expect(twice.output()).toContain("postgres and duckdb cannot both be the store of all schemas");
    const unknown = npmStartIn({ WAREHOUSE: "duckdb,shpo=postgres" }, "--once");
    expect(await unknown.ended).toBe(1);
    expect(unknown.output()).toContain('no asset is in the schema "shpo"; expected one of shop');
    expect(unknown.output()).not.toContain("Materializing");
  });
});
