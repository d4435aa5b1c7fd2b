import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Engine } from "../../../ops/engines/engine.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { Client } from "../../../resources/clickhouse/client.ts";
import { clickhouseConfig } from "../../../resources/clickhouse/config.ts";
import { withFrozenTables } from "../../../resources/clickhouse/frozen_tables.ts";
import { assetFile, createProject } from "../runtime/project.ts";
import { compareWithin, expectFourDifferences, type Table } from "./within_store.ts";

const folder = mkdtempSync(join(tmpdir(), "diff-clickhouse-"));
let engine: Engine | undefined;
let client: Client;

beforeAll(async () => {
  engine = await startEngine("clickhouse", { dataDir: join(folder, "engine") });
  client = Client.create(clickhouseConfig({ CLICKHOUSE_URL: engine.url }));
  await client.run("CREATE DATABASE shop");
});

afterAll(async () => {
  await client.close();
  await engine?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function make(columns: string, query: string): Promise<Table> {
  const table = `t_${randomUUID().slice(0, 8)}`;
  await client.run(`CREATE TABLE shop.${table} (${columns}) ENGINE = MergeTree ORDER BY tuple()`);
  await client.run(`INSERT INTO shop.${table} ${query}`);
  return { schema: "shop", table };
}

const compare = compareWithin((act) => withFrozenTables(client, act));

const ORDERS = "id Int64, shop String, amount Decimal(12, 2), note Nullable(String)";
const ROWS = `SELECT number - 50, 'shop ' || toString(number % 100), toDecimal64(number % 977, 2) / 4,
  if(number % 3 = 0, 'note ' || toString(number), NULL) FROM numbers(20000)`;
const CHANGED = `SELECT id, shop, if(id = 7, amount + toDecimal64('0.01', 2), amount), if(id = 33, 'x', note)
  FROM (${ROWS.replace("number - 50,", "number - 50 AS id,").replace("% 100),", "% 100) AS shop,").replace("/ 4,", "/ 4 AS amount,").replace("NULL)", "NULL) AS note")})
  WHERE id <> 12345 UNION ALL SELECT -99, 'new', 1, NULL`;

test("two tables in ClickHouse: every difference is found, and few rows are read", async () => {
  const [a, same] = [await make(ORDERS, ROWS), await make(ORDERS, ROWS)];
  const b = await make(ORDERS, CHANGED);
  // Of other types: by spellings, not by hashes of the values.
  const wide = await make(ORDERS.replace("(12, 2)", "(20, 6)").replace("String,", "Nullable(String),"), CHANGED);
  const empty = async (): Promise<Table> => await make(ORDERS, `${ROWS} LIMIT 0`);
  await expectFourDifferences(compare, {
    ...{ orders: a, same, changed: [b, wide] },
    empty: [await empty(), await empty()],
  });
});

test.each([
  ["Int64", "Int64", ["0", "-1", "9223372036854775807", "-9223372036854775808"]],
  ["Int32", "Int64", ["0", "-1", "2147483647"]],
  ["Decimal(38, 10)", "Decimal(38, 10)", ["0", "-0.0000000001", "9999999999999999999999999999.9999999999"]],
  ["Decimal(12, 2)", "Decimal(20, 6)", ["0", "100", "10", "1", "1.5", "-0.1"]],
  ["Int32", "Decimal(12, 2)", ["0", "100", "10", "1", "-7"]],
  ["Float64", "Float64", ["0", "1e22", "5e-324", "0.1", "0.30000000000000004", "nan", "inf", "-inf"]],
  ["Bool", "Bool", ["true", "false"]],
  ["Date32", "Date32", ["1970-01-01", "1900-01-01", "2299-12-31"]],
  ["DateTime64(6, 'UTC')", "DateTime64(6, 'UTC')", ["1969-12-31 23:59:59.999999", "2017-03-26 01:30:00", "2299-12-31 23:59:59.999999"]], // prettier-ignore
  ["DateTime64(3, 'UTC')", "DateTime64(6, 'Asia/Tokyo')", ["1969-12-31 23:59:59.999", "2017-03-26 01:30:00"]],
  ["String", "LowCardinality(String)", ["", " ", "a", "A", "a ", "|", "1:a", "é", "e\u0301", "𝕏", "line\nfeed"]],
])("in ClickHouse equal values of %s and %s have equal checksums, and no others do", async (one, other, values) => {
  const rows = (type: string, shift: number): string => {
    const all: (string | null)[] = [...values, null];
    const inner = `Nullable(${type.replace(/^LowCardinality\((.*)\)$/, "$1")})`;
    // Read as UTC, whatever zone the column shows.
    const cast = (text: string): string =>
      type.startsWith("DateTime64") ? `toDateTime64('${text}', 6, 'UTC')` : `CAST('${text}' AS ${inner})`;
    const lines = all.map((_, index) => {
      const value = all[(index + shift) % all.length] ?? null;
      return `SELECT ${index}, ${value === null ? "NULL" : cast(value.replaceAll("\n", "\\n"))}`;
    });
    return lines.join(" UNION ALL ");
  };
  const columns = (type: string): string =>
    `id Int32, value ${type.startsWith("Low") ? "LowCardinality(Nullable(String))" : `Nullable(${type})`}`;
  const left = await make(columns(one), rows(one, 0));
  const same = await compare(left, await make(columns(other), rows(other, 0)), ["id"]);
  expect(same.differences).toEqual([]);
  expect(same).toMatchObject({ isEqual: true, pulledRows: 0 });
  const found = await compare(left, await make(columns(other), rows(other, 1)), ["id"]);
  expect(found).toMatchObject({ isEqual: false, changed: BigInt(values.length + 1), onlyLeft: 0n, onlyRight: 0n });
});

test("in ClickHouse keys with NULL and keys of several rows are reported, -0 equals 0, and no value moves unseen", async () => {
  const columns = "a Nullable(Int32), b Nullable(String), f Float64";
  const rows = "VALUES (1, 'x', 0), (1, 'x', 2), (2, 'x', 1), (NULL, 'x', 1), (3, NULL, 1), (4, 'y', -0.0)";
  const [left, right] = [await make(columns, rows), await make(columns, rows.replace("-0.0", "0.0"))];
  const side = { rows: 6n, nullKeys: 2n, duplicateKeys: 1n, duplicates: [{ key: ["1", "x"], rows: 2n }] };
  expect(await compare(left, right, ["a", "b"])).toMatchObject({ isEqual: false, differences: [], left: side, right: side }); // prettier-ignore
  const twins = "id Int32, a Nullable(String), b Nullable(String)";
  const one = await make(
    twins,
    "VALUES (1, 'x|1:y', NULL), (2, NULL, ''), (3, 'a', 'b'), (4, 'p', 'q'), (5, 'r', 's')",
  );
  const two = await make(twins, "VALUES (1, 'x', 'y'), (2, '', NULL), (3, 'b', 'a'), (4, 'p', 's'), (5, 'r', 'q')");
  expect(await compare(one, two, ["id"])).toMatchObject({ changed: 5n });
});

test("a table in ClickHouse that changes meanwhile, and a view, are compared with nothing; merges are no change", async () => {
  const [left, right] = [await make(ORDERS, ROWS), await make(ORDERS, ROWS)];
  const name = `shop.${right.table}`;
  const changes = [
    `INSERT INTO ${name} VALUES (-1000, 'a', 1, NULL)`,
    `ALTER TABLE ${name} DELETE WHERE id = 5`,
    `ALTER TABLE ${name} UPDATE note = 'y' WHERE id = 6`,
    `EXCHANGE TABLES ${name} AND shop.${left.table}`,
    `TRUNCATE TABLE ${name}`,
    `DROP TABLE ${name} SYNC`,
  ];
  const merged = (): Promise<void> => client.run(`OPTIMIZE TABLE shop.${left.table} FINAL`);
  await client.run(`INSERT INTO shop.${left.table} ${ROWS} LIMIT 1`);
  expect(await compare(left, right, ["id"], { meanwhile: merged })).toMatchObject({ left: { rows: 20_001n } });
  await client.run(`CREATE VIEW shop.seen AS SELECT * FROM ${name}`);
  await expect(compare(left, { schema: "shop", table: "seen" }, ["id"])).rejects.toMatchObject({ code: "not_comparable" }); // prettier-ignore
  for (const change of changes) {
    const outcome = compare(left, right, ["id"], { meanwhile: () => client.run(change) });
    const code = change.startsWith("DROP") ? "undefined_relation" : "table_changed";
    await expect(outcome, change).rejects.toMatchObject({ code, retryable: code === "table_changed" });
  }
});

test("an asset compares two others in ClickHouse; with a table elsewhere it is a fault", async () => {
  const shape = `store: "clickhouse", columns: z.strictObject({ id: z.int64(), name: z.string() })`;
  const query = (more: string): string =>
    `${shape}, body: sql\`SELECT toInt64(number) AS id, 'n' || toString(number\${sql\`${more}\`}) AS name FROM numbers(1000)\``;
  const diff = (right: string): string =>
    `checks: [d.noDifferences()], columns: d.differences, body: d.diffTables({ left: here, right: ${right}, key: ["id"] })`;
  const imports = `import { here } from "./here.ts"; import { there } from "./there.ts";`;
  const project = createProject({
    "assets/shop/here.ts": assetFile("shop/here", query("")),
    "assets/shop/there.ts": assetFile("shop/there", query(" % 999")),
    "assets/shop/same.ts": assetFile("shop/same", diff("there"), imports),
  });
  const env = { CLICKHOUSE_URL: engine?.url ?? "" };
  const ran = await project.run(["shop/here", "shop/there", "shop/same"], env).ended;
  expect(ran.stderr).toContain("1,000 rows; 0 only left, 0 only right, 1 changed");
  expect(ran.stderr).toContain("shop/same  refused");
  const faulty = createProject({
    "assets/shop/here.ts": assetFile("shop/here", query("")),
    "assets/shop/same.ts": assetFile("shop/same", diff(`d.postgresTable("shop.there", { url: "SHOP_URL" })`), `import { here } from "./here.ts";`), // prettier-ignore
  });
  const { manifest } = await faulty.manifest();
  expect(manifest.faults.map(({ message }) => message).join()).toContain("shares no checksum with another store");
});
