import { expect, test } from "vitest";
import type { ColumnType } from "../../../definitions/column_type.ts";
import { clickhouse } from "../../../resources/clickhouse/kind.ts";
import { duckdb } from "../../../resources/duckdb/kind.ts";
import { hyper } from "../../../resources/hyper/kind.ts";
import { postgres } from "../../../resources/postgres/kind.ts";
import { columnChanges, isBreaking } from "../../../runtime/column_changes.ts";

const decimal = (precision: number, scale: number): ColumnType => ({ kind: "decimal", precision, scale });
const INT32: ColumnType = { kind: "int32" };
const INT64: ColumnType = { kind: "int64" };
const FLOAT: ColumnType = { kind: "float64" };
const TEXT: ColumnType = { kind: "string" };
const STORES = [duckdb, postgres, clickhouse, hyper];

test.each(STORES)(
  "$name: a type is widened where it holds every earlier value and calculates as before",
  ({ typeName }) => {
    const change = (before: ColumnType, after: ColumnType): string | undefined =>
      columnChanges(
        [{ name: "x", type: typeName(before), nullable: false }],
        [{ name: "x", type: typeName(after), nullable: false }],
        typeName,
      )[0]?.change;
    expect(change(INT32, INT64)).toBe("widened");
    expect(change(decimal(12, 2), decimal(14, 2))).toBe("widened");
    expect(change(decimal(12, 2), decimal(14, 4))).toBe("widened");
    expect(change(TEXT, TEXT)).toBeUndefined();
    for (const [before, after] of [
      [INT64, INT32],
      [decimal(12, 2), decimal(11, 2)],
      [decimal(12, 2), decimal(12, 3)],
      [decimal(12, 2), decimal(14, 1)],
      [INT32, decimal(38, 0)],
      [INT32, FLOAT],
      [decimal(4, 2), FLOAT],
      [INT32, TEXT],
      [{ kind: "date" }, { kind: "timestamp" }],
      [{ kind: "boolean" }, INT32],
    ] satisfies [ColumnType, ColumnType][])
      expect(change(before, after), `${typeName(before)} → ${typeName(after)}`).toBe("retyped");
  },
);

test("each change of a column is told, and those that break readers are known", () => {
  const { typeName } = duckdb;
  const column = (name: string, type = TEXT, nullable = false): { name: string; type: string; nullable: boolean } => ({
    name,
    type: typeName(type),
    nullable,
  });
  const found = columnChanges(
    [column("a"), column("Case"), column("b", INT64), column("c"), column("d", TEXT, true), column("same")],
    [
      column("same"),
      column("case"),
      column("b", INT32, true),
      column("d"),
      column("c", TEXT, true),
      column("e", INT32),
    ],
    typeName,
  );
  expect(found.map(({ column: name, change }) => `${name} ${change}`)).toEqual([
    "a removed",
    "Case removed",
    "b retyped",
    "b nullable",
    "c nullable",
    "d required",
    "case added",
    "e added",
  ]);
  expect(found.filter(isBreaking)).toHaveLength(5);
  expect(found[1]?.text).toContain('renamed to "case"');
});
