import { MissingTableError } from "../errors.ts";
import type { ComparedType, FoundTable, TableName } from "../frozen_tables.ts";
import { quote } from "../quote.ts";
import type { Client } from "./client.ts";
import { DIFF_SYNTAX } from "./diff_syntax.ts";

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
  const hash = DIFF_SYNTAX.summand?.(DIFF_SYNTAX.nativeHash(all)) ?? "";
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
