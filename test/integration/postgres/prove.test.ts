import { afterAll, beforeAll, expect, test } from "vitest";
import type { Check } from "../../../definitions/check.ts";
import {
  decimal,
  json,
  matches,
  references,
  self,
  sql,
  sqlCheck,
  timestamp,
  window,
  z,
} from "../../../definitions/index.ts";
import type { Sql } from "../../../definitions/sql.ts";
import type { PostgresTable } from "../../../definitions/storage.ts";
import { postgres } from "../../../resources/postgres/kind.ts";
import type { Claim, Disproof, Target } from "../../../resources/store.ts";
import { targetOf } from "../duckdb/warehouse.ts";
import { Server } from "./server.ts";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
}, 900_000);
afterAll(() => server.stop());

const from = targetOf({ id: z.int(), day: timestamp(), price: decimal(12, 2), doc: json(z.unknown()) }, "a/source");
const other = targetOf({ id: z.int() }, "b/other");
const to = targetOf({ id: z.int() }, "a/x");
const source = { kind: "table", assetKey: "a/source", c: { id: null } } as const;
const elsewhere = { kind: "table", assetKey: "b/other", c: { id: null } } as const;

async function prove(query: Sql | null, checks: readonly Check[] = [], target = to): Promise<readonly Disproof[]> {
  const base = { deps: [], sql: null, checks: [] };
  const claims: Claim[] = [
    { ...base, target: from },
    { ...base, target: other },
    { target, deps: ["a/source"], sql: query, checks },
  ];
  return await postgres.prove(claims, server.folder, { DATABASE_URL: server.url });
}

test("nothing of a proof stays, and tables that people read meanwhile are not locked", async () => {
  await server.sql(
    "CREATE SCHEMA a; CREATE TABLE a.source (other text); BEGIN; LOCK TABLE a.source IN ACCESS EXCLUSIVE MODE",
  );
  const before = "SELECT count(*) FROM pg_class";
  const count = await server.sql(before);
  expect(await prove(sql`SELECT id FROM ${source} WHERE id > ${1}`)).toEqual([]);
  await server.sql("COMMIT");
  expect(await server.sql(before)).toEqual(count);
});

test.each<[string, Sql]>([
  ["reads the window", sql`SELECT id FROM ${source} WHERE day >= ${window.start} AND day < ${window.end}`],
  [
    "binds every kind of value",
    sql`SELECT id FROM ${source} WHERE price = ${"1.00"} AND day = ${"2024-01-01"} AND id = ${7n} AND ${true} AND price < ${0.5} AND doc::text <> ${"it's \\"} AND day <> ${new Date(0)} LIMIT ${3}`,
  ],
  ["names a column with its table", sql`SELECT source.id FROM ${source} JOIN ${source} AS s USING (id)`],
  ["has a CTE and a comment", sql`WITH x AS (SELECT id FROM ${source}) SELECT * FROM x -- end`],
  [
    "ends with semicolons",
    sql`SELECT id FROM ${source} ; ;
`,
  ],
  ["reads the catalog", sql`SELECT count(*) AS id FROM pg_catalog.pg_class`],
])("a query that %s is proven", async (_name, query) => {
  expect(await prove(query)).toEqual([]);
});

test.each<[string, Sql, Disproof["code"], RegExp, number | undefined]>([
  [
    "another type",
    sql`SELECT id::integer AS id FROM ${source}`,
    "contract_mismatch",
    /integer, expected bigint: CAST/,
    undefined,
  ],
  [
    "a column too few",
    sql`SELECT id AS idd FROM ${source}`,
    "contract_mismatch",
    /"id" is missing.*"idd" is not/,
    undefined,
  ],
  ["an unknown column", sql`SELECT 1\n, n\n FROM ${source}`, "bad_sql", /"n" does not exist/, undefined],
  [
    "an unknown column on the third line",
    sql`SELECT id
    FROM ${source}
    WHERE "😀" = nothing`,
    "bad_sql",
    /does not exist/,
    3,
  ],
  ["another command", sql`DELETE FROM ${source} RETURNING id`, "bad_sql", /syntax/, undefined],
  ["two commands", sql`SELECT id FROM ${source}); DROP TABLE a.source; (SELECT 1`, "bad_sql", /./, undefined],
  ["a table that is no reference", sql`SELECT id FROM ${elsewhere}`, "undeclared_reference", /other/, undefined],
  ["a text that is no number", sql`SELECT id FROM ${source} WHERE price > ${"much"}`, "bad_sql", /numeric/, undefined],
])("a query with %s is disproven", async (_name, query, code, message, line) => {
  const found = await prove(query);
  expect(found.map((one) => one.code)).toEqual([code]);
  expect(found[0]?.message).toMatch(message);
  if (line !== undefined) expect(found[0]?.line).toBe(line);
});

test("a decimal without its digits is not the contract's", async () => {
  const money = targetOf({ total: decimal(12, 2) }, "a/money");
  const [found] = await prove(sql`SELECT sum(price) AS total FROM ${source}`, [], money);
  expect(found?.message).toContain("CAST(… AS numeric(12,2))");
  expect(await prove(sql`SELECT sum(price)::numeric(12, 2) AS total FROM ${source}`, [], money)).toEqual([]);
});

test("checks are proven too: their tables, their SQL and their patterns", async () => {
  const found = await prove(null, [
    references("id", source, "id"),
    sqlCheck("good", sql`SELECT * FROM ${self} WHERE id > ${1}`),
    matches("id", "[0-9]+"),
    sqlCheck("bad", sql`SELECT nothing FROM ${self}`),
    sqlCheck("undeclared", sql`SELECT * FROM ${elsewhere}`),
    matches("id", "("),
  ]);
  expect(found.map(({ code, check }) => [code, check])).toEqual([
    ["bad_sql", "bad"],
    ["undeclared_reference", "undeclared"],
    ["bad_option", "matches_id"],
  ]);
});

test("layouts are proven: conditions, methods, types, and unique indexes of partitioned tables", async () => {
  const laidOut = (postgres: PostgresTable): Target => ({
    ...from,
    assetKey: "a/laid_out",
    table: "laid_out",
    storage: { postgres },
  });
  const faults = async (layout: PostgresTable): Promise<readonly Disproof[]> => await prove(null, [], laidOut(layout));
  const good: PostgresTable = {
    indexes: [
      { columns: ["id", "price"], include: ["day"], where: sql`price > 0 -- dear` },
      { columns: ["day"], method: "brin" },
      { columns: ["id", "day"], unique: true },
    ],
    partitionBy: { column: "day", every: "month" },
  };
  expect(await faults(good)).toEqual([]);
  for (const [layout, message] of [
    [{ indexes: [{ columns: ["id"], where: sql`nothing > 1` }] }, /index on id: .*"nothing" does not exist/],
    [{ indexes: [{ columns: ["id"], where: sql`day > now()` }] }, /IMMUTABLE/],
    [{ indexes: [{ columns: ["id"], where: sql`id` }] }, /boolean/],
    [{ indexes: [{ columns: ["id"], where: sql`true); DROP TABLE a.source; --` }] }, /./],
    [{ indexes: [{ columns: ["doc"] }] }, /index on doc: .*json/],
    [{ indexes: [{ columns: ["price"], method: "gin" }] }, /operator class/],
    [
      { indexes: [{ columns: ["id"], unique: true }], partitionBy: { column: "day", every: "day" } },
      /index on id: .*partition/,
    ],
    [{ partitionBy: { column: "doc", every: "day" } }, /partitionBy: /],
  ] as const) {
    const found = await faults(layout);
    expect(found.map(({ code, check }) => [code, check])).toEqual([["bad_option", null]]);
    expect(found[0]?.message).toMatch(/^storage\.postgres: /);
    expect(found[0]?.message).toMatch(message);
  }
  // Each of several is told.
  const two = await faults({
    indexes: [{ columns: ["doc"] }, { columns: ["id"] }, { columns: ["price"], method: "gin" }],
  });
  expect(two.map(({ message }) => message)).toEqual([expect.stringContaining("doc"), expect.stringContaining("price")]);
});
