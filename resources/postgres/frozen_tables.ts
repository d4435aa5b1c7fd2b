import { MissingTableError } from "../errors.ts";
import { quote } from "../quote.ts";
import type { ComparedType, FoundTable, FrozenTables, DiffSyntax, TableName } from "../frozen_tables.ts";
import type { Attempt } from "../store.ts";
import type { Client } from "./client.ts";
import type { Connections } from "./connections.ts";
import { parameter } from "./dialect.ts";
import { PostgresConfigError } from "./errors.ts";

/** How PostgreSQL writes what a comparison asks. Time zone, DateStyle and extra_float_digits are those of the connection. */
const SYNTAX: DiffSyntax = {
  quote,
  parameter,
  spell: (name, spelling) => {
    switch (spelling) {
      case "double":
        // -0 equals 0, and no NaN another one.
        return (
          `CASE WHEN ${name} = 'NaN' THEN 'nan' ELSE ` +
          `pg_catalog.encode(pg_catalog.float8send(CAST(${name} AS double precision) + 0), 'hex') END`
        );
      case "number":
        return `CAST(pg_catalog.trim_scale(CAST(${name} AS numeric)) AS text)`;
      default:
        return `CAST(${name} AS text)`;
    }
  },
  grouped: (name, { kind }) => {
    if (kind === "text") return `CAST(${name} AS text) COLLATE "C"`;
    return kind === "json" ? `CAST(${name} AS text)` : name;
  },
  byteLength: (text) => `pg_catalog.octet_length(${text})`,
  checksum: (text) => `CAST(CAST('x' || pg_catalog.left(pg_catalog.md5(${text}), 15) AS bit(60)) AS bigint)`,
  nativeHash: (columns) => {
    const values = columns.map(({ name, type }) => SYNTAX.grouped(name, type));
    return `pg_catalog.hashint8extended(pg_catalog.hash_record_extended(ROW(${values.join(", ")}), 0), 0)`;
  },
  nativePosition: (hash) => `(${hash} & ${2n ** 60n - 1n})`,
  toInt64: (name) => `CAST(${name} AS bigint)`,
  shiftRight: (value, bits) => `${value} >> ${bits}`,
};

/** Lends tables of the server as they are now, in a transaction of one snapshot. */
export async function withFrozenTables<T>(
  connections: Connections,
  { runId, signal }: Pick<Attempt, "runId" | "signal">,
  act: (snapshot: FrozenTables) => Promise<T>,
): Promise<T> {
  const work = { assetKey: "diff", runId, signal, isReadOnly: true, isSnapshot: true };
  return await connections.transaction(work, async (client) => {
    // A part of the rows must not pass for all of them: the server refuses what a policy would hide rows of.
    await client.script(["SET LOCAL row_security = off"]);
    await requireUtf8(client, connections);
    return await act({
      place: `PostgreSQL at ${connections.config.place}`,
      syntax: SYNTAX,
      describe: (table) => describe(client, table),
      text: (statement) => client.text(statement),
    });
  });
}

/** Checksums are of bytes, which have to be the same ones. */
async function requireUtf8(client: Client, { config }: Connections): Promise<void> {
  const [[encoding] = []] = (await client.text("SELECT pg_catalog.current_setting('server_encoding')")).rows;
  if (encoding === "UTF8") return;
  throw new PostgresConfigError(
    `${config.variable}: the database keeps its text in ${String(encoding)}; only databases in UTF8 can be compared`,
  );
}

async function describe(client: Client, name: TableName): Promise<FoundTable> {
  const found = await client.text({
    text: `SELECT c.oid, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), t.typname, a.atttypmod, a.attnotnull
      FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
      WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      ORDER BY a.attnum`,
    parameters: [name.schema, name.table],
  });
  const [oid] = found.rows[0] ?? [];
  if (oid === undefined) throw new MissingTableError(`${name.schema}.${name.table}`, undefined, "compared");
  const unique = await client.text({
    text: `SELECT i.indexrelid, a.attname
      FROM pg_catalog.pg_index AS i
      JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0 : i.indnkeyatts - 1])
      JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
      WHERE i.indrelid = CAST($1 AS oid) AND i.indisunique AND i.indisvalid AND i.indimmediate
        AND i.indpred IS NULL AND i.indexprs IS NULL
        -- Rows of tables that inherit from it are read with its own, and are in no index of it.
        AND (c.relkind = 'p' OR NOT c.relhassubclass)`,
    parameters: [oid],
  });
  return {
    columns: found.rows.map(([, column, typeName, type, modifier, notNull]) => ({
      name: column ?? "",
      typeName: typeName ?? "",
      type: comparedType(type ?? "", Number(modifier)),
      nullable: notNull !== "true",
    })),
    uniqueKeys: [...Map.groupBy(unique.rows, ([index]) => index).values()].map((rows) =>
      rows.map(([, column]) => column ?? ""),
    ),
  };
}

/** Documents of jsonb are not kept as they were written, and instants without a zone are none. */
function comparedType(name: string, modifier: number): ComparedType | null {
  switch (name) {
    case "int2":
    case "int4":
    case "int8":
      return { kind: "integer" };
    case "numeric": {
      if (modifier < 4) return { kind: "decimal", precision: null, scale: null };
      // https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/numeric.c: numeric_typmod_scale
      const scale = (((modifier - 4) & 0x7ff) ^ 1024) - 1024;
      return { kind: "decimal", precision: ((modifier - 4) >> 16) & 0xffff, scale };
    }
    case "float4":
    case "float8":
      return { kind: "double" };
    case "bool":
      return { kind: "boolean" };
    case "text":
    case "varchar":
    case "bpchar":
    case "uuid":
      return { kind: "text" };
    case "timestamptz":
      return { kind: "timestamp" };
    case "date":
      return { kind: "date" };
    case "json":
      return { kind: "json" };
    default:
      return null;
  }
}
