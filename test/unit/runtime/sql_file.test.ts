import { expect, test } from "vitest";
import { duckdbDialect } from "../../../resources/duckdb/dialect.ts";
import { renderSql } from "../../../resources/render_sql.ts";
import { bindKeys } from "../../../runtime/bind_sql.ts";
import { parseSqlFile } from "../../../runtime/sql_file.ts";

const refs = { events: { kind: "table", assetKey: "retail/events" } } as const;
const render = (text: string, hasWindow = false): string => {
  const window = { start: new Date(0), end: new Date(1) };
  return renderSql(
    parseSqlFile(text, refs, { hasWindow, hasKeys: false, hasCursor: false }).sql,
    duckdbDialect({ self: null, window }),
  ).text;
};

test("a placeholder becomes the quoted table, each time that it stands there", () => {
  expect(render("SELECT * FROM {events} JOIN {events}")).toBe(`SELECT * FROM "retail"."events" JOIN "retail"."events"`);
});

test("window bounds become bound values", () => {
  const { sql } = parseSqlFile("WHERE at >= {window.start} AND at < {window.end}", refs, {
    hasWindow: true,
    hasKeys: false,
    hasCursor: false,
  });
  const window = { start: new Date(0), end: new Date(1) };
  expect(renderSql(sql, duckdbDialect({ self: null, window })).parameters).toEqual([window.start, window.end]);
});

test("a text that no store could keep as it is is not bound", () => {
  const bind = (text: string): unknown => {
    const query = { kind: "sql", strings: ["SELECT ", ""], values: [text] } as const;
    return renderSql(query, duckdbDialect({ self: null, window: null })).parameters;
  };
  expect(bind("a😀b")).toEqual(["a😀b"]);
  for (const half of ["a\ud800b", "\udfff"]) expect(() => bind(half)).toThrow("not well-formed Unicode");
});

test("the keys of a run become a list of bound values, as many as there are", () => {
  const { sql } = parseSqlFile("WHERE shop IN {keys} AND {keys}", refs, {
    hasWindow: false,
    hasKeys: true,
    hasCursor: false,
  });
  const store = { typeName: () => "text" };
  const { text, parameters } = renderSql(
    bindKeys(sql, ["a'b", "c"], store),
    duckdbDialect({ self: null, window: null }),
  );
  const [first, second] = ["(CAST($1 AS text), CAST($2 AS text))", "(CAST($3 AS text), CAST($4 AS text))"];
  expect(text).toBe(`WHERE shop IN ${first} AND ${second}`);
  expect(parameters).toEqual(["a'b", "c", "a'b", "c"]);
  expect(() => renderSql(bindKeys(sql, null, store), duckdbDialect({ self: null, window: null }))).toThrow(/has none/);
});

test("keys stand in the SQL of partitions that have some, unless a reference is called so", () => {
  const has = { hasWindow: true, hasKeys: false, hasCursor: false };
  const { faults } = parseSqlFile("SELECT {keys}", refs, has);
  expect(faults.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^\{keys\}: the asset's partitions are no keys/),
  ]);
  const named = { keys: { kind: "table", assetKey: "retail/keys" } } as const;
  expect(parseSqlFile("FROM {keys}", named, { ...has, hasKeys: true }).sql.values).toEqual([named.keys]);
});

test.each([
  "SELECT '{events}'",
  "SELECT 'it''s {events}'",
  `SELECT "{events}"`,
  "SELECT 1 -- {events}",
  "SELECT /* {events}\n{unknown} */ 1",
  "SELECT $$ {events} $$",
  "SELECT $tag$ {events} $$ {events} $tag$",
  "SELECT {'events': 1}",
  "SELECT { events }",
])("%j holds no placeholder", (text) => {
  expect(render(text)).toBe(text);
  expect(parseSqlFile(text, refs, { hasWindow: false, hasKeys: false, hasCursor: false })).toMatchObject({
    faults: [],
    used: new Set(),
  });
});

test("an unknown placeholder is named with its line and what could stand there", () => {
  const { faults } = parseSqlFile("SELECT 1\nFROM {evnts}\nWHERE {window.start} > {toString}", refs, {
    hasWindow: false,
    hasKeys: false,
    hasCursor: false,
  });
  expect(faults).toEqual([
    { line: 2, message: "{evnts} is no declared reference; expected one of events" },
    { line: 3, message: "{window.start}: the asset has no time partitions, so it has no window" },
    { line: 3, message: "{toString} is no declared reference; expected one of events" },
  ]);
});

test.each(["SELECT 1;", "SELECT 1 ; ;\n\n", "SELECT 1"])("%j ends without a semicolon", (text) => {
  expect(render(text)).toBe("SELECT 1");
});

test("blank lines at the start stay, so that lines are counted as in the file", () => {
  expect(render("\n\nSELECT 1")).toBe("\n\nSELECT 1");
});
