import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
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

beforeEach(() => {
  project = mkdtempSync(path.join(tmpdir(), "start-"));
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
  symlinkSync(path.join(checkout, "data/completejourney"), path.join(project, "data/completejourney"));
  asset("orders", ORDERS);
  asset("totals", TOTALS);
});
afterEach(async () => {
  await nothingIsLeft();
  rmSync(project, { recursive: true });
});

function asset(name: string, text: string): void {
  mkdirSync(path.join(project, "assets/shop"), { recursive: true });
  writeFileSync(path.join(project, "assets/shop", `${name}.ts`), text);
}

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  /** What it has printed so far. */
  readonly output: () => string;
}

function npmStart(...args: string[]): Started {
  const child = spawn(npmBin("node"), ["ops/start.ts", ...args], {
    cwd: project,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", DUCKDB_PATH: path.join(project, "data/warehouse.duckdb") },
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
});
