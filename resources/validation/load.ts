import {
  DATE,
  DECIMAL,
  DuckDBDataChunk,
  DuckDBDateValue,
  DuckDBDecimalValue,
  type DuckDBType,
  type DuckDBValue,
  INTEGER,
  VARCHAR,
} from "@duckdb/node-api";
import type { Client } from "../duckdb/client.ts";
import { literal, quote } from "../quote.ts";
import { type CellRow, type CellTable, plainHeader, type TextForms } from "./cells.ts";
import { columnOf, type ComparedColumn, comparedType, comparedValue, scaleOf } from "./compared.ts";
import { converterOf } from "./convert.ts";
import { scaled, tryScaleNumber } from "./scaled.ts";
import { EmptySourceError, MissingPartError, UnreadableSourceError } from "./errors.ts";

/** One of the two. */
export type SideName = "left" | "right";

/** The rows of a side, on their way into the scratch engine. */
export type SideRows =
  | { readonly kind: "parquet"; readonly path: string }
  | { readonly kind: "cells"; readonly table: CellTable; readonly forms: TextForms };

/** Where the rows of a side stand in their source, and what is to be told of how they were read. */
export interface LoadedSide {
  readonly rows: number;
  readonly notes: readonly string[];
  /** SQL of the place of a row and a column, for people. */
  readonly place: (row: string, column: number | null) => string;
}

/** DuckDB's vector size: a chunk cannot hold more rows. */
const CHUNK_ROWS = 2048;

/** Makes the table of the cells that could not be read, of both sides. */
export async function createUnreadable(client: Client): Promise<void> {
  await client.run('CREATE TABLE unreadable (side VARCHAR, "row" BIGINT, col INTEGER, value VARCHAR, reason VARCHAR)');
}

/**
 * Loads a side into the table `<side>_rows`: `row`, and `c0`, `c1`… as they are compared. What cannot be read is NULL
 * there, and a row of `unreadable`.
 *
 * @param names Column to its name in the source, where they differ.
 * @throws UnreadableSourceError
 */
export async function loadSide(
  client: Client,
  side: SideName,
  rows: SideRows,
  columns: readonly ComparedColumn[],
  names: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<LoadedSide> {
  const loaded = rows.kind === "cells" ? await loadCells(client, side, rows, columns, names, signal) : undefined;
  const from =
    rows.kind === "cells"
      ? {
          relation: quote(`${side}_cells`),
          row: '"row"',
          value: (index: number) => columnOf(index),
          isSafe: () => false,
        }
      : await describeParquet(client, side, rows.path, columns, names);
  // Of cells a view will do: they are in the engine already.
  const isReady = ({ type }: ComparedColumn): boolean =>
    rows.kind === "cells" && (scaleOf(type) !== undefined || type.kind === "date");
  const list = columns.map((column, index) => {
    const value = from.value(index);
    return `${isReady(column) ? value : comparedValue(column, value)} AS ${columnOf(index)}`;
  });
  await client.run(
    `CREATE ${rows.kind === "cells" ? "VIEW" : "TABLE"} ${quote(`${side}_rows`)} AS
      SELECT CAST(${from.row} AS BIGINT) AS "row", ${list.join(", ")} FROM ${from.relation}`,
  );
  for (const [index, column] of columns.entries()) {
    if (comparedType(column.type) === "VARCHAR" || isReady(column) || from.isSafe(index)) continue;
    const value = from.value(index);
    await client.run(
      `INSERT INTO unreadable SELECT ${literal(side)}, CAST(${from.row} AS BIGINT), ${index}, CAST(${value} AS VARCHAR),
        ${literal(`not as ${column.type.kind}`)} FROM ${from.relation}
      WHERE ${value} IS NOT NULL AND ${comparedValue(column, value)} IS NULL`,
    );
  }
  const counted = await client.text(`SELECT count(*) FROM ${quote(`${side}_rows`)}`);
  const count = Number(counted.rows[0]?.[0] ?? "0");
  if (count === 0) throw new EmptySourceError(`the ${side} side has no row: there is nothing to compare`);
  return { rows: count, notes: loaded?.notes ?? [], place: loaded?.place ?? (() => "NULL") };
}

async function loadCells(
  client: Client,
  side: SideName,
  { table, forms }: Extract<SideRows, { kind: "cells" }>,
  columns: readonly ComparedColumn[],
  names: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<Pick<LoadedSide, "notes" | "place">> {
  const indexes = columns.map(({ name }) => headerIndex(table.header, names[name] ?? name, side));
  const scales = columns.map(({ type }) => scaleOf(type));
  // The engine takes long to read wide decimals off texts.
  const types = columns.map(({ type }, index): DuckDBType => {
    const scale = scales[index];
    if (scale !== undefined) return DECIMAL(38, scale);
    return type.kind === "date" ? DATE : VARCHAR;
  });
  /** What the driver wants as an object is the same object each time: millions of short-lived ones cost more than the rest. */
  const decimals = scales.map((scale): Writable<DuckDBDecimalValue> => new DuckDBDecimalValue(0n, 38, scale ?? 0));
  const days = new Map<string, DuckDBDateValue>();
  const list = types.map((type, index) => `${columnOf(index)} ${String(type)}`);
  await client.run(`CREATE TABLE ${quote(`${side}_cells`)} ("row" INTEGER, ${list.join(", ")})`);
  const converters = columns.map(({ type }) => converterOf(type, forms, table.from1904));
  const isNumber = columns.map(({ type }, index) => scales[index] !== undefined || type.kind === "float64");
  const appender = await client.connection.createAppender(`${side}_cells`);
  const unreadable = await client.connection.createAppender("unreadable");
  const chunk = DuckDBDataChunk.create([INTEGER, ...types]);
  const reject = (row: number, column: number, value: string, reason: string): null => {
    unreadable.appendVarchar(side);
    unreadable.appendBigInt(BigInt(row));
    unreadable.appendInteger(column);
    if (value === "") unreadable.appendNull();
    else unreadable.appendVarchar(value);
    unreadable.appendVarchar(reason);
    unreadable.endRow();
    return null;
  };
  let textNumbers = 0;
  const valueAt = (column: number, { row, cells }: CellRow): DuckDBValue => {
    const cell = cells[indexes[column] ?? -1] ?? null;
    const scale = scales[column];
    const decimal = decimals[column];
    if (typeof cell === "number" && scale !== undefined && decimal !== undefined) {
      const short = tryScaleNumber(cell, scale);
      if (short !== undefined) {
        decimal.value = short;
        return decimal;
      }
    }
    const value = converters[column]?.(cell) ?? null;
    if (value === null) return null;
    const written = typeof cell === "object" ? "" : String(cell);
    if (typeof value !== "string") return reject(row, column, written, value.unreadable);
    if (typeof cell === "string" && isNumber[column] === true) textNumbers += 1;
    if (types[column] === DATE) return dayOf(value, days);
    if (scale === undefined || decimal === undefined) return value;
    const digits = scaled(value, scale);
    if (typeof digits === "string") return reject(row, column, written, digits);
    decimal.value = digits;
    return decimal;
  };
  let page: CellRow[] = [];
  const flush = (): void => {
    signal.throwIfAborted();
    if (page.length === 0) return;
    chunk.reset();
    chunk.rowCount = page.length;
    chunk.setColumnValuesConverted(0, page, ({ row }) => row);
    for (const column of columns.keys())
      chunk.setColumnValuesConverted(column + 1, page, (row) => valueAt(column, row));
    appender.appendDataChunk(chunk);
    page = [];
  };
  const take = (row: CellRow): void => {
    if (page.push(row) === CHUNK_ROWS) flush();
  };
  // A turn of the event loop for each row is dear.
  if (Symbol.iterator in table.rows) for (const row of table.rows) take(row);
  else for await (const row of table.rows) take(row);
  flush();
  appender.closeSync();
  unreadable.closeSync();
  const { before, columns: letters } = table.place;
  return {
    notes: [
      ...table.notes(),
      ...(table.isTyped && textNumbers > 0 ? [`${textNumbers} numbers written as text were read`] : []),
    ],
    place: (row, column) => {
      const letter = letters[column === null ? 0 : (indexes[column] ?? 0)] ?? "";
      return `${literal(before + letter)} || CAST(${row} AS VARCHAR)`;
    },
  };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function dayOf(text: string, known: Map<string, DuckDBDateValue>): DuckDBDateValue {
  const day = known.get(text) ?? new DuckDBDateValue(Date.parse(`${text}T00:00:00Z`) / 86_400_000);
  known.set(text, day);
  return day;
}

function headerIndex(header: readonly string[], wanted: string, side: SideName): number {
  const found = [...header.keys()].filter((index) => plainHeader(header[index] ?? "") === plainHeader(wanted));
  const [index] = found;
  if (index === undefined)
    throw new MissingPartError(
      `the ${side} side has no column ${JSON.stringify(wanted)}; its header is ${header.map((name) => JSON.stringify(name)).join(", ")}. Say its name in names.${side}`,
    );
  if (found.length > 1)
    throw new MissingPartError(`the ${side} side has ${found.length} columns ${JSON.stringify(wanted)}: expected one`);
  return index;
}

async function describeParquet(
  client: Client,
  side: SideName,
  path: string,
  columns: readonly ComparedColumn[],
  names: Readonly<Record<string, string | undefined>>,
): Promise<{
  readonly relation: string;
  readonly row: string;
  readonly value: (index: number) => string;
  /** Whether each of its values can be compared. */
  readonly isSafe: (index: number) => boolean;
}> {
  const { rows } = await client.text(`DESCRIBE SELECT * FROM read_parquet(${literal(path)})`);
  const types = new Map(rows.map(([name, type]) => [name ?? "", type ?? ""]));
  for (const { name, type } of columns) {
    const source = names[name] ?? name;
    const found = types.get(source);
    if (found === undefined)
      throw new MissingPartError(
        `the ${side} side has no column ${JSON.stringify(source)}; it has ${[...types.keys()].join(", ")}. Say its name in names.${side}`,
      );
    const isTime = found.startsWith("TIMESTAMP");
    if ((type.kind === "date" && isTime) || (type.kind === "timestamp" && found !== "TIMESTAMP WITH TIME ZONE"))
      throw new UnreadableSourceError(
        `column ${JSON.stringify(source)} of the ${side} side is ${found}, not ${type.kind}: say by SQL on which clock it is one`,
      );
  }
  const nameOf = (index: number): string => names[columns[index]?.name ?? ""] ?? columns[index]?.name ?? "";
  return {
    relation: `read_parquet(${literal(path)}, file_row_number = true)`,
    row: "file_row_number",
    value: (index) => quote(nameOf(index)),
    isSafe: (index) => {
      const type = columns[index]?.type;
      return type !== undefined && isSafe(types.get(nameOf(index)) ?? "", type);
    },
  };
}

/** Whether a type of the engine has no value that the compared one lacks. */
function isSafe(from: string, type: ComparedColumn["type"]): boolean {
  if (from === comparedType(type)) return true;
  const scale = scaleOf(type);
  if (scale === undefined) return false;
  const [, precision, decimals] = /^DECIMAL\((\d+),(\d+)\)$/.exec(from) ?? [];
  const whole = precision === undefined ? DIGITS[from] : Number(precision) - Number(decimals);
  return whole !== undefined && whole <= 38 - scale;
}

/** Of the largest number. */
const DIGITS: Readonly<Record<string, number>> = { TINYINT: 3, SMALLINT: 5, INTEGER: 10, BIGINT: 19 };
