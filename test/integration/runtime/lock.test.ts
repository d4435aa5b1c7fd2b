import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { assetFile, createProject, type Project, until } from "./project.ts";

const columns = "columns: z.strictObject({ id: z.int32() })";
const rows = (key: string, wait = ""): string =>
  assetFile(key, `${columns}, body: { async *rows({ row, log, signal }) { ${wait} yield row({ id: 1 }); } }`);
const query = (key: string): string => assetFile(key, `${columns}, body: sql\`SELECT 2::INT AS id\``);

/** Another process that has the warehouse open until it is told to let go. */
async function hold(project: Project): Promise<{ readonly pid: number; readonly release: () => Promise<void> }> {
  const code = `
    const { DuckDBInstance } = await import("@duckdb/node-api");
    const instance = await DuckDBInstance.create(${JSON.stringify(project.warehouse)});
    console.log("held");
    process.stdin.on("end", () => process.exit()).resume();`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  const ended = once(child, "close");
  return {
    pid: child.pid ?? 0,
    release: async () => {
      child.stdin.end();
      await ended;
    },
  };
}

test.each([
  ["rows", rows],
  ["query", query],
])(
  "a %s asset waits for a warehouse that another process has open, says so, and finishes once it is free",
  async (_name, make) => {
    const project = createProject({ "assets/a/x.ts": make("a/x") });
    const holder = await hold(project);
    const run = project.launch("a/x");
    const waiting = (): boolean => JSON.stringify(run.messages()).includes(`PID ${holder.pid}`);
    await until("the message about the wait", waiting);
    expect(JSON.stringify(run.messages())).toMatch(/Waiting for .*warehouse\.duckdb/);
    await holder.release();
    expect(await run.ended).toMatchObject({ code: 0 });
  },
);

test.each([
  ["rows", rows],
  ["query", query],
])("a %s asset gives up after the time-out, naming who holds the warehouse", async (_name, make) => {
  const project = createProject({ "assets/a/x.ts": make("a/x") });
  const holder = await hold(project);
  const run = project.launch("a/x", { env: { DUCKDB_LOCK_TIMEOUT_SECONDS: "1" } });
  expect((await run.ended).code).not.toBe(0);
  const closed = JSON.stringify(run.messages().at(-1));
  expect(closed).toContain("WarehouseLockedError");
  expect(closed).toContain(`PID ${holder.pid}`);
  expect(project.staging()).toEqual([]);
  await holder.release();
});

test("a wait for the warehouse ends when the run is terminated", async () => {
  const project = createProject({ "assets/a/x.ts": query("a/x") });
  const holder = await hold(project);
  const run = project.launch("a/x");
  await until("the message about the wait", () => JSON.stringify(run.messages()).includes("Waiting for"));
  run.child.kill("SIGTERM");
  expect((await run.ended).code).not.toBe(0);
  expect(JSON.stringify(run.messages().at(-1))).toContain("SIGTERM");
  await holder.release();
});

test("ten assets of one file, each in a process of its own, all finish at the same time", async () => {
  const keys = Array.from({ length: 10 }, (_, index) => `a/x${index}`);
  const project = createProject(
    Object.fromEntries(keys.map((key, index) => [`assets/${key}.ts`, index % 2 === 0 ? rows(key) : query(key)])),
  );
  const runs = keys.map((key) => project.launch(key));
  const ended = await Promise.all(runs.map((run) => run.ended));
  expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual(keys.map(() => [0, ""]));
  expect(await project.query("SELECT count(*) FROM _dagster_typescript.ledger")).toEqual([["10"]]);
  expect(await project.query("SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'a'")).toEqual([["10"]]);
  expect(project.staging()).toEqual([]);
});

test("a slow body of rows does not keep a query from the warehouse", async () => {
  const slow = `log.info("slow"); yield row({ id: 0 }); await new Promise((done) => { process.once("SIGUSR2", done); setTimeout(done, 80_000); });`;
  const project = createProject({ "assets/a/slow.ts": rows("a/slow", slow), "assets/a/quick.ts": query("a/quick") });
  const run = project.launch("a/slow");
  await until("the slow body", () => JSON.stringify(run.messages()).includes("slow"));
  const quick = project.launch("a/quick", { env: { DUCKDB_LOCK_TIMEOUT_SECONDS: "5" } });
  expect((await quick.ended).code).toBe(0);
  expect(run.child.exitCode).toBeNull();
  run.child.kill("SIGUSR2");
  expect((await run.ended).code).toBe(0);
  expect(await project.query("SELECT count(*) FROM a.slow")).toEqual([["2"]]);
});

test("a file that is no warehouse is named", async () => {
  const project = createProject({
    "assets/a/x.ts": query("a/x"),
    "warehouse.duckdb": "this is no database".repeat(1000),
  });
  const run = project.launch("a/x");
  expect((await run.ended).code).not.toBe(0);
  expect(JSON.stringify(run.messages().at(-1))).toMatch(/warehouse\.duckdb/);
});
