import { expect, test } from "vitest";
import { assetFile, createProject } from "./project.ts";

const good = assetFile("a/good", `columns: z.strictObject({ id: z.int32() }), body: sql\`SELECT 1::INTEGER AS id\``);
const STACK = /^ +at /m;

test.each(["runtime/main.ts", "runtime/manifest.ts"])(
  "%s with an option that there is not says so, explains itself and ends with exit code 2",
  async (script) => {
    const { code, stdout, stderr } = await createProject({}).start(script, ["--foo"]).ended;
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/^Unknown option '--foo'/);
    expect(stderr).toContain(`node ${script}`);
    expect(stderr).not.toMatch(STACK);
  },
);

test("runtime/main.ts without an asset explains itself and ends with exit code 2", async () => {
  const { code, stderr } = await createProject({}).run([]).ended;
  expect(code).toBe(2);
  expect(stderr).toContain("node runtime/main.ts [--partitions FIRST...LAST] [--full-refresh | --replay]");
});

test("a misspelt key is named in one line", async () => {
  const { code, stderr } = await createProject({ "assets/a/good.ts": good }).run(["a/godo"]).ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(/^UnknownAssetError: .*"a\/godo".*\n$/);
});

test.each([
  ["DUCKDB_LOCK_TIMEOUT_SECONDS", { DUCKDB_LOCK_TIMEOUT_SECONDS: "soon" }],
  ["DATABASE_URL", { WAREHOUSE: "postgres", DATABASE_URL: "" }],
  ["CLICKHOUSE_URL", { WAREHOUSE: "clickhouse", CLICKHOUSE_URL: "" }],
  ["HYPER_URL", { WAREHOUSE: "hyper", HYPER_URL: "" }],
])("a wrong %s is named in one line", async (variable, env) => {
  const { code, stderr } = await createProject({ "assets/a/good.ts": good }).run(["a/good"], env).ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(/^\w+Error: .*\n$/);
  expect(stderr).toContain(variable);
});

test("a mistake in the code of a body is shown with its line", async () => {
  const failing = assetFile(
    "a/failing",
    `columns: z.strictObject({ id: z.int32() }), body: { async *rows() { throw new TypeError("a slip"); } }`,
  );
  const { code, stderr } = await createProject({ "assets/a/failing.ts": failing }).run(["a/failing"]).ended;
  expect(code).toBe(1);
  expect(stderr).toContain("a slip");
  expect(stderr).toMatch(/assets\/a\/failing\.ts:4/);
});

test("partitions that fail alone fail the command, which names them and computes nothing after them", async () => {
  const days = `columns: z.strictObject({ at: d.timestamp() }), partitions: d.daily("at", { start: "2026-01-01" }), each: { concurrency: 2 }`;
  const project = createProject({
    "assets/a/x.ts": assetFile(
      "a/x",
      `${days}, body: { async *rows({ row, window, partitionKeys }) {
        if (partitionKeys[0] === "2026-01-02") throw new Error("the till is on fire");
        yield row({ at: window.start }); } }`,
    ),
    "assets/a/y.ts": assetFile(
      "a/y",
      `columns: z.strictObject({ n: z.int() }), body: d.sql\`SELECT CAST(count(*) AS BIGINT) AS n FROM \${x}\``,
      'import { x } from "./x.ts";',
    ),
  });
  const { code, stderr } = await project.run(["--partitions", "2026-01-01...2026-01-03", "a/x", "a/y"]).ended;
  expect(code, stderr).toBe(1);
  expect(stderr).toContain("2026-01-02: Error: the till is on fire");
  expect(stderr).not.toContain("a/y ");
  expect(await project.query("SELECT count(*) FROM a.x")).toEqual([["2"]]);
});

test("--full-refresh makes a table anew, and an option that would do nothing is refused", async () => {
  const added = assetFile(
    "a/added",
    `columns: z.strictObject({ id: z.int() }), write: d.append({ cursor: "id" }),
    body: d.sql\`SELECT i AS id FROM range(3) AS numbers(i) WHERE i > \${d.cursor}\``,
  );
  const project = createProject({ "assets/a/added.ts": added, "assets/a/good.ts": good });
  const written = async (...keys: string[]): Promise<string> => {
    const { code, stderr } = await project.run(keys).ended;
    return `${code} ${/(\d+) rows/.exec(stderr)?.[1] ?? stderr}`;
  };
  expect(await written("a/added")).toBe("0 3");
  expect(await written("a/added")).toBe("0 0");
  expect(await written("--full-refresh", "a/added")).toBe("0 3");
  expect(await project.query("SELECT count(*) FROM a.added")).toEqual([["3"]]);
  expect(await written("--full-refresh", "a/good")).toMatch(/^1 OptionError: --full-refresh is for assets that add/);
  expect(await written("--restore", "2017-01-01", "a/good")).toMatch(/^1 OptionError: --restore is for archives/);
});
