import type { RecordBatch, Table } from "apache-arrow";
import type { Column } from "../definitions/column_type.ts";

/** Whether a body yielded an Arrow table or record batch. */
export function isArrow(page: unknown): page is RecordBatch | Table {
  return typeof page === "object" && page !== null && "numRows" in page && "schema" in page && "getChild" in page;
}

/** Rows handed on at a time, so that a large table never stands in memory twice. */
const PAGE_ROWS = 8_192;

/**
 * Reads an Arrow table as pages of rows, its values in the form that the contract has in TypeScript. Columns that the
 * contract does not know stay, so that validation refuses them.
 */
export function* arrowPages(
  batch: RecordBatch | Table,
  columns: readonly Column[],
): Generator<Record<string, unknown>[]> {
  const contract = new Map(columns.map((column) => [column.name, column]));
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
      return (value) => (typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value);
    case "timestamp":
      return (value) => (typeof value === "number" || typeof value === "bigint" ? new Date(Number(value)) : value);
    case "date":
      return (value) => {
        const day =
          value instanceof Date
            ? value
            : typeof value === "number" || typeof value === "bigint"
              ? new Date(Number(value))
              : undefined;
        return day === undefined ? value : day.toISOString().slice(0, 10);
      };
    case "decimal":
      return (value) => (value instanceof Uint32Array ? decimalText(value, scale) : value);
    case "json":
      return (value) =>
        typeof value === "object" && value !== null && "toJSON" in value
          ? (value as { toJSON(): unknown }).toJSON()
          : value;
    case "string":
    case "float64":
    case "boolean":
    case undefined:
      return (value) => value;
  }
}

/** Arrow's decimals are 128 or 256 bits, two's complement, in little-endian words of 32. */
function decimalText(words: Uint32Array, scale: number): string {
  let value = 0n;
  for (let index = words.length - 1; index >= 0; index -= 1) value = (value << 32n) | BigInt(words[index] ?? 0);
  value = BigInt.asIntN(words.length * 32, value);
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, "0");
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return value < 0n ? `-${text}` : text;
}
