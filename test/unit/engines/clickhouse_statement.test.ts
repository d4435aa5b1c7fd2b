import { describe, expect, test } from "vitest";
import { insertFromFile, parseStatement, withOurQueryIds } from "../../../ops/engines/clickhouse/statement.ts";

describe("a statement", () => {
  test.each([
    ["SELECT 1", "read", undefined],
    ["  -- note\n/* more */ WITH x AS (SELECT 1) SELECT * FROM x FORMAT CSV", "read", "CSV"],
    ["(SELECT 1) UNION ALL (SELECT 2) FORMAT JSON;", "read", "JSON"],
    ["SELECT format FROM t", "read", undefined],
    ["SELECT a, format b FROM t WHERE format IN (1) ORDER BY format DESC", "read", undefined],
    ["SELECT 'FORMAT CSV', \"FORMAT CSV\", `FORMAT CSV`, $$FORMAT CSV$$ FROM t", "read", undefined],
    ["SHOW TABLES FORMAT TSV", "other", "TSV"],
    ["INSERT INTO t SELECT 1", "insert", undefined],
    ["WITH 1 AS x INSERT INTO t SELECT x", "insert", undefined],
    ["ALTER TABLE t DELETE WHERE 1", "other", undefined],
  ])("is told apart: %s", (sql, kind, format) => {
    expect(parseStatement(sql)).toMatchObject({ kind, format, isSeveral: false });
  });

  test.each([
    ["SELECT 1; SELECT 2", true],
    ["SELECT 1; -- over\n ;", true],
    ["SELECT ';'; -- SELECT 2\n", false],
    ["INSERT INTO t FORMAT CSV\n1;2\n3;4\n", false],
    ["INSERT INTO t VALUES (1); (2)", false],
  ])("is one or several: %s", (sql, isSeveral) => {
    expect(parseStatement(sql).isSeveral).toBe(isSeveral);
  });
});

describe("an insert from a file", () => {
  test.each([
    ["INSERT INTO t FORMAT CSV", "INSERT INTO t FROM INFILE '/f' FORMAT CSV"],
    [
      "insert into `FORMAT`.t (`a b`, values) values",
      "insert into `FORMAT`.t (`a b`, values) FROM INFILE '/f' FORMAT Values",
    ],
    [
      "INSERT INTO t SETTINGS x = 'FORMAT' FORMAT CSV",
      "INSERT INTO t FROM INFILE '/f' SETTINGS x = 'FORMAT' FORMAT CSV",
    ],
    [
      "INSERT INTO t SELECT a FROM input('a Int8') WHERE f(a, (1)) FORMAT CSV",
      "INSERT INTO t SELECT a FROM file('/f', 'CSV', 'a Int8') WHERE f(a, (1))",
    ],
  ])("keeps the rest of %s", (sql, expected) => {
    const { load } = parseStatement(sql);
    expect(load && insertFromFile(load, "/f").replaceAll(/\s+/g, " ").trim()).toBe(expected);
  });

  test.each(["INSERT INTO t SELECT 1 FORMAT Null", "INSERT INTO t FROM INFILE '/x' FORMAT CSV", "SELECT 1 FORMAT CSV"])(
    "is not made of %s",
    (sql) => {
      expect(parseStatement(sql).load).toBeUndefined();
    },
  );

  test("knows where the rows begin", () => {
    const sql = "INSERT INTO t FORMAT CSV  \r\n\n1";
    expect(sql.slice(parseStatement(sql).load?.rowsStart)).toBe("\n1");
  });
});

test("query ids are ours in statements about running queries, and only there", () => {
  const ours = "Settings['stream_like_engine_insert_queue']";
  expect(withOurQueryIds("KILL QUERY WHERE query_id = 'query_id'")).toBe(`KILL QUERY WHERE ${ours} = 'query_id'`);
  expect(withOurQueryIds("SELECT query_id FROM system.processes")).toBe(`SELECT ${ours} FROM system.processes`);
  expect(withOurQueryIds("SELECT query_id FROM t")).toBe("SELECT query_id FROM t");
});
