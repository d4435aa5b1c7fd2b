import { expect, test } from "vitest";
import { decimal, matches, references, self, sql, sqlCheck, timestamp, unique, z } from "../../../definitions/index.ts";
import type { Check } from "../../../definitions/check.ts";
import type { Sql } from "../../../definitions/sql.ts";
import { clickhouse } from "../../../resources/clickhouse/kind.ts";
import type { Disproof } from "../../../resources/store.ts";
import { targetOf } from "./warehouse_values.ts";
import { Warehouse } from "./warehouse.ts";

const warehouse = Warehouse.forThisFile();
const events = targetOf({ id: z.int(), name: z.string().nullable(), at: timestamp() });
const secret = targetOf({ id: z.int() });
const read = { kind: "table", assetKey: events.assetKey } as const;

async function prove(
  query: Sql | null,
  checks: readonly Check[] = [],
  shape: Readonly<Record<string, z.ZodType>> = { id: z.int() },
): Promise<readonly Disproof[]> {
  // prettier-ignore
  const claims = [
    { target: events, deps: [], sql: null, checks: [] },
    { target: secret, deps: [], sql: null, checks: [] },
    { target: targetOf(shape), deps: [events.assetKey], sql: query, checks },
  ];
  return await clickhouse.prove(claims, warehouse.dir, { CLICKHOUSE_URL: warehouse.url });
}
const codes = async (...given: Parameters<typeof prove>): Promise<string[]> =>
  (await prove(...given)).map(({ code }) => code);

test("a query is proven against its contract, without any table in the warehouse", async () => {
  expect(await codes(sql`SELECT id FROM ${read}`)).toEqual([]);
  expect(await codes(sql`SELECT 1 AS id`)).toEqual([]);
  expect(await codes(sql`WITH x AS (SELECT id FROM ${read}) SELECT max(id) AS id FROM x -- done`)).toEqual([]);
  expect(await codes(sql`SELECT count() AS id FROM ${read}`)).toEqual(["contract_mismatch"]);
  expect(await codes(sql`SELECT id, at FROM ${read}`)).toEqual(["contract_mismatch"]);
  expect(await codes(sql`SELECT 1.5 AS d`, [], { d: decimal(4, 2) })).toEqual(["contract_mismatch"]);
  const bound = { kind: "window", bound: "start" } as const;
  expect(await codes(sql`SELECT id FROM ${read} WHERE at >= ${bound} AND name = ${"it's"}`)).toEqual([]);
});

test("what the engine cannot read is told with its line", async () => {
  const [found] = await prove(sql`SELECT id\nFROM ${read}\nWHERE id = = 1`);
  expect(found).toMatchObject({ code: "bad_sql", line: 3, check: null });
  expect(await codes(sql`SELECT lost AS id FROM ${read}`)).toEqual(["bad_sql"]);
  expect(await codes(sql`DROP TABLE ${read}`)).toEqual(["bad_sql"]);
});

test("tables that are no declared references are found, also deep inside, whether they exist or not", async () => {
  const hidden = { kind: "table", assetKey: secret.assetKey } as const;
  expect(await codes(sql`SELECT id FROM ${read} WHERE id IN (SELECT id FROM ${hidden})`)).toEqual([
    "undeclared_reference",
  ]);
  const raw = { kind: "sql", strings: [`SELECT id FROM ${secret.schema}.x`], values: [] } as const;
  expect(await codes(raw)).toEqual(["undeclared_reference"]);
  await warehouse.publishRows(secret, [{ id: 1 }]);
  expect(await codes(raw)).toEqual(["undeclared_reference"]);
});

test("checks are proven too", async () => {
  const parent = { ...read, c: { id: null } };
  const good = [
    unique("id"),
    matches("id", "[0-9]+"),
    references("id", parent, "id"),
    sqlCheck("own", sql`SELECT * FROM ${self} WHERE id IN (SELECT id FROM ${read})`),
  ];
  expect(await codes(null, good)).toEqual([]);
  expect(await codes(null, [matches("id", "(")])).toEqual(["bad_option"]);
  expect(await prove(null, [sqlCheck("own", sql`SELECT lost FROM ${self}`)])).toMatchObject([
    { code: "bad_sql", check: "own" },
  ]);
});

test("an incremental view is proven by making it, and what people will read has the contract's types", async () => {
  const codesOf = async (query: Sql, view = true): Promise<string[]> => {
    const day = { ...targetOf({ name: z.string(), n: z.int() }), key: ["name"] };
    const over = { ...targetOf({ name: z.string(), n: z.int() }), key: ["name"] };
    const claims = [
      { target: events, deps: [], sql: null, checks: [] },
      { target: day, deps: [events.assetKey], sql: query, checks: [], view: "incremental" as const },
      ...(view
        ? []
        : [
            {
              target: over,
              deps: [day.assetKey],
              sql: sql`SELECT name, n FROM ${{ kind: "table", assetKey: day.assetKey }}`,
              checks: [],
              view: "incremental" as const,
            },
          ]),
    ];
    const env = { CLICKHOUSE_URL: warehouse.url };
    return (await clickhouse.prove(claims, warehouse.dir, env)).map(({ code }) => code);
  };
  const good = sql`SELECT assumeNotNull(name) AS name, CAST(count() AS Int64) AS n FROM ${read} GROUP BY name`;
  expect(await codesOf(good)).toEqual([]);
  expect(await codesOf(sql`SELECT assumeNotNull(name) AS name, countState() AS n FROM ${read} GROUP BY name`)).toEqual(
    [],
  );
  expect(await codesOf(sql`SELECT assumeNotNull(name) AS name, avgState(id) AS n FROM ${read} GROUP BY name`)).toEqual(["contract_mismatch"]); // prettier-ignore
  expect(await codesOf(sql`SELECT assumeNotNull(name) AS name, 'x' AS n FROM ${read}`)).toEqual(["contract_mismatch"]);
  expect(await codesOf(sql`SELECT 'x' AS name, 1 AS n FROM numbers(3)`)).toEqual(["bad_sql"]);
  expect(await codesOf(sql`SELECT 'x' AS name, 1 AS n FROM ${read} WHERE id IN (SELECT id FROM ${read})`)).toEqual(["bad_option"]); // prettier-ignore
  expect(await codesOf(sql`SELECT 'x' AS name, lost AS n FROM ${read}`)).toEqual(["bad_sql"]);
  expect(await codesOf(good, false)).toEqual(["bad_option"]);
});

test("proofs leave nothing behind, and clear away what killed ones left", async () => {
  await warehouse.run("CREATE DATABASE `_dagster_typescript_proof~not.a.living.1.0~01234567`");
  await prove(sql`SELECT id FROM ${read}`);
  const left = await warehouse.sql("SELECT name FROM system.databases WHERE name LIKE '%proof%'");
  // Of a process on another machine nobody here can tell.
  expect(left).toEqual([["_dagster_typescript_proof~not.a.living.1.0~01234567"]]);
});

test("a server that does not answer is an error, not a fault of the SQL", async () => {
  const proving = clickhouse.prove([], warehouse.dir, { CLICKHOUSE_URL: "http://127.0.0.1:1" });
  await expect(proving).rejects.toMatchObject({ code: "unreachable", retryable: true });
});
