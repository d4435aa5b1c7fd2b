import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { Column } from "../../definitions/column_type.ts";
import { type CopiedColumns, sourceOf } from "../store_sources.ts";
import { ContractError } from "../errors.ts";
import type { Target } from "../store.ts";
import type { Client, StatementOptions } from "./client.ts";
import { columnNames } from "./contract.ts";
import { SourceError } from "./errors.ts";
import { literal, quote } from "./quote.ts";
import { fullTypeName } from "./type_names.ts";

/** At both ends of every Parquet file. @see https://parquet.apache.org/docs/file-format/ */
const MAGIC = "PAR1";
/** The length of the metadata, then the magic. */
const TAIL_BYTES = 8;
/** Statements hold no more by default; the metadata of a file with many row groups is longer. */
const MAX_QUERY_SIZE = "1000000000";

/** A copy of a Parquet file: the file as it is goes to the server, which casts the values. */
export interface ParquetCopy {
  /** For people. */
  readonly statement: string;
  /** @param table Quoted name of the table that takes the rows. */
  readonly run: (table: string, options: StatementOptions) => Promise<void>;
}

/**
 * Plans the copy of a file into a table with the columns of a contract.
 *
 * @param columns Column of the target to column of the file, where the names differ.
 * @throws SourceError, ContractError
 */
export async function planCopy(
  client: Client,
  path: string,
  columns: CopiedColumns,
  target: Target,
): Promise<ParquetCopy> {
  const types = await readTypes(client, path);
  const sources = new Map(target.columns.map(({ name }) => [name, sourceOf(columns, name)]));
  const read = new Set([...sources.values()].filter((name) => name !== null));
  const missing = [...read].filter((name) => !types.has(name));
  if (missing.length > 0) {
    throw new ContractError(
      `${target.assetKey}: ${path} has no column ${missing.map((name) => JSON.stringify(name)).join(", ")}; ` +
        `it has ${[...types.keys()].map((name) => JSON.stringify(name)).join(", ")}`,
    );
  }
  const structure = [...read].map((name) => `${quote(name)} ${types.get(name) ?? ""}`).join(", ");
  const casts = target.columns.map((column) => {
    const source = sources.get(column.name) ?? null;
    if (source === null) return `CAST(NULL AS ${fullTypeName(column)})`;
    return cast(quote(source), types.get(source) ?? "", column);
  });
  const select = `SELECT ${casts.join(", ")}\nFROM `;
  return {
    statement: `${select}file(${literal(path)}, Parquet)`,
    run: async (table, options) => {
      const insert = `INSERT INTO ${table} (${columnNames(target)}) ${select}input(${literal(structure)}) FORMAT Parquet`;
      await client.insertStream(insert, createReadStream(path), options);
    },
  };
}

/** The file's columns with the types that the engine reads them as. Only the metadata at the file's end is sent. */
async function readTypes(client: Client, path: string): Promise<ReadonlyMap<string, string>> {
  const metadata = await readMetadata(path);
  const { rows } = await client.text(`DESCRIBE TABLE format(Parquet, base64Decode('${metadata.toString("base64")}'))`, {
    settings: { max_query_size: MAX_QUERY_SIZE },
  });
  return new Map(rows.map(([name, type]) => [name ?? "", type ?? ""]));
}

/** A Parquet file without its rows. */
async function readMetadata(path: string): Promise<Buffer> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    throw new SourceError(`${path} cannot be read: ${String(error)}`, { cause: error });
  }
  try {
    const { size } = await file.stat();
    const tail = await readAt(file, Math.max(0, size - TAIL_BYTES), Math.min(size, TAIL_BYTES));
    const length = size < TAIL_BYTES ? size : tail.readUInt32LE(0) + TAIL_BYTES;
    if (!tail.toString("latin1").endsWith(MAGIC) || length + MAGIC.length > size)
      throw new SourceError(`${path} is no Parquet file: it does not end as one`);
    return Buffer.concat([Buffer.from(MAGIC), await readAt(file, size - length, length)]);
  } finally {
    await file.close();
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  await file.read(buffer, 0, length, position);
  return buffer;
}

/** A strict cast: what does not fit is an error, never a near value. */
function cast(source: string, sourceType: string, column: Column): string {
  const type = fullTypeName(column);
  if (column.type.kind === "decimal" && /^(Nullable\()?(Float|BFloat)/.test(sourceType))
    return `accurateCast(${rounded(source, column.type.scale)}, ${literal(type)})`;
  if (column.type.kind === "decimal" && /^(Nullable\()?Decimal/.test(sourceType))
    return `accurateCast(round(${source}, ${column.type.scale}), ${literal(type)})`;
  const exact = `accurateCast(${source}, ${literal(type)})`;
  return column.type.kind === "timestamp" ? kept(exact, column.name) : exact;
}

/** DateTime64 promises these instants and takes others. */
const FIRST_INSTANT = "toDateTime64('1900-01-01 00:00:00', 6, 'UTC')";
const LAST_INSTANT = "toDateTime64('2299-12-31 23:59:59.999999', 6, 'UTC')";

function kept(instant: string, name: string): string {
  const beyond = `ifNull(${instant} < ${FIRST_INSTANT} OR ${instant} > ${LAST_INSTANT}, false)`;
  const message = `column ${JSON.stringify(name)} holds instants outside of 1900 to 2299, which is all that ClickHouse keeps`;
  return `if(throwIf(${beyond}, ${literal(message)}) = 0, ${instant}, ${instant})`;
}

/** Half away from zero; the engine's own cast cuts off. */
function rounded(source: string, scale: number): string {
  const scaled = `(${source} * 1e${scale})`;
  const whole = `if(${scaled} < 0, ceil(${scaled} - 0.5), floor(${scaled} + 0.5))`;
  const digits = `accurateCast(${whole}, 'Nullable(Decimal(38, 0))')`;
  return scale === 0 ? digits : `${digits} * toDecimal128('0.${"0".repeat(scale - 1)}1', ${scale})`;
}
