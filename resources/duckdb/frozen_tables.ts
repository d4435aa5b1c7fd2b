import { MissingTableError } from "../errors.ts";
import { quote } from "../quote.ts";
import type { ComparedType, FoundTable, FrozenTables, DiffSyntax, TableName } from "../frozen_tables.ts";
import { requireReadable } from "./archive_files.ts";
import type { Attempt } from "../store.ts";
import type { Client } from "./client.ts";
import type { DuckDBConfig } from "./config.ts";
import { parameter, rowHash } from "./dialect.ts";
import { interruptible } from "./interruptible.ts";

/** The first instant that is written without an era. */
const FIRST_YEAR = "0001-01-01";

/** How DuckDB writes what a comparison asks: as PostgreSQL spells values. */
const SYNTAX: DiffSyntax = {
  quote,
  parameter,
  spell: (name, spelling, type) => {
    const text = `CAST(${name} AS VARCHAR)`;
    switch (spelling) {
      case "decimal":
        return withZero(name, text, type);
      case "number": {
        const whole = withZero(name, text, type);
        return type.kind === "decimal" && type.scale !== 0 ? `rtrim(rtrim(${whole}, '0'), '.')` : whole;
      }
      case "double": {
        const value = `CAST(${name} AS DOUBLE)`;
        // -0 equals 0, and no NaN another one.
        const bits = `CAST(CAST(${value} + CAST(0 AS DOUBLE) AS BIT) AS BIGINT)`;
        return `CASE WHEN isnan(${value}) THEN 'nan' ELSE lpad(lower(hex(${bits})), 16, '0') END`;
      }
      case "date":
        return `CASE WHEN ${name} < DATE '${FIRST_YEAR}' THEN replace(${text}, '(BC)', 'BC') ELSE ${text} END`;
      case "timestamp":
        // By way of its microseconds: four times as quick as the cast, which looks for the time zone each time.
        return (
          `CASE WHEN NOT isfinite(${name}) THEN ${text} ` +
          `WHEN ${name} < TIMESTAMPTZ '${FIRST_YEAR} 00:00:00+00' THEN replace(${text}, ' (BC)', '') || ' BC' ` +
          `ELSE CAST(make_timestamp(epoch_us(${name})) AS VARCHAR) || '+00' END`
        );
      default:
        return text;
    }
  },
  grouped: (name) => name,
  byteLength: (text) => `strlen(${text})`,
  checksum: (text) => `CAST('0x' || left(md5(${text}), 15) AS BIGINT)`,
  nativeHash: (columns) => rowHash(columns.map(({ name }) => name).join(", ")),
  nativePosition: (hash) => `CAST(${hash} & ${2n ** 60n - 1n} AS BIGINT)`,
  toInt64: (name) => `CAST(${name} AS BIGINT)`,
  shiftRight: (value, bits) => `${value} >> ${bits}`,
};

/** Lends tables of the file as they are now, in a transaction of their own. */
export async function withFrozenTables<T>(
  client: Client,
  { path }: Pick<DuckDBConfig, "path">,
  attempt: Pick<Attempt, "signal">,
  act: (tables: FrozenTables) => Promise<T>,
): Promise<T> {
  return await interruptible(client, attempt, async () => {
    await client.run("BEGIN TRANSACTION READ ONLY");
    try {
      return await act({
        place: `DuckDB in ${path}`,
        syntax: SYNTAX,
        describe: (table) => describe(client, table),
        text: (statement) => client.text(statement),
      });
    } finally {
      await client.run("ROLLBACK").catch(() => undefined);
    }
  });
}

async function describe(client: Client, { schema, table }: TableName): Promise<FoundTable> {
  // A part of the rows would be compared as if it were all of them.
  await requireReadable(client, "the diff", [`${schema}/${table}`], null);
  const parameters = [schema, table];
  const found = await client.text({
    text: `SELECT column_name, data_type, numeric_precision, numeric_scale, is_nullable FROM duckdb_columns()
      WHERE database_name = current_database() AND schema_name = $1 AND table_name = $2 ORDER BY column_index`,
    parameters,
  });
  if (found.rows.length === 0) throw new MissingTableError(`${schema}.${table}`, undefined, "compared");
  const unique = await client.text({
    text: `SELECT to_json(constraint_column_names) FROM duckdb_constraints()
      WHERE database_name = current_database() AND schema_name = $1 AND table_name = $2
        AND constraint_type IN ('PRIMARY KEY', 'UNIQUE')`,
    parameters,
  });
  return {
    columns: found.rows.map(([name, type, precision, scale, nullable]) => ({
      name: name ?? "",
      typeName: type ?? "",
      type: comparedType(type ?? "", Number(precision), Number(scale)),
      nullable: nullable !== "false",
    })),
    uniqueKeys: unique.rows.map(([names]) => JSON.parse(names ?? "[]") as string[]),
  };
}

function comparedType(name: string, precision: number, scale: number): ComparedType | null {
  switch (name) {
    case "TINYINT":
    case "SMALLINT":
    case "INTEGER":
    case "BIGINT":
      return { kind: "integer" };
    case "FLOAT":
    case "DOUBLE":
      return { kind: "double" };
    case "BOOLEAN":
      return { kind: "boolean" };
    case "VARCHAR":
    case "UUID":
      return { kind: "text" };
    case "TIMESTAMP WITH TIME ZONE":
      return { kind: "timestamp" };
    case "DATE":
      return { kind: "date" };
    case "JSON":
      return { kind: "json" };
    default:
      return name.startsWith("DECIMAL(") ? { kind: "decimal", precision, scale } : null;
  }
}

/** `.50` of a decimal without whole digits is 0.50 elsewhere. */
function withZero(name: string, text: string, type: ComparedType): string {
  if (type.kind !== "decimal" || type.scale === 0 || type.precision !== type.scale) return text;
  return `CASE WHEN ${name} < 0 THEN '-0' || substr(${text}, 2) ELSE '0' || ${text} END`;
}
