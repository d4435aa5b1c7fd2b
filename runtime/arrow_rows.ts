import type { DataType, Field, RecordBatch, Table } from "apache-arrow";
import type { Column, ColumnType } from "../definitions/column_type.ts";
import { ContractError } from "../resources/errors.ts";
import { columnTypeOf } from "./arrow_types.ts";
import { evolvedColumn } from "./evolved.ts";

/** Whether a body yielded an Arrow table or record batch. */
export function isArrow(page: unknown): page is RecordBatch | Table {
  return typeof page === "object" && page !== null && "numRows" in page && "schema" in page && "getChild" in page;
}

/** Rows handed on at a time, so that a large table never stands in memory twice. */
const PAGE_ROWS = 8_192;

/**
 * Reads an Arrow table as pages of rows, its values in the form that the contract has in TypeScript. Columns that the
 * contract does not know stay, so that validation refuses them.
 *
 * @param news Is told the types of those columns instead, where they are to become columns of the table.
 */
export function* arrowPages(
  batch: RecordBatch | Table,
  columns: readonly Column[],
  news?: { readonly declare: (name: string, type: ColumnType) => void },
): Generator<Record<string, unknown>[]> {
  const contract = new Map(columns.map((column) => [column.name, column]));
  for (const { name, type } of news === undefined ? [] : (batch.schema.fields as readonly Field[])) {
    if (contract.has(name)) continue;
    const found = columnTypeOf(type as DataType);
    if (found === undefined)
      throw new ContractError(
        `the new column ${JSON.stringify(name)} is ${String(type)} in Arrow, for which no column is exact: declare it in ` +
          "the contract; nothing was published",
      );
    if (found === null) continue;
    contract.set(name, evolvedColumn(name, found));
    news?.declare(name, found);
  }
  const readers = batch.schema.fields.map(({ name, type }) => {
    const vector = batch.getChild(name);
    const scale = "scale" in type ? (type as { readonly scale: number }).scale : 0;
    return { name, vector, convert: converter(contract.get(name), scale) };
  });
  for (let start = 0; start < batch.numRows; start += PAGE_ROWS) {
    const page: Record<string, unknown>[] = [];
    for (let index = start; index < Math.min(start + PAGE_ROWS, batch.numRows); index += 1) {
      const row: Record<string, unknown> = {};
      for (const { name, vector, convert } of readers) {
        const value: unknown = vector?.get(index);
        row[name] = value === null || value === undefined ? null : convert(value);
      }
      page.push(row);
    }
    yield page;
  }
}

/** A value that the contract cannot take is handed on as it is: validation names it. */
function converter(column: Column | undefined, scale: number): (value: unknown) => unknown {
  switch (column?.type.kind) {
    case "int32":
    case "int64":
      if (column.value === "bigint")
        return (value) => (typeof value === "number" && Number.isInteger(value) ? BigInt(value) : value);
      return safeNumber;
    case "timestamp":
      return toDate;
    case "date":
      return (value) => {
        const day = toDate(value);
        return day instanceof Date && !Number.isNaN(day.getTime()) ? day.toISOString().slice(0, 10) : value;
      };
    case "decimal": {
      const kept = column.type.scale;
      return (value) => (ArrayBuffer.isView(value) ? decimalText(value as Uint32Array, scale, kept) : value);
    }
    case "json":
      return toJson;
    case "string":
    case "float64":
    case "boolean":
    case undefined:
      return (value) => value;
  }
}

/** A `bigint` that a `number` holds exactly, as that. */
function safeNumber(value: unknown): unknown {
  return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** Arrow hands out every unit of time as milliseconds, with a fraction; a `Date` has none: cut down to the earlier one. */
function toDate(value: unknown): unknown {
  return typeof value === "number" || typeof value === "bigint" ? new Date(Math.floor(Number(value))) : value;
}

/** Structs, maps and lists as plain objects and arrays. */
function toJson(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Date) return safeNumber(value);
  const plain = "toJSON" in value && typeof value.toJSON === "function" ? (value.toJSON as () => unknown)() : value;
  if (Array.isArray(plain)) return plain.map(toJson);
  if (typeof plain !== "object" || plain === null) return plain;
  return Object.fromEntries(Object.entries(plain).map(([name, inner]) => [name, toJson(inner)]));
}

/**
 * Arrow's decimals are 128 or 256 bits, two's complement, in little-endian words of 32.
 *
 * @param kept Digits after the point that the contract has: zeros beyond them are left out.
 */
function decimalText(words: Uint32Array, scale: number, kept: number): string {
  let value = 0n;
  for (let index = words.length - 1; index >= 0; index -= 1) value = (value << 32n) | BigInt(words[index] ?? 0);
  value = BigInt.asIntN(words.length * 32, value);
  let digits = (value < 0n ? -value : value).toString().padStart(scale + 1, "0");
  let places = scale;
  for (; places > kept && digits.endsWith("0"); places -= 1) digits = digits.slice(0, -1);
  const text = places <= 0 ? digits + "0".repeat(-places) : `${digits.slice(0, -places)}.${digits.slice(-places)}`;
  return value < 0n ? `-${text}` : text;
}
