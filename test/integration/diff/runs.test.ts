import { expect, test } from "vitest";
import { assetFile, createProject } from "../runtime/project.ts";
import { Sides } from "./sides.ts";

const sides = Sides.forThisFile();

test("an asset compares another one with a table of PostgreSQL, and a difference stops it", async () => {
  const query = "SELECT n AS id, CAST(n AS decimal(9, 2)) AS amount FROM generate_series(1, 1000) AS s(n)";
  const { schema } = await sides.make("postgres", "(id bigint PRIMARY KEY, amount numeric(9, 2))", query);
  const matching = `checks: [d.noDifferences()], columns: d.differences,
    body: d.diffTables({ left: orders, right: d.postgresTable("${schema}.rows", { url: "SHOP_URL" }), key: ["id"] })`;
  const project = createProject({
    "assets/shop/orders.ts": assetFile(
      "shop/orders",
      `columns: z.strictObject({ id: z.int(), amount: d.decimal(9, 2).nullable() }),
        body: sql\`SELECT range AS id, CAST(range AS DECIMAL(9, 2)) AS amount FROM range(1, 1001)\``,
    ),
    "assets/shop/matching.ts": assetFile("shop/matching", matching, `import { orders } from "./orders.ts";`),
    "assets/shop/rollout.ts": assetFile(
      "shop/rollout",
      "body: { deps: [matching], async task() {} }",
      `import { matching } from "./matching.ts";`,
    ),
  });
  const env = { SHOP_URL: sides.url };
  const { manifest } = await project.manifest();
  expect(manifest.faults).toEqual([]);
  expect(manifest.assets.find(({ key }) => key[1] === "matching")).toMatchObject({
    ...{ body: "rows", deps: [["shop", "orders"]], exclusive: "duckdb:warehouse" },
    checks: [{ name: "no_differences", blocking: true }],
  });
  const equal = await project.run(["shop/orders", "shop/matching", "shop/rollout"], env).ended;
  expect(equal.code, equal.stderr).toBe(0);
  expect(equal.stderr).toMatch(/1,000 rows; .*0 only left, 0 only right, 0 changed; 0 rows read/);
  expect(await project.query("SELECT count(*) FROM shop.matching")).toEqual([["0"]]);

  await sides.run(
    "postgres",
    `UPDATE ${schema}.rows SET amount = NULL WHERE id = 17`,
    `DELETE FROM ${schema}.rows WHERE id = 500`,
  );
  const launched = project.launch("shop/matching", { env });
  const ended = await launched.ended;
  expect(ended.code, ended.stderr).toBe(0);
  const [check] = launched.messages().filter(({ method }) => method === "report_asset_check");
  expect(check?.params).toMatchObject({ check_name: "no_differences", passed: false, severity: "ERROR" });
  const text = JSON.stringify(check?.params);
  expect(text).toContain("17.00");
  expect(text).toContain("1 only left, 0 only right, 1 changed");
  expect(text).toContain("only\\\\_left");
  expect(launched.messages().filter(({ method }) => method === "report_asset_materialization")).toEqual([]);
  // The rows that differ are kept for people; what was published last stays.
  expect(await project.query("SELECT count(*) FROM shop.matching")).toEqual([["0"]]);
  const kept = await project.query(
    "SELECT value->>'difference', value->>'row_key', value->>'column_name', value->>'left_value', value->>'right_value' FROM _dagster_typescript.failed_rows ORDER BY ALL",
  );
  expect(kept).toEqual([
    ["changed", '{"id":"17"}', "amount", "17.00", null],
    ["only_left", '{"id":"500"}', null, null, null],
  ]);
});

test("what cannot be compared, and a comparison nobody would hear of, are faults", async () => {
  const of = (options: string): string =>
    `${options} body: d.diffTables({ left: orders, right: d.postgresTable("orders"), key: [], limit: 0 })`;
  const project = createProject({
    "assets/shop/orders.ts": assetFile(
      "shop/orders",
      `store: "hyper", columns: z.strictObject({ id: z.int() }), body: { async *rows() {} }`,
    ),
    "assets/shop/bad.ts": assetFile(
      "shop/bad",
      of("columns: z.strictObject({ id: z.int() }), partitions: d.staticKeys('id', ['a']) as never,"),
      `import { orders } from "./orders.ts";`,
    ),
  });
  const { manifest } = await project.manifest();
  const text = manifest.faults.map(({ message }) => message).join("\n");
  for (const part of [
    "write columns: differences",
    "noDifferences()",
    "key: expected",
    "limit: expected",
    "no partitions",
    'postgresTable("schema.table")',
    "is in hyper",
  ])
    expect(text).toContain(part);
});
