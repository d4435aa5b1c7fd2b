import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client } from "../../../resources/hyper/client.ts";
import { hyperConfig } from "../../../resources/hyper/config.ts";
import { Connections } from "../../../resources/hyper/connections.ts";
import { withFrozenTables } from "../../../resources/hyper/frozen_tables.ts";
import { attempt, HyperServer } from "../hyper/warehouse.ts";
import { assetFile, createProject } from "../runtime/project.ts";
import { compareWithin, expectFourDifferences, type Table } from "./within_store.ts";

const server = HyperServer.forThisFile();
const config = (): ReturnType<typeof hyperConfig> => hyperConfig({ HYPER_URL: server.url });
let connections: Connections;
let client: Client;

beforeAll(async () => {
  connections = new Connections(config());
  client = await Client.open(config());
});

afterAll(async () => {
  await client.close();
  await connections.close();
});

const run = async (...statements: readonly string[]): Promise<void> => {
  for (const text of statements) await client.run(text);
};

async function make(columns: string, query: string): Promise<Table> {
  const made = { schema: `s_${randomUUID().slice(0, 8)}`, table: "rows" };
  await run(
    `CREATE SCHEMA ${made.schema}`,
    `CREATE TABLE ${made.schema}.rows (${columns})`,
    `INSERT INTO ${made.schema}.rows ${query}`,
  );
  return made;
}

const compare = compareWithin((act) =>
  withFrozenTables({ client, connections, assetKey: "diff", attempt: attempt() }, config(), act),
);

const ORDERS = "id bigint NOT NULL, shop text NOT NULL, amount numeric(12, 2) NOT NULL, note text";
const ROWS = `SELECT n, 'shop ' || CAST(n % 100 AS text), CAST(n % 977 AS numeric(12, 2)) / 4,
  CASE WHEN n % 3 = 0 THEN 'note ' || CAST(n AS text) END FROM generate_series(-50, 19949) AS s(n)`;
const CHANGES = (name: string): string[] => [
  `UPDATE ${name} SET amount = amount + 0.01 WHERE id = 7`,
  `UPDATE ${name} SET note = 'x' WHERE id = 33`,
  `DELETE FROM ${name} WHERE id = 12345`,
  `INSERT INTO ${name} VALUES (-99, 'new', 1, NULL)`,
];

test("two tables in Hyper: every difference is found, and few rows are read", async () => {
  const [a, same, b] = [await make(ORDERS, ROWS), await make(ORDERS, ROWS), await make(ORDERS, ROWS)];
  // Of other types: by spellings that all of them share.
  const wide = await make(ORDERS.replace("(12, 2)", "(18, 6)").replace("bigint NOT NULL", "bigint"), ROWS);
  for (const { schema } of [b, wide]) await run(...CHANGES(`${schema}.rows`));
  const empty = async (): Promise<Table> => await make(ORDERS, `${ROWS} LIMIT 0`);
  await expectFourDifferences(compare, {
    ...{ orders: a, same, changed: [b, wide] },
    empty: [await empty(), await empty()],
  });
});

test.each([
  ["bigint", "bigint", ["0", "-1", "9223372036854775807", "-9223372036854775808"]],
  ["integer", "bigint", ["0", "-1", "2147483647"]],
  ["numeric(18, 10)", "numeric(18, 10)", ["0", "-0.0000000001", "99999999.9999999999"]],
  ["numeric(12, 2)", "numeric(18, 6)", ["0", "100", "10", "1", "1.5", "-0.1", "0.5"]],
  ["integer", "numeric(12, 2)", ["0", "100", "10", "1", "-7"]],
  ["double precision", "double precision", ["0", "1e22", "5e-324", "0.1", "0.30000000000000004", "0.3", "NaN", "Infinity", "-Infinity"]], // prettier-ignore
  ["boolean", "boolean", ["true", "false"]],
  ["date", "date", ["1970-01-01", "0001-01-01", "9999-12-31"]],
  ["timestamptz", "timestamptz", ["1969-12-31 23:59:59.999999+00", "2017-03-26 01:30:00+00", "2017-03-26 01:30:00.1+00"]], // prettier-ignore
  ["text", "varchar(100)", ["", " ", "a", "A", "a ", "|", "1:a", "é", "e\u0301", "𝕏", "line\nfeed", "NULL"]],
  ["json", "json", ["{}", '{"a": 1}', '{"a":1}']],
])("in Hyper equal values of %s and %s have equal checksums, and no others do", async (one, other, values) => {
  const rows = (type: string, shift: number): string => {
    const all: (string | null)[] = [...values, null];
    const lines = all.map((_, index) => {
      const value = all[(index + shift) % all.length] ?? null;
      return `(${index}, CAST(${value === null ? "NULL" : `'${value}'`} AS ${type}))`;
    });
    return `VALUES ${lines.join(", ")}`;
  };
  const table = (type: string, shift: number): Promise<Table> =>
    make(`id integer NOT NULL, value ${type}`, rows(type, shift));
  const left = await table(one, 0);
  const same = await compare(left, await table(other, 0), ["id"]);
  expect(same.differences).toEqual([]);
  expect(same).toMatchObject({ isEqual: true, pulledRows: 0 });
  const found = await compare(left, await table(other, 1), ["id"]);
  expect(found).toMatchObject({ isEqual: false, changed: BigInt(values.length + 1), onlyLeft: 0n, onlyRight: 0n });
  expect(found.differences[0]?.columns[0]).toMatchObject({ left: expect.stringMatching(/^[^=]*$/) as unknown });
});

test("in Hyper keys with NULL and keys of several rows are reported, -0 equals 0, and no value moves unseen", async () => {
  const columns = "a integer, b text, f double precision";
  const rows = "VALUES (1, 'x', 0), (1, 'x', 2), (2, 'x', 1), (NULL, 'x', 1), (3, NULL, 1), (4, 'y', CAST('-0' AS double precision))"; // prettier-ignore
  const [left, right] = [await make(columns, rows), await make(columns, rows.replace("'-0'", "'0'"))];
  const side = { rows: 6n, nullKeys: 2n, duplicateKeys: 1n, duplicates: [{ key: ["1", "x"], rows: 2n }] };
  expect(await compare(left, right, ["a", "b"])).toMatchObject({ isEqual: false, differences: [], left: side, right: side }); // prettier-ignore
  const twins = "id integer, a text, b text";
  const one = await make(
    twins,
    "VALUES (1, 'x|1:y', NULL), (2, NULL, ''), (3, 'a', 'b'), (4, 'p', 'q'), (5, 'r', 's')",
  );
  const two = await make(twins, "VALUES (1, 'x', 'y'), (2, '', NULL), (3, 'b', 'a'), (4, 'p', 's'), (5, 'r', 'q')");
  expect(await compare(one, two, ["id"])).toMatchObject({ changed: 5n });
});

test("a table in Hyper that changes meanwhile is compared with nothing", async () => {
  const [left, right] = [await make(ORDERS, ROWS), await make(ORDERS, ROWS)];
  const name = `${right.schema}.rows`;
  const swap = [
    `CREATE TABLE ${right.schema}.next (${ORDERS})`,
    `ALTER TABLE ${name} RENAME TO old`,
    `ALTER TABLE ${right.schema}.next RENAME TO rows`,
  ];
  for (const change of [...CHANGES(name).map((one) => [one]), [`ALTER TABLE ${name} ADD COLUMN more text`], swap]) {
    const outcome = compare(left, right, ["id"], { columns: [], meanwhile: () => run(...change) });
    await expect(outcome, change[0]).rejects.toMatchObject({ code: "table_changed", retryable: true });
  }
  const nowhere = compare(left, { ...right, table: "nowhere" }, ["id"]);
  await expect(nowhere).rejects.toMatchObject({ code: "undefined_relation" });
});

test("an asset compares two others in Hyper", async () => {
  const asset = (key: string, name: string): string =>
    assetFile(
      key,
      `store: "hyper", columns: z.strictObject({ id: z.int64(), name: z.string() }),
        body: sql\`SELECT CAST(n AS bigint) AS id, 'n' || CAST(${name} AS text) AS name FROM generate_series(1, 1000) AS s(n)\``,
    );
  const project = createProject({
    "assets/shop/here.ts": asset("shop/here", "n"),
    "assets/shop/there.ts": asset("shop/there", "n % 1000"),
    "assets/shop/same.ts": assetFile(
      "shop/same",
      `checks: [d.noDifferences()], columns: d.differences, body: d.diffTables({ left: here, right: there, key: ["id"] })`,
      `import { here } from "./here.ts"; import { there } from "./there.ts";`,
    ),
  });
  const ran = await project.run(["shop/here", "shop/there", "shop/same"], { HYPER_URL: server.url }).ended;
  expect(ran.stderr).toContain("1,000 rows; 0 only left, 0 only right, 1 changed");
  expect(ran.stderr).toContain("shop/same  refused");
});
