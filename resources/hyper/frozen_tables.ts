import { MissingTableError } from "../errors.ts";
import type { ComparedType, DiffSyntax, FoundTable, FrozenTables, Spelling, TableName } from "../frozen_tables.ts";
import { quote } from "../quote.ts";
import type { Statement } from "../render_sql.ts";
import { withWatchedTables } from "../watched_tables.ts";
import type { Client } from "./client.ts";
import { databaseOf, type HyperConfig } from "./config.ts";
import { parameter } from "./dialect.ts";

/** Bytes of a digest in a checksum; the last four of their 64 bits go. */
const CHECKSUM_BYTES = 8;
const LAST_CHECKSUM = 2n ** 60n - 1n;

/**
 * How Hyper writes what a comparison asks. Its spelling of doubles is its own, as it does not show their bits; so its
 * tables are compared with each other alone.
 */
const SYNTAX: DiffSyntax = {
  quote,
  parameter,
  spell,
  grouped: (name, { kind }) => {
    if (kind === "double") return `CASE WHEN ${name} = 0 THEN 0 ELSE ${name} END`;
    return kind === "json" ? `CAST(${name} AS text)` : name;
  },
  byteLength: (text) => `CAST(octet_length(${text}) AS text)`,
  checksum,
  // It has no other hash than of a text, which the engine computes once, however often the statement names it.
  nativeHash: (columns) =>
    checksum(
      columns
        .map(({ name, type }) => {
          const value = spell(name, type.kind, type);
          return `coalesce(CAST(octet_length(${value}) AS text) || ':' || ${value}, 'NULL')`;
        })
        .join(" || "),
    ),
  nativePosition: (hash) => hash,
  toInt64: (name) => `CAST(${name} AS bigint)`,
  shiftRight: (value, bits) => `(${value}) >> ${bits}`,
  // The sum of many does not fit 64 bits.
  summand: (hash) => `CAST(${hash} AS numeric(38, 0))`,
};

function spell(name: string, spelling: Spelling, type: ComparedType): string {
  const text = `CAST(${name} AS text)`;
  switch (spelling) {
    case "number":
      return type.kind === "decimal" && type.scale !== 0
        ? `CASE WHEN position('.' IN ${text}) = 0 THEN ${text} ELSE rtrim(rtrim(${text}, '0'), '.') END`
        : text;
    case "double": {
      const value = `CAST(${name} AS double precision)`;
      // -0 equals 0, which x + 0 would not make of it. All digits are in the text, as the connection has it.
      return `CASE WHEN ${value} = CAST('NaN' AS double precision) THEN 'nan' WHEN ${value} = 0 THEN '=0' ELSE '=' || CAST(${value} AS text) END`;
    }
    default:
      return text;
  }
}

function checksum(text: string): string {
  const bytes = Array.from(
    { length: CHECKSUM_BYTES },
    (_, index) => `(CAST(get_byte(sha256(${text}), ${index}) AS bigint) << ${8 * (CHECKSUM_BYTES - 1 - index)})`,
  );
  return `(((${bytes.join(" | ")}) >> 4) & ${LAST_CHECKSUM})`;
}

/**
 * Lends tables of the file. A transaction would keep their rows, but the server crashes when it reads a table there that
 * another session swaps.
 *
 * @throws ChangedTableError
 */
export async function withFrozenTables<T>(
  client: Client,
  config: HyperConfig,
  act: (tables: FrozenTables) => Promise<T>,
): Promise<T> {
  const tables = {
    place: `Hyper in ${databaseOf(config.url)}`,
    syntax: SYNTAX,
    describe: (table: TableName) => describe(client, table),
    stateOf: (table: TableName) => stateOf(client, table),
    text: (statement: Statement) => client.text(statement),
  };
  return await withWatchedTables(tables, act);
}

async function stateOf(client: Client, table: TableName): Promise<string> {
  const { columns } = await describe(client, table);
  return JSON.stringify([columns, await checksumOf(client, table, columns)]);
}

/** Count and checksum of all rows in some columns, which the engine adds up as quickly as it reads them. */
export async function checksumOf(
  client: Client,
  { schema, table }: TableName,
  columns: FoundTable["columns"],
): Promise<string> {
  const all = columns.map(({ name, typeName }) => ({
    name: quote(name),
    type: comparedType(typeName) ?? ({ kind: "text" } as const),
  }));
  const hash = SYNTAX.summand?.(SYNTAX.nativeHash(all)) ?? "";
  const { rows } = await client.text(`SELECT count(*), sum(${hash}) FROM ${quote(schema)}.${quote(table)}`);
  return JSON.stringify(rows);
}

/** The columns of a table, from the catalog. @throws MissingTableError */
export async function describe(client: Client, { schema, table }: TableName): Promise<FoundTable> {
  const { rows } = await client.text({
    text: `SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
      FROM pg_catalog.pg_attribute AS a
      JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 ORDER BY a.attnum`,
    parameters: [schema, table],
  });
  if (rows.length === 0) throw new MissingTableError(`${schema}.${table}`, undefined, "compared");
  return {
    columns: rows.map(([name, typeName, notNull]) => ({
      name: name ?? "",
      typeName: typeName ?? "",
      type: comparedType(typeName ?? ""),
      nullable: notNull !== "t",
    })),
    // The engine believes the keys that it is told of.
    uniqueKeys: [],
  };
}

function comparedType(name: string): ComparedType | null {
  switch (name.replace(/\(.*/, "")) {
    case "smallint":
    case "integer":
    case "bigint":
      return { kind: "integer" };
    case "numeric": {
      const [, precision, scale = "0"] = /\((\d+)(?:,\s*(\d+))?\)/.exec(name) ?? [];
      return precision === undefined
        ? { kind: "decimal", precision: null, scale: null }
        : { kind: "decimal", precision: Number(precision), scale: Number(scale) };
    }
    case "real":
    case "double precision":
      return { kind: "double" };
    case "boolean":
      return { kind: "boolean" };
    case "text":
    case "character varying":
      return { kind: "text" };
    case "timestamptz":
    case "timestamp with time zone":
      return { kind: "timestamp" };
    case "date":
      return { kind: "date" };
    case "json":
      return { kind: "json" };
    default:
      return null;
  }
}
