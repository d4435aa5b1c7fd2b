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
  expect(stderr).toContain("node runtime/main.ts [--partitions FIRST...LAST] <schema/table>");
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
