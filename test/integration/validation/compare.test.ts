import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { csv, type CsvSource, xlsx, type XlsxSource } from "../../../definitions/index.ts";
import type { ColumnType } from "../../../definitions/column_type.ts";
import {
  type ComparedColumn,
  compareSides,
  type Comparison,
  readFile,
  type SideRows,
} from "../../../resources/validation/index.ts";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const PYTHON = resolve(HERE, "../../../.venv/bin/python");
let folder = "";
let folders = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "validation-"));
  execFileSync(PYTHON, [join(HERE, "write_workbooks.py"), folder]);
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const DECIMAL: ColumnType = { kind: "decimal", precision: 14, scale: 2 };

function column(name: string, type: ColumnType, change: Partial<ComparedColumn> = {}): ComparedColumn {
  return {
    name,
    type,
    isKey: false,
    absolute: type.kind === "decimal" ? "0.01" : "0",
    relative: 0,
    ignoreCase: false,
    ...change,
  };
}

const SHOPS = [
  column("shop", { kind: "string" }, { isKey: true }),
  column("day", { kind: "date" }, { isKey: true }),
  column("visits", { kind: "int64" }),
  column("revenue", DECIMAL),
];
const NAMES = { left: {}, right: { revenue: "revenue, usd" } };

/** The rows of a query, as a store brings them. */
async function rowsOf(query: string): Promise<SideRows> {
  const path = join(folder, `${++folders}.parquet`);
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  await connection.run(`COPY (${query}) TO '${path}' (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
  return { kind: "parquet", path };
}

const shops = (...rows: readonly string[]): Promise<SideRows> =>
  rowsOf(`SELECT shop, CAST(day AS DATE) AS day, CAST(visits AS BIGINT) AS visits, CAST(revenue AS DECIMAL(14,2)) AS revenue
    FROM (VALUES ${rows.join(", ")}) AS t (shop, day, visits, revenue)`);

async function compare(
  left: SideRows,
  right: SideRows,
  columns: readonly ComparedColumn[] = SHOPS,
  names: { left: Record<string, string>; right: Record<string, string> } = NAMES,
): Promise<Comparison & { readonly lines: readonly string[] }> {
  const own = join(folder, `compare-${++folders}`);
  mkdirSync(own);
  const found = await compareSides({
    ...{ left, right, columns, names, folder: own, maxRows: 1000 },
    signal: new AbortController().signal,
  });
  return { ...found, lines: found.sample.rows.map((row) => row.map((value) => value ?? "-").join("; ")) };
}

function workbook(file: string, where: Parameters<typeof xlsx>[1]): Promise<SideRows> {
  return read(xlsx(join(folder, file), where));
}

const read = (source: XlsxSource | CsvSource): Promise<SideRows> => readFile(source, ["shop", "day"]);

function text(content: string | Buffer, options: Parameters<typeof csv>[1] = {}): Promise<SideRows> {
  const path = join(folder, `${++folders}.csv`);
  writeFileSync(path, content);
  return read(csv(path, options));
}

const BERLIN = "('berlin', '2026-01-01', 3, 10.50)";
const PLAIN = [BERLIN, "('berlin', '2026-01-02', 4, 20.25)", "('rome', '2026-01-01', 5, 30.75)"] as const;

test("a workbook with formulas, merged keys, hidden rows, texts for numbers and a table's totals is read as people read it", async () => {
  const right = await workbook("special_values.xlsx", { table: "revenue" });
  const left = await shops(
    BERLIN,
    "('berlin', '2026-01-02', 4, 1020.25)",
    "('berlin', '2026-01-03', 0, -5.00)",
    "('Z\u00fcrich', '2026-01-01', 5, 30.00)",
    "('rome', '2026-01-01', 6, 0.125)",
    "('rome', '2026-01-02', 7, 0.30)",
  );
  const found = await compare(left, right);
  expect(found.lines).toEqual([]);
  expect(found.matches).toMatchObject([
    { column: "(rows)", compared: 6, equal: 6, rate: 1 },
    { column: "visits", compared: 6, equal: 6, leftTotal: "25", rightTotal: "25" },
    { column: "revenue", leftTotal: "1056.18", rightTotal: "1056.175" },
  ]);
  expect(found.notes.right.join("\n")).toBe(
    [
      "1 hidden row read",
      "1 hidden column read: C",
      "1 row of totals skipped",
      "1 merged range filled into the rows of its key",
      "1 formula read by the value saved with it",
      "5 numbers written as text were read",
    ].join("\n"),
  );
});

test("texts that cells share, in pieces and with reading aids, formulas that cells share, and errors are read", async () => {
  const right = await workbook("as_excel_writes.xlsx", { sheet: "Revenue" });
  const found = await compare(await shops(...PLAIN, "('oslo', '2026-01-01', 1, 1)"), right);
  expect(found.lines).toEqual([
    "unreadable; right; oslo | 2026-01-01; revenue; -; -; -; Revenue!D5; the formula failed: #N/A",
  ]);
  expect(found.notes.right).toContain("1 formula read by the value saved with it");
});

test("a formula that no program has computed is a difference, and a hidden row can be left out", async () => {
  const right = await read(xlsx(join(folder, "special.xlsx"), { name: "JUST_ROME", hiddenRows: "skip" }));
  const found = await compare(await shops("('Z\u00fcrich', '2026-01-01', 5, 30.00)"), right);
  expect(found.lines).toContain(
    "unreadable; right; Zürich | 2026-01-01; revenue; -; -; -; Revenue 2026!D7; a formula without a saved value: open the workbook in Excel and save it",
  );
  expect(found.rightRows).toBe(5);
  expect(found.matches).toMatchObject([
    { equal: 0 },
    { column: "visits", compared: 1, equal: 1 },
    { compared: 1, equal: 0 },
  ]);
});

test("every kind of difference is found, with its place, and counted once", async () => {
  const right = await workbook("planted.xlsx", { sheet: "Revenue", range: "A1:D" });
  const found = await compare(
    await shops(...PLAIN, "('rome', '2026-01-02', 1, 1)", "('oslo', '2026-01-02', 1, 1)"),
    right,
  );
  expect(found.lines).toEqual([
    "duplicate; right; rome | 2026-01-01; -; -; -; -; Revenue!A4; 2 rows have this key",
    "missing; left; paris | 2026-01-01; -; -; -; -; Revenue!A6; only the right side has it",
    "missing; right; oslo | 2026-01-02; -; -; -; -; -; only the left side has it",
    "missing; right; rome | 2026-01-02; -; -; -; -; -; only the left side has it",
    "no_key; right; 2026-01-03; -; -; -; -; Revenue!A7; a column of the key is empty",
    "unreadable; right; oslo; day; -; soon; -; Revenue!B8; no day",
    "unreadable; right; oslo; revenue; -; n/a; -; Revenue!D8; no number",
    "value; -; berlin | 2026-01-01; revenue; 10.5; 10.52; 0.02; Revenue!D2; -",
  ]);
  // 20.25 and 20.26 are apart by 0.01, which is the same; whole rows: all but that one of eight.
  expect(found.matches).toMatchObject([
    { column: "(rows)", compared: 8, equal: 1, rate: 0.125 },
    { column: "visits", compared: 2, equal: 2, rate: 1 },
    { column: "revenue", compared: 2, equal: 1, rate: 0.5 },
  ]);
});

test("of two names, that of the workbook is meant and not that of a copied sheet; two of sheets are refused", async () => {
  const found = await compare(await shops(...PLAIN), await workbook("copied_sheet.xlsx", { name: "Sales" }));
  expect(found.lines).toEqual([]);
  expect(found.notes.right).toContain("2 empty rows skipped");
  await expect(workbook("copied_sheet.xlsx", { name: "mine" })).rejects.toMatchObject({ code: "missing_part" });
});

test("a merged key that begins in a hidden row names the rows that are shown", async () => {
  const right = await workbook("copied_sheet.xlsx", { sheet: "Revenue", hiddenRows: "skip" });
  expect((await compare(await shops(...PLAIN.slice(1)), right)).lines).toEqual([]);
});

test("days that count from 1904 are the same days", async () => {
  const found = await compare(await shops(...PLAIN), await workbook("from_1904.xlsx", { sheet: "revenue" }));
  expect(found.lines).toEqual([]);
});

test.each([
  ["encrypted.xlsx", "encrypted_workbook"],
  ["cut.xlsx", "corrupt_workbook"],
  ["flipped.xlsx", "corrupt_workbook"],
  ["text.xlsx", "corrupt_workbook"],
  ["renamed.xlsx", "missing_part"],
  ["empty.xlsx", "empty_source"],
  ["header_only.xlsx", "empty_source"],
  ["none.xlsx", "unreadable_source"],
])("the workbook %s is refused as %s", async (file, code) => {
  const path = file === "encrypted.xlsx" ? join(HERE, "fixtures", file) : join(folder, file);
  await expect(read(xlsx(path, { sheet: "Revenue" }))).rejects.toMatchObject({ code });
});

test("a range that runs backwards is refused, not widened to the sheet", async () => {
  await expect(workbook("plain.xlsx", { sheet: "Revenue", range: "D9:A1" })).rejects.toMatchObject({
    code: "missing_part",
  });
});

test("a column that the header lacks, or has twice, is refused", async () => {
  const left = await shops(...PLAIN);
  await expect(compare(left, await text("shop,day,visits\na,2026-01-01,1\n"))).rejects.toMatchObject({
    code: "missing_part",
  });
  await expect(
    compare(left, await text("shop,day,visits,Visits,revenue\n,,,,\n"), SHOPS, { left: {}, right: {} }),
  ).rejects.toMatchObject({ code: "missing_part" });
  await expect(
    compare(left, await text("shop,day,visits,revenue\n"), SHOPS, { left: {}, right: {} }),
  ).rejects.toMatchObject({
    code: "empty_source",
  });
});

test("a CSV file is read in its own forms: mark, encoding, decimal comma, order of days; and refused where it is ragged", async () => {
  const left = await shops("('Caf\u00e9', '2026-02-01', 1234, -1234.50)", "('rome, \"old\"', '2026-02-03', 5, 0.07)");
  const german =
    'Shop;Day;Visits;"Revenue, USD"\r\nCaf\u00e9;01.02.2026;1.234;(1.234,50 \u20ac)\r\n"rome, ""old""";3.2.2026;5;7%\r\n';
  const options = { delimiter: ";", decimal: ",", days: "DMY" } as const;
  expect((await compare(left, await text(`\ufeff${german}`, options))).lines).toEqual([]);
  const latin = Buffer.from(german.replace("\u20ac", "$"), "latin1");
  expect((await compare(left, await text(latin, { ...options, encoding: "windows-1252" }))).lines).toEqual([]);
  const compared = async (content: string | Buffer): Promise<Comparison> => compare(left, await text(content, options));
  const lines =
    'shop,day,visits,"revenue, usd"\r\n"one\r\ntwo",2026-01-01,1,1\r\n\r\n"x",soon,1,"1,000.50"\r\n,," ",\r\n';
  const many = await compare(await shops("(E'one\\r\\ntwo', '2026-01-01', 1, 1)"), await text(lines));
  expect(many.lines).toEqual(["unreadable; right; x; day; -; soon; -; line 5; no day"]);
  expect(many.notes.right).toEqual(["1 empty row skipped"]);
  const mixed = Buffer.concat([Buffer.from("shop;day;visits;revenue, usd\n"), latin]);
  await expect(compared(mixed)).rejects.toThrow(/not encoded as utf-8/);
  await expect(compared(`${german}berlin;1.2.2026;1\n`)).rejects.toThrow(/line 4: 3 cells, but the header has 4/);
  await expect(compared(`${german}"berlin;1.2.2026;1;1\n`)).rejects.toThrow(/line 4: a quote is never closed/);
});

test("decimals are held against decimals and doubles exactly, NaN and infinities against themselves", async () => {
  const columns = [
    column("id", { kind: "int32" }, { isKey: true }),
    column("exact", { kind: "decimal", precision: 38, scale: 2 }, { absolute: "0" }),
    column("about", { kind: "float64" }, { absolute: "0.01" }),
    column("share", DECIMAL, { absolute: "0", relative: 0.001 }),
  ];
  const left = await rowsOf(`SELECT * FROM (VALUES
    (1, CAST('123456789012345678901234567890.12' AS DECIMAL(38,2)), CAST('NaN' AS DOUBLE), CAST(1000 AS DOUBLE)),
    (2, 0.30, CAST('Infinity' AS DOUBLE), 1000), (3, 0.1, 1.01, 0), (4, 9007199254740993, 5, CAST('NaN' AS DOUBLE)))
    AS t (id, exact, about, share)`);
  const right = await text(
    "id,exact,about,share\n1,123456789012345678901234567890.12,NaN,1001\n2,0.3000,-inf,1001.1\n3,0.1000000001,1.00,\n4,9007199254740992,1e400,1\n",
  );
  const found = await compare(left, right, columns, { left: {}, right: {} });
  expect(found.lines.map((line) => line.split("; ").slice(0, 6).join("; "))).toEqual([
    "unreadable; left; 4; share; nan; -",
    // There is no room for more decimals, and none is rounded away.
    "unreadable; right; 3; exact; -; 0.1000000001",
    "value; -; 2; about; inf; -inf",
    "value; -; 2; share; 1000; 1001.1",
    "value; -; 3; share; 0; -",
    "value; -; 4; about; 5.0; inf",
    "value; -; 4; exact; 9007199254740993; 9007199254740992",
  ]);
});

test("doubles are held to the tolerance that is declared, however small, and endless instants to themselves", async () => {
  const columns = [
    column("id", { kind: "int32" }, { isKey: true }),
    column("same", { kind: "float64" }),
    column("near", { kind: "float64" }, { absolute: "0.00000000000001" }),
    column("at", { kind: "timestamp" }, { absolute: "1" }),
  ];
  const rows = (...values: readonly string[]): Promise<SideRows> =>
    rowsOf(`SELECT id, CAST(same AS DOUBLE) AS same, CAST(near AS DOUBLE) AS near, CAST("at" AS TIMESTAMPTZ) AS "at"
      FROM (VALUES ${values.join(", ")}) AS t (id, same, near, "at")`);
  const left = await rows("(1, '1e-13', '1e-14', 'infinity')", "(2, '1e300', '3e-14', '2026-01-01 00:00:00Z')");
  const right = await rows("(1, '4e-13', '2e-14', 'infinity')", "(2, '1e300', '1e-14', '-infinity')");
  expect((await compare(left, right, columns)).lines.map((line) => line.split("; ").slice(2, 4).join(" "))).toEqual([
    "1 same",
    "2 at",
    "2 near",
  ]);
});

test("a thousand columns are compared as a few are", async () => {
  const columns = Array.from({ length: 1_000 }, (_, index) =>
    column(`c${index}`, index % 2 === 0 ? { kind: "int32" } : DECIMAL, { isKey: index === 0 }),
  );
  const header = columns.map(({ name }) => name).join(",");
  const cells = [...columns.keys()];
  const right = await text(`${header}\n${cells.join(",")}\n`);
  const left = await rowsOf(`SELECT ${cells.map((index) => `${index === 998 ? 0 : index} AS c${index}`).join(", ")}`);
  const found = await compare(left, right, columns);
  expect(found.lines).toEqual(["value; -; 0; c998; 0; 998; 998; line 2; -"]);
});

test("instants are the same in any zone; a day is never guessed from an instant", async () => {
  const columns = [
    column("at", { kind: "timestamp" }, { isKey: true }),
    column("name", { kind: "string" }, { ignoreCase: true }),
  ];
  const left =
    await rowsOf(`SELECT * FROM (VALUES (TIMESTAMPTZ '2026-03-29 00:30:00.123456+00', 'A'), (TIMESTAMPTZ '2026-07-01 10:00:00+00', 'b'),
    (TIMESTAMPTZ '2026-07-02 10:00:00+00', 'c')) AS t ("at", name)`);
  const right = (): Promise<SideRows> =>
    text("at,name\n2026-03-29T01:30:00.123+01:00,a\n2026-07-01 12:00:00,B\n2026-07-02T10:00:00Z,C\n", {
      timezone: "Europe/Berlin",
    });
  expect((await compare(left, await right(), columns)).lines).toEqual([]);
  const days = [column("at", { kind: "date" }, { isKey: true }), column("name", { kind: "string" })];
  await expect((async () => compare(left, await right(), days))()).rejects.toThrow(/say by SQL on which clock/);
});
