import { copyFileSync, existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { assetFile, createProject, type Ended, type PipesMessage, Project, until } from "./project.ts";

const KEY = "a/x";
const columns = "columns: z.strictObject({ id: z.int32() })";
const rowsBody = (code: string): string =>
  assetFile(KEY, `${columns}, body: { async *rows({ row, signal, log }) { yield row({ id: 2 }); ${code} } }`);
const taskBody = (code: string): string => assetFile(KEY, `body: { async task({ signal, log }) { ${code} } }`);

/** The warehouse of a project whose table holds one row, `1`. */
let published: Project;
beforeAll(async () => {
  published = new Project({ "assets/a/x.ts": rowsBody("").replace("id: 2", "id: 1") });
  expect((await published.launch(KEY).ended).code).toBe(0);
});
afterAll(() => {
  published.remove();
});

/** A project with that warehouse, whose asset has a body that goes wrong. */
function projectWith(source: string): Project {
  const project = createProject({ "assets/a/x.ts": source });
  copyFileSync(published.warehouse, project.warehouse);
  return project;
}

function closedError(messages: readonly PipesMessage[]): string {
  const closed = messages.find(({ method }) => method === "closed");
  return JSON.stringify(closed?.params ?? null);
}

const methods = (messages: readonly PipesMessage[]): string[] => messages.map(({ method }) => method);

function expectFailed({ code, signal }: Ended, messages: readonly PipesMessage[]): void {
  expect(code === null ? signal : code).not.toBe(0);
  expect(methods(messages)).not.toContain("report_asset_materialization");
  expect(JSON.stringify(messages)).not.toContain('"outcome"');
}

test("a good body reports its checks, its materialization and its outcome, and leaves no staging", async () => {
  const project = createProject({
    "assets/a/x.ts": assetFile(
      KEY,
      `${columns}, checks: [d.unique("id"), d.warn(d.rowCount({ min: 5 }))], body: { async *rows({ row }) { yield row({ id: 1 }); } }`,
    ),
  });
  const run = project.launch(KEY);
  expect(await run.ended).toMatchObject({ code: 0 });
  const messages = run.messages();
  expect(methods(messages)[0]).toBe("opened");
  expect(methods(messages).at(-1)).toBe("closed");
  expect(closedError(messages)).toBe("{}");
  const checks = messages.filter(({ method }) => method === "report_asset_check").map(({ params }) => params);
  expect(checks).toMatchObject([
    { asset_key: KEY, check_name: "unique_id", passed: true, severity: "ERROR" },
    {
      asset_key: KEY,
      check_name: "row_count",
      passed: false,
      severity: "WARN",
      metadata: { published: { raw_value: true } },
    },
  ]);
  const [materialization] = messages.filter(({ method }) => method === "report_asset_materialization");
  expect(materialization?.params).toMatchObject({
    asset_key: KEY,
    data_version: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
    metadata: {
      "dagster/row_count": { raw_value: 1, type: "int" },
      "dagster/table_name": { raw_value: "a.x" },
      "dagster/column_schema": { raw_value: { columns: [{ name: "id", type: "INTEGER" }] } },
      rows_quarantined: { raw_value: 0 },
    },
  });
  expect(messages.find(({ method }) => method === "report_custom_message")?.params).toEqual({
    payload: { dagster_typescript: { asset_key: KEY, outcome: "published" } },
  });
  expect(project.staging()).toEqual([]);
});

test("a refused publish reports its checks as not published, no materialization, and ends with 0", async () => {
  const project = projectWith(
    assetFile(
      KEY,
      `${columns}, checks: [d.between("id", { max: 1 })], body: { async *rows({ row }) { yield row({ id: 2 }); } }`,
    ),
  );
  const run = project.launch(KEY);
  expect(await run.ended).toMatchObject({ code: 0 });
  expect(methods(run.messages())).not.toContain("report_asset_materialization");
  expect(run.messages().find(({ method }) => method === "report_asset_check")?.params).toMatchObject({
    passed: false,
    metadata: { published: { raw_value: false }, failed_rows: { raw_value: 1 }, failed_sample: { type: "md" } },
  });
  expect(JSON.stringify(run.messages())).toContain('"outcome":"refused"');
  expect(await project.query("SELECT * FROM a.x")).toEqual([["1"]]);
  expect(project.staging()).toEqual([]);
});

describe("a body that goes wrong fails its step with the reason, and the table is as it was", () => {
  test.each([
    [
      "throws",
      rowsBody(`throw new Error("the source is gone", { cause: new Error("no such host") });`),
      /the source is gone.*no such host/,
    ],
    ["throws no error", rowsBody(`throw "just text";`), /just text/],
    [
      "rejects without a handler",
      rowsBody(
        `void Promise.reject(new Error("nobody listens")); await new Promise((done) => setTimeout(done, 60_000));`,
      ),
      /nobody listens/,
    ],
    [
      "throws later",
      rowsBody(
        `setTimeout(() => { throw new Error("too late"); }, 1); await new Promise((done) => setTimeout(done, 60_000));`,
      ),
      /too late/,
    ],
    ["calls process.exit(0)", rowsBody("process.exit(0);"), /exited with code 0/],
    ["sets no rows and waits for nothing", rowsBody("await new Promise(() => undefined);"), /ran empty|never settled/],
    ["yields what is no row", rowsBody(`yield 5 as never;`), /1 of 2 rows broke the contract.*object/],
    ["is a task that throws", taskBody(`throw new Error("task failed");`), /task failed/],
    ["is a task with metadata that has no form", taskBody(`return { metadata: { x: {} as never } };`), /metadata/],
    ["is no generator", assetFile(KEY, `${columns}, body: { rows: () => 5 as never }`), /iterable/],
  ])("%s", async (_name, source, message) => {
    const project = projectWith(source);
    const run = project.launch(KEY);
    expectFailed(await run.ended, run.messages());
    expect(closedError(run.messages())).toMatch(message);
    expect(await project.query("SELECT * FROM a.x")).toEqual([["1"]]);
  });

  test("garbage on standard output and a body that closes it do no harm", async () => {
    const project = projectWith(
      rowsBody(
        `process.stdout.write("\\0\\xff{garbage\\n".repeat(1000)); console.log({ x: 1 }); console.error("noise");`,
      ),
    );
    const run = project.launch(KEY);
    expect(await run.ended).toMatchObject({ code: 0 });
    expect(methods(run.messages())).toContain("report_asset_materialization");
  });

  test("and is told whether another attempt may help, where that is known", async () => {
    const told = async (source: string, env: Readonly<Record<string, string>> = {}): Promise<unknown> => {
      const run = projectWith(source).launch(KEY, { env });
      expectFailed(await run.ended, run.messages());
      return run.messages().find(({ method }) => method === "report_custom_message")?.params;
    };
    const may = (retryable: boolean): object => ({ payload: { dagster_typescript: { asset_key: KEY, retryable } } });
    const away = { WAREHOUSE: "postgres", DATABASE_URL: "postgres://nobody@127.0.0.1:1/none" };
    expect(await told(rowsBody(""), away)).toEqual(may(true));
    expect(await told(rowsBody("yield 5 as never;"))).toEqual(may(false));
    expect(await told(rowsBody(`throw new Error("the source is gone");`))).toBeUndefined();
  });

  test("an asset that is not there is named", async () => {
    const project = createProject({});
    const run = project.launch("a/nothing");
    expectFailed(await run.ended, run.messages());
    expect(closedError(run.messages())).toContain("a/nothing");
  });

  test.each(["../../etc/passwd", "a/x; rm -rf .", "a/../a/x", "/etc/passwd", "a/x.ts", ""])(
    "the hostile key %j is only a key that is not there",
    async (key) => {
      const project = createProject({ "assets/a/x.ts": rowsBody("") });
      const { code, stderr } = await project.run([key]).ended;
      expect(code).toBe(1);
      expect(stderr).toContain("no file defines the asset");
      expect(existsSync(project.warehouse)).toBe(false);
    },
  );
});

describe("a body that never ends is ended", () => {
  test("by the end of standard input, though the main thread is busy", async () => {
    const project = projectWith(rowsBody(`log.info("spinning"); for (;;);`));
    const run = project.launch(KEY);
    await until("the body spins", () => run.messages().some(({ params }) => params["message"] === "spinning"));
    run.child.stdin?.end();
    expectFailed(await run.ended, run.messages());
    expect(await project.query("SELECT * FROM a.x")).toEqual([["1"]]);
  });

  test("by SIGTERM, which its signal tells it of", async () => {
    const project = projectWith(
      rowsBody(
        `log.info("waiting"); await new Promise((_, fail) => { setTimeout(() => 0, 600_000).ref(); signal.addEventListener("abort", () => fail(signal.reason)); });`,
      ),
    );
    const run = project.launch(KEY);
    await until("the body waits", () => run.messages().some(({ params }) => params["message"] === "waiting"));
    run.child.kill("SIGTERM");
    expectFailed(await run.ended, run.messages());
    expect(closedError(run.messages())).toContain("SIGTERM");
    expect(project.staging()).toEqual([]);
  });

  test("by SIGTERM, though it does not listen and keeps waiting", async () => {
    const project = projectWith(rowsBody(`log.info("deaf"); await new Promise((done) => setTimeout(done, 600_000));`));
    const run = project.launch(KEY);
    await until("the body waits", () => run.messages().some(({ params }) => params["message"] === "deaf"));
    run.child.kill("SIGTERM");
    expectFailed(await run.ended, run.messages());
    expect(closedError(run.messages())).toMatch(/SIGTERM|terminated/);
  });

  test("by SIGTERM in the middle of a long query", async () => {
    const project = createProject({
      "assets/a/x.ts": assetFile(
        KEY,
        `${columns}, body: sql\`SELECT CAST(count(*) AS INTEGER) AS id FROM range(100000000) a, range(100000000) b\``,
      ),
    });
    const run = project.launch(KEY);
    await until("the query runs", () => existsSync(project.warehouse));
    run.child.kill("SIGTERM");
    expectFailed(await run.ended, run.messages());
    expect(closedError(run.messages())).toMatch(/SIGTERM/);
  });

  test("by kill -9, after which the next run removes what was staged", async () => {
    const project = projectWith(rowsBody(`log.info("alive"); await new Promise((done) => setTimeout(done, 600_000));`));
    const run = project.launch(KEY, { runId: "dead" });
    await until("the body waits", () => run.messages().some(({ params }) => params["message"] === "alive"));
    expect(project.staging()).toHaveLength(1);
    run.child.kill("SIGKILL");
    expectFailed(await run.ended, run.messages());
    expect(await project.query("SELECT * FROM a.x")).toEqual([["1"]]);

    project.write({ "assets/a/x.ts": rowsBody("") });
    // The dead run still counts as open in Dagster: its process is what tells.
    const next = project.launch(KEY, { runId: "next", openRunIds: ["dead", "next"] });
    expect(await next.ended).toMatchObject({ code: 0 });
    expect(project.staging()).toEqual([]);
    expect(await project.query("SELECT * FROM a.x")).toEqual([["2"]]);
  });
});

test("without Dagster, assets run in the order of their needs, and a failure ends the process with 1", async () => {
  const project = createProject({
    "assets/a/x.ts": rowsBody(""),
    "assets/a/y.ts": assetFile(
      "a/y",
      `${columns}, checks: [d.rowCount({ max: 0 })], body: sql\`SELECT * FROM \${x}\``,
      `import { x } from "./x.ts";`,
    ),
    "assets/a/last.ts": assetFile(
      "a/last",
      `${columns}, body: sql\`SELECT * FROM \${y}\``,
      `import { y } from "./y.ts";`,
    ),
  });
  const { code, stderr } = await project.run(["a/last", "a/y", "a/x"]).ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(/a\/x {2}published, 1 rows.*\n[^]*a\/y {2}refused/);
  expect(stderr).not.toContain("a/last  ");
});

test("a definition with faults does not run, and says which", async () => {
  const project = createProject({
    "assets/a/x.ts": assetFile(KEY, `${columns}, key: ["nope"], body: { async *rows() {} }`),
  });
  const run = project.launch(KEY);
  expectFailed(await run.ended, run.messages());
  expect(closedError(run.messages())).toMatch(/assets\/a\/x\.ts:4.*nope/);
});

test("a timer that a body leaves behind does not keep its step alive", async () => {
  const project = createProject({ "assets/a/x.ts": rowsBody("setTimeout(() => 0, 600_000);") });
  const run = project.launch(KEY);
  expect(await run.ended).toMatchObject({ code: 0 });
  expect(closedError(run.messages())).toBe("{}");
});
