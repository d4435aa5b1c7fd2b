import { MissingTableError } from "../errors.ts";
import type { ComparedType, DiffSyntax, FoundTable, FrozenTables, Spelling, TableName } from "../frozen_tables.ts";
import { NotComparableError } from "../compared_columns.ts";
import type { Statement } from "../render_sql.ts";
import { withWatchedTables } from "../watched_tables.ts";
import type { Client } from "./client.ts";
import { parameter } from "./dialect.ts";
import { quote } from "./quote.ts";

/** How ClickHouse writes what a comparison asks. Its spellings and hashes are its own: no other store has to know them. */
const SYNTAX: DiffSyntax = {
  quote,
  parameter,
  spell: (name, spelling, type) => spell(name, spelling, type),
  grouped: (name, { kind }) => (kind === "double" ? `if(isNaN(${name}), nan, ${name} + 0)` : name),
  byteLength: (text) => `toString(length(${text}))`,
  checksum: (text) => `toInt64(bitShiftRight(sipHash64(${text}), 4))`,
  // The hash of anything with NULL is NULL, so what is NULL is hashed beside the values.
  nativeHash: (columns) =>
    `sipHash64(${columns
      .flatMap(({ name, type }) => [`isNull(${name})`, `ifNull(${spell(name, type.kind, type)}, '')`])
      .join(", ")})`,
  nativePosition: (hash) => `toInt64(bitShiftRight(${hash}, 4))`,
  toInt64: (name) => `toInt64(${name})`,
  shiftRight: (value, bits) => `bitShiftRight(${value}, ${bits})`,
};

function spell(name: string, spelling: Spelling, type: ComparedType): string {
  switch (spelling) {
    case "number":
      return type.kind === "decimal" ? withoutZeros(`toString(${name})`) : `toString(${name})`;
    case "double":
      // -0 equals 0, and no NaN another one.
      return (
        `multiIf(isNull(${name}), NULL, isNaN(${name}), 'nan', ` +
        `leftPad(lower(hex(reinterpretAsUInt64(assumeNotNull(toFloat64(${name} + 0))))), 16, '0'))`
      );
    case "timestamp":
      return `toString(toDateTime64(${name}, 6, 'UTC'))`;
    default:
      return `toString(${name})`;
  }
}

/** `1.50` is `1.5`, but `100` is no `1`. */
function withoutZeros(text: string): string {
  return `if(position(${text}, '.') = 0, ${text}, replaceRegexpOne(${text}, '\\\\.?0*$', ''))`;
}

/** Lends tables of the server. @throws ChangedTableError, NotComparableError */
export async function withFrozenTables<T>(client: Client, act: (tables: FrozenTables) => Promise<T>): Promise<T> {
  if (client.config.cluster !== null)
    throw new NotComparableError(
      "tables of a cluster cannot be compared: each query may be answered by another replica, which lags behind the others",
    );
  const tables = {
    place: `ClickHouse at ${client.config.url.host}`,
    syntax: SYNTAX,
    describe: (table: TableName) => describe(client, table),
    stateOf: (table: TableName) => stateOf(client, table),
    text: (statement: Statement) => client.text(statement),
  };
  return await withWatchedTables(tables, act);
}

/** What is another after each change of the rows; merges in the background leave it as it is. */
async function stateOf(client: Client, { schema, table }: TableName): Promise<string> {
  const parameters = [schema, table];
  const found = await client.text({
    text: "SELECT engine, toString(uuid) FROM system.tables WHERE database = {p1:String} AND name = {p2:String}",
    parameters,
  });
  const [[engine, uuid] = []] = found.rows;
  if (engine === undefined) throw new MissingTableError(`${schema}.${table}`, undefined, "compared");
  // Of a view nobody can tell whether it changes.
  if (engine?.endsWith("MergeTree") !== true)
    throw new NotComparableError(
      `${schema}.${table} in ClickHouse is a ${engine ?? ""}, which may change while it is compared: compare the tables that it reads, or a copy`,
    );
  const { rows } = await client.text({
    // At the end of a part's name is its last mutation.
    text: `SELECT partition_id, max(max_block_number), max(toUInt64OrZero(extract(name, '_[0-9]+_[0-9]+_[0-9]+_([0-9]+)$'))), sum(rows) FROM system.parts
      WHERE active AND database = {p1:String} AND table = {p2:String} GROUP BY partition_id ORDER BY partition_id`,
    parameters,
  });
  return JSON.stringify([uuid, rows]);
}

async function describe(client: Client, { schema, table }: TableName): Promise<FoundTable> {
  const { rows } = await client.text({
    text: `SELECT name, type, numeric_precision, numeric_scale FROM system.columns
      WHERE database = {p1:String} AND table = {p2:String} ORDER BY position`,
    parameters: [schema, table],
  });
  return {
    columns: rows.map(([name, typeName, precision, scale]) => {
      const { type, nullable } = comparedType(typeName ?? "", Number(precision), Number(scale));
      return { name: name ?? "", typeName: typeName ?? "", type, nullable };
    }),
    // Its keys say how rows are sorted, not that each is there once.
    uniqueKeys: [],
  };
}

function comparedType(
  name: string,
  precision: number,
  scale: number,
): { readonly type: ComparedType | null; readonly nullable: boolean } {
  const [, inner] = /^(?:Nullable|LowCardinality)\((.*)\)$/.exec(name) ?? [];
  if (inner !== undefined) {
    const found = comparedType(inner, precision, scale);
    return { type: found.type, nullable: found.nullable || name.startsWith("Nullable") };
  }
  return { type: plainType(name, precision, scale), nullable: false };
}

function plainType(name: string, precision: number, scale: number): ComparedType | null {
  const [kind = ""] = /^\w+/.exec(name) ?? [];
  switch (kind) {
    case "Int8":
    case "Int16":
    case "Int32":
    case "Int64":
      return { kind: "integer" };
    case "Float32":
    case "Float64":
      return { kind: "double" };
    case "Decimal":
      return { kind: "decimal", precision, scale };
    case "Bool":
      return { kind: "boolean" };
    case "String":
    case "UUID":
      return { kind: "text" };
    case "Date":
    case "Date32":
      return { kind: "date" };
    case "DateTime":
    case "DateTime64":
      return { kind: "timestamp" };
    default:
      return null;
  }
}
