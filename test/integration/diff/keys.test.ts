import { expect, test } from "vitest";
import { postgresConfig } from "../../../resources/postgres/config.ts";
import { Connections } from "../../../resources/postgres/connections.ts";
import { withFrozenTables } from "../../../resources/postgres/frozen_tables.ts";
import { compareTables, type TableDiff } from "../../../resources/store_diff.ts";
import { attempt } from "../stores/attempt.ts";
import { type SideName, Sides } from "./sides.ts";

const sides = Sides.forThisFile();

type Table = Awaited<ReturnType<Sides["make"]>>;
const series = (side: SideName, count: number): string =>
  side === "postgres" ? `generate_series(1, ${count}) AS s(n)` : `range(1, ${count + 1}) AS s(n)`;

/** So many orders on one side, then changes to them. */
async function orders(side: SideName, count: number, ...changes: readonly string[]): Promise<Table> {
  const columns = "(id bigint NOT NULL, shop text NOT NULL, amount decimal(12, 2) NOT NULL, note text)";
  const made = await sides.make(
    side,
    columns,
    `SELECT n, 'shop ' || (n % 100), CAST(n % 977 AS decimal(12, 2)) / 4, CASE WHEN n % 3 = 0 THEN 'note ' || n END
      FROM ${series(side, count)}`,
  );
  await sides.run(side, ...changes.map((text) => text.replaceAll("ROWS", `${made.schema}.rows`)));
  return made;
}

const CHANGES = [
  "UPDATE ROWS SET amount = amount + 0.01 WHERE id IN (7, 15000)",
  "UPDATE ROWS SET note = NULL, shop = 'Shop 33' WHERE id = 33",
  "DELETE FROM ROWS WHERE id IN (1, 12345)",
  "INSERT INTO ROWS VALUES (-5, 'shop new', 1.5, NULL), (90000, 'shop new', 2, '')",
];
const FOUND = [
  { kind: "only_right", key: ["-5"], columns: [] },
  { kind: "only_left", key: ["1"], columns: [] },
  { kind: "changed", key: ["7"], columns: [{ name: "amount", left: "1.75", right: "1.76" }] },
  {
    kind: "changed",
    key: ["33"],
    columns: [
      { name: "shop", left: "shop 33", right: "Shop 33" },
      { name: "note", left: "note 33", right: null },
    ],
  },
  { kind: "only_left", key: ["12345"], columns: [] },
  { kind: "changed", key: ["15000"], columns: [{ name: "amount", left: "86.25", right: "86.26" }] },
  { kind: "only_right", key: ["90000"], columns: [] },
];

test.each([
  ["postgres", "duckdb"],
  ["duckdb", "postgres"],
  ["postgres", "postgres"],
  ["duckdb", "duckdb"],
] as const)("%s to %s: every difference is found, and few rows are read", async (left, right) => {
  const [a, b, same] = [
    await orders(left, 20_000),
    await orders(right, 20_000, ...CHANGES),
    await orders(right, 20_000),
  ];
  const found = await sides.compare([left, a], [right, b], { key: ["id"] });
  expect(found.differences).toEqual(FOUND);
  expect(found).toMatchObject({ isEqual: false, onlyLeft: 2n, onlyRight: 2n, changed: 3n, unreadParts: 0 });
  expect(found).toMatchObject({ left: { rows: 20_000n, duplicateKeys: 0n }, right: { rows: 20_000n } });
  expect(found.pulledRows).toBeLessThan(600);
  expect(await sides.compare([left, a], [right, same], { key: ["id"] })).toMatchObject({
    ...{ isEqual: true, pulledRows: 0 },
  });
  // By a composite key with a text, whose order no two stores share.
  const byBoth = await sides.compare([left, a], [right, b], { key: ["shop", "id"] });
  expect(byBoth).toMatchObject({ isEqual: false, onlyLeft: 3n, onlyRight: 3n, changed: 2n, unreadParts: 0 });
  expect(byBoth.differences).toContainEqual({ kind: "only_right", key: ["Shop 33", "33"], columns: [] });
  expect(byBoth.pulledRows).toBeLessThan(600);
});

test("keys that lie far apart, or on top of each other, are cut until few rows are read", async () => {
  const far = "SELECT 4611686018427387904 + CAST(n AS bigint) * 1000003, 'far', 1, NULL FROM";
  const skew = (side: SideName): string[] => [
    "INSERT INTO ROWS VALUES (-9223372036854775808, 'least', 0, NULL), (9223372036854775807, 'greatest', 0, NULL)",
    `INSERT INTO ROWS ${far} ${series(side, 20_000)}`,
  ];
  const left = await orders("postgres", 20_000, ...skew("postgres"));
  const right = await orders(
    "duckdb",
    20_000,
    ...skew("duckdb"),
    "UPDATE ROWS SET note = 'x' WHERE id IN (5, 4611686018427387904 + 7000021, 9223372036854775807)",
  );
  const found = await sides.compare(["postgres", left], ["duckdb", right], { key: ["id"] });
  expect(found.differences.map(({ key }) => key)).toEqual([["5"], ["4611686018434387925"], ["9223372036854775807"]]);
  expect(found.pulledRows).toBeLessThan(9_000);
});

test("texts are keys by their bytes, whatever the collation of a column is", async () => {
  await sides.run(
    "postgres",
    "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level1', deterministic = false)",
  );
  const words = ["a", "A", "á", "ä", "Z", "z", "e\u0301", "\u00e9", "ß", "ss", " a", ""];
  const values = words.map((word, index) => `('${word}', ${index})`).join(", ");
  const left = await sides.make("postgres", "(word text COLLATE blind NOT NULL, n integer)", `VALUES ${values}`);
  const right = await sides.make("duckdb", "(word VARCHAR NOT NULL, n INTEGER)", `VALUES ${values}`);
  const own = await sides.make("postgres", "(word text COLLATE blind NOT NULL, n integer)", `VALUES ${values}`);
  const equal = { isEqual: true, left: { duplicateKeys: 0n }, right: { duplicateKeys: 0n } };
  expect(await sides.compare(["postgres", left], ["duckdb", right], { key: ["word"] })).toMatchObject(equal);
  expect(await sides.compare(["postgres", left], ["postgres", own], { key: ["word"] })).toMatchObject(equal);
  await sides.run("duckdb", `UPDATE ${right.schema}.rows SET word = 'Á' WHERE word = 'á'`);
  await sides.run("postgres", `UPDATE ${own.schema}.rows SET word = 'Á' WHERE n = 2`);
  for (const other of [
    ["duckdb", right],
    ["postgres", own],
  ] as const) {
    const found = await sides.compare(["postgres", left], other, { key: ["word"] });
    expect(found.differences.map(({ kind, key }) => [kind, ...key])).toEqual([
      ["only_right", "Á"],
      ["only_left", "á"],
    ]);
  }
});

test("keys with NULL and keys of several rows are reported, even where both sides have them", async () => {
  const columns = "(a integer, b text, v integer)";
  const rows = "VALUES (1, 'x', 1), (1, 'x', 2), (2, 'x', 1), (NULL, 'x', 1), (3, NULL, 1), (4, 'y', 1)";
  for (const [left, right] of [
    ["postgres", "duckdb"],
    ["duckdb", "duckdb"],
    ["postgres", "postgres"],
  ] as const) {
    const [one, same] = [await sides.make(left, columns, rows), await sides.make(right, columns, rows)];
    const found = await sides.compare([left, one], [right, same], { key: ["a", "b"] });
    const side = { rows: 6n, nullKeys: 2n, duplicateKeys: 1n, duplicates: [{ key: ["1", "x"], rows: 2n }] };
    expect(found).toMatchObject({ isEqual: false, differences: [], left: side, right: side });
    // Twins that differ are not paired at random.
    await sides.run(right, `UPDATE ${same.schema}.rows SET v = 9 WHERE v = 2 OR a = 4`);
    const changed = await sides.compare([left, one], [right, same], { key: ["a", "b"] });
    expect(changed).toMatchObject({ isEqual: false, left: side, right: side, changed: 1n });
    expect(changed.differences.map(({ key }) => key)).toEqual([["4", "y"]]);
  }
});

test("a unique index says nothing about the rows of tables that inherit", async () => {
  const made = async (): Promise<Table> => {
    const table = await sides.make("postgres", "(id bigint PRIMARY KEY, v integer)", "VALUES (1, 1), (2, 1)");
    const child = `${table.schema}.child`;
    await sides.run("postgres", `CREATE TABLE ${child} () INHERITS (${table.schema}.rows)`);
    await sides.run("postgres", `INSERT INTO ${child} VALUES (2, 2)`);
    return table;
  };
  const found = await sides.compare(["postgres", await made()], ["postgres", await made()], { key: ["id"] });
  const side = { rows: 3n, duplicateKeys: 1n, duplicates: [{ key: ["2"], rows: 2n }] };
  expect(found).toMatchObject({ isEqual: false, left: side, right: side });
});

test("empty tables, and tables of very different sizes: all rows are counted, as many listed as asked for", async () => {
  const [none, nothing] = [await orders("postgres", 0), await orders("duckdb", 0)];
  const many = await orders("duckdb", 20_000);
  for (const key of [["id"], ["shop", "id"]]) {
    expect(await sides.compare(["postgres", none], ["duckdb", nothing], { key })).toMatchObject({ isEqual: true });
    const found = await sides.compare(["postgres", none], ["duckdb", many], { key, limit: 10 });
    expect(found).toMatchObject({ isEqual: false, onlyLeft: 0n, onlyRight: 20_000n, unreadParts: 0 });
    expect(found.differences).toHaveLength(10);
    expect(found.pulledRows).toBeLessThan(20_000);
  }
  const other = await orders("postgres", 20_000, "UPDATE ROWS SET amount = amount + 1");
  const found = await sides.compare(["postgres", other], ["duckdb", many], { key: ["id"], limit: 10 });
  expect(found.differences).toHaveLength(10);
  expect(found.isEqual).toBe(false);
  expect(found.unreadParts).toBeGreaterThan(1_000);
  expect(found.pulledRows).toBeLessThan(10_000);
});

test("rows that a policy hides are not taken for missing ones: the server refuses to read a part of them", async () => {
  const table = await orders(
    "postgres",
    10,
    "ALTER TABLE ROWS ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY few ON ROWS USING (id < 5)",
  );
  await sides.run(
    "postgres",
    "CREATE ROLE reader LOGIN PASSWORD 'reader'",
    `GRANT USAGE ON SCHEMA ${table.schema} TO reader`,
    `GRANT SELECT ON ${table.schema}.rows TO reader`,
  );
  const url = new URL(sides.url);
  [url.username, url.password] = ["reader", "reader"];
  const connections = new Connections(postgresConfig({ DATABASE_URL: url.href }));
  const compared = withFrozenTables(connections, attempt(), (snapshot) =>
    compareTables({
      ...{ left: { snapshot, table }, right: { snapshot, table }, key: [{ left: "id", right: "id" }], columns: null },
      ...{ limit: 10, signal: new AbortController().signal },
    }),
  );
  await expect(compared).rejects.toThrow("row-level security");
  await connections.close();
});

test("what is written while two tables are compared is not seen", async () => {
  const [left, right] = [await orders("postgres", 100), await orders("postgres", 100)];
  const connections = new Connections(postgresConfig({ DATABASE_URL: sides.url }));
  const compare = (before: () => Promise<void>): Promise<TableDiff> =>
    withFrozenTables(connections, attempt(), async (snapshot) => {
      await before();
      return await compareTables({
        ...{ left: { snapshot, table: left }, right: { snapshot, table: right } },
        ...{ key: [{ left: "id", right: "id" }], columns: null, limit: 10, signal: new AbortController().signal },
      });
    });
  const during = await compare(() => sides.run("postgres", `DELETE FROM ${right.schema}.rows WHERE id = 7`));
  expect(during).toMatchObject({ isEqual: true, right: { rows: 100n } });
  expect(await compare(() => Promise.resolve())).toMatchObject({ isEqual: false, onlyLeft: 1n });
  await connections.close();
});

test("a table that was put in the place of another since the snapshot is no empty one", async () => {
  const connections = new Connections(postgresConfig({ DATABASE_URL: sides.url }));
  const swap = "CREATE TABLE S.next AS TABLE S.rows; DROP TABLE S.rows; ALTER TABLE S.next RENAME TO rows";
  const view = "CREATE MATERIALIZED VIEW S.m AS TABLE S.rows; CREATE VIEW S.v AS TABLE S.m";
  for (const [made, later, table] of [
    ["SELECT 1", swap, "rows"],
    ["SELECT 1", "TRUNCATE S.rows; INSERT INTO S.rows VALUES (1, 'shop', 1, NULL)", "rows"],
    [view, "REFRESH MATERIALIZED VIEW S.m", "m"],
    [view, "REFRESH MATERIALIZED VIEW S.m", "v"],
    [
      "CREATE TABLE S.p (id bigint) PARTITION BY RANGE (id); CREATE TABLE S.one PARTITION OF S.p DEFAULT",
      "TRUNCATE S.one",
      "p",
    ],
  ] as const) {
    const { schema } = await orders("postgres", 10);
    const run = (text: string): Promise<void> => sides.run("postgres", text.replaceAll("S.", `${schema}.`));
    await run(made);
    const describing = (before: () => Promise<void>): Promise<unknown> =>
      withFrozenTables(connections, attempt(), async (snapshot) => {
        await before();
        return await snapshot.describe({ schema, table });
      });
    const changed = { code: "table_changed", retryable: true };
    await expect(describing(() => run(later))).rejects.toMatchObject(changed);
    expect(await describing(() => Promise.resolve())).toBeDefined();
    // What was described keeps its name until the comparison is over.
    await withFrozenTables(connections, attempt(), async (snapshot) => {
      await snapshot.describe({ schema, table });
      await expect(run(`SET lock_timeout = 100; ${later}`)).rejects.toThrow("lock timeout");
    });
    await run("RESET lock_timeout");
  }
  await connections.close();
});

test("a partition that comes or goes while its table is compared makes the comparison begin again", async () => {
  const connections = new Connections(postgresConfig({ DATABASE_URL: sides.url }));
  const changed = { code: "table_changed", retryable: true };
  const describing = async (later: string, isLate: boolean): Promise<unknown> => {
    const { schema } = await orders("postgres", 1);
    const run = (text: string): Promise<void> => sides.run("postgres", text.replaceAll("S.", `${schema}.`));
    await run(`CREATE TABLE S.p (id bigint) PARTITION BY RANGE (id); CREATE VIEW S.v AS TABLE S.p;
      CREATE TABLE S.low PARTITION OF S.p FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id);
      CREATE TABLE S.one PARTITION OF S.low FOR VALUES FROM (1) TO (2);
      CREATE TABLE S.more AS SELECT CAST(10 AS bigint) AS id; INSERT INTO S.p VALUES (1)`);
    return await withFrozenTables(connections, attempt(), async (snapshot) => {
      if (isLate) await snapshot.describe({ schema, table: "v" });
      await run(later);
      return isLate ? undefined : await snapshot.describe({ schema, table: "v" });
    });
  };
  const attach = "ALTER TABLE S.p ATTACH PARTITION S.more FOR VALUES FROM (10) TO (20)";
  for (const later of [attach, "ALTER TABLE S.p DETACH PARTITION S.low", "DROP TABLE S.one"])
    await expect(describing(later, false)).rejects.toMatchObject(changed);
  await expect(describing(attach, true)).rejects.toMatchObject(changed);
  await connections.close();
});

test("a table that is not there is no empty one", async () => {
  const there = { postgres: await orders("postgres", 0), duckdb: await orders("duckdb", 0) };
  for (const side of ["postgres", "duckdb"] as const) {
    const missing = { ...there[side], table: "nowhere" };
    for (const other of ["postgres", "duckdb"] as const)
      await expect(sides.compare([other, there[other]], [side, missing], { key: ["id"] })).rejects.toMatchObject({
        code: "undefined_relation",
      });
  }
});

test("names are quoted, whatever is in them", async () => {
  const definition = `("it's" integer NOT NULL, "mon""ey; --" decimal(9, 2), "Été {x} $1" text)`;
  const left = await sides.make("postgres", definition, "VALUES (1, 2.50, '$1')");
  const right = await sides.make("duckdb", definition, "VALUES (1, 2.50, '$2')");
  const found = await sides.compare(["postgres", left], ["duckdb", right], { key: ["it's"] });
  expect(found.differences).toEqual([
    { kind: "changed", key: ["1"], columns: [{ name: "Été {x} $1", left: "$1", right: "$2" }] },
  ]);
});

test("a thousand columns are compared as a few are", async () => {
  const columns = Array.from({ length: 1_000 }, (_, index) => `c${index} integer`).join(", ");
  const values = Array.from({ length: 1_000 }, (_, index) => String(index)).join(", ");
  const [left, right] = [
    await sides.make("postgres", `(${columns})`, `VALUES (${values})`),
    await sides.make("duckdb", `(${columns})`, `VALUES (${values})`),
  ];
  expect(await sides.compare(["postgres", left], ["duckdb", right], { key: ["c0"] })).toMatchObject({ isEqual: true });
  await sides.run("duckdb", `UPDATE ${right.schema}.rows SET c999 = NULL`);
  const found = await sides.compare(["postgres", left], ["duckdb", right], { key: ["c0"] });
  expect(found.differences[0]?.columns).toEqual([{ name: "c999", left: "999", right: null }]);
});
