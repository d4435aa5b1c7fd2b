import { ChangedTableError, MissingTableError } from "../errors.ts";
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

/**
 * Lends tables of the server as they are now, in a transaction of one snapshot.
 *
 * @throws ChangedTableError when another table has got the name since the snapshot, which would look empty in it, or
 *   partitions came or went
 */
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
    const lent = new Map<string, TableName>();
    const result = await act({
      place: `PostgreSQL at ${connections.config.place}`,
      syntax: SYNTAX,
      describe: async (table) => {
        const { oid, found } = await describe(client, table);
        lent.set(oid, table);
        return found;
      },
      text: (statement) => client.text(statement),
    });
    // Who attaches a partition waits for no reader.
    for (const [oid, table] of lent) await requireUnchanged(client, table, oid);
    return result;
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

async function describe(
  client: Client,
  name: TableName,
): Promise<{ readonly oid: string; readonly found: FoundTable }> {
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
  if (oid == null) throw new MissingTableError(`${name.schema}.${name.table}`, undefined, "compared");
  await requireUnchanged(client, name, oid);
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
  const columns = found.rows.map(([, column, typeName, type, modifier, notNull]) => ({
    name: column ?? "",
    typeName: typeName ?? "",
    type: comparedType(type ?? "", Number(modifier)),
    nullable: notNull !== "true",
  }));
  const uniqueKeys = [...Map.groupBy(unique.rows, ([index]) => index).values()].map((rows) =>
    rows.map(([, column]) => column ?? ""),
  );
  return { oid, found: { columns, uniqueKeys } };
}

/** Tables that a table or view is made of, and what it reads: one row for each. */
const PARTS = `
  WITH RECURSIVE edges (whole, part) AS (
    SELECT inhparent, inhrelid FROM pg_catalog.pg_inherits
    UNION ALL SELECT r.ev_class, d.refobjid FROM pg_catalog.pg_rewrite AS r
    JOIN pg_catalog.pg_class AS v ON v.oid = r.ev_class AND v.relkind = 'v'
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
      AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> r.ev_class
  ), parts (oid) AS (
    SELECT CAST($1 AS oid) UNION SELECT part FROM edges JOIN parts ON whole = parts.oid
  )`;

/**
 * A snapshot holds rows, not names: a statement reads what has the name by then, whose rows may all be later than the
 * snapshot. So the name is kept from here on, for the table and what it reads, and must be the one of the snapshot.
 */
async function requireUnchanged(client: Client, { schema, table }: TableName, oid: string): Promise<void> {
  const name = `${quote(schema)}.${quote(table)}`;
  // Planned, and so locked with all of its parts until the end of the transaction; LOCK takes no materialised view.
  await client.run(`SELECT FROM ${name} LIMIT 0`);
  // The functions and casts tell what is there now, the tables what was there at the snapshot.
  const { rows } = await client.text({
    text: `${PARTS}
      SELECT CAST($1 AS oid) = CAST(CAST($2 AS regclass) AS oid) AND NOT EXISTS (
        SELECT FROM parts JOIN pg_catalog.pg_class AS c ON c.oid = parts.oid
        -- Also TRUNCATE, whose new file is empty for every snapshot.
        WHERE c.relkind IN ('r', 'm') AND c.relfilenode <> 0
          AND c.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(c.oid)
      ) AND NOT EXISTS (
        -- Rows of partitions that came are older than the snapshot, and were not the table's.
        SELECT FROM parts JOIN pg_catalog.pg_partitioned_table ON partrelid = parts.oid
        WHERE (SELECT array_agg(inhrelid ORDER BY inhrelid) FROM pg_catalog.pg_inherits
            WHERE inhparent = parts.oid AND NOT inhdetachpending)
          IS DISTINCT FROM (SELECT array_agg(CAST(relid AS oid) ORDER BY CAST(relid AS oid))
            FROM pg_catalog.pg_partition_tree(parts.oid) WHERE CAST(parentrelid AS oid) = parts.oid))`,
    parameters: [oid, name],
  });
  if (rows[0]?.[0] !== "true") throw new ChangedTableError(`${schema}.${table}`);
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
