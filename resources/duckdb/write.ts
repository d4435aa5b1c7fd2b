import { ContractError } from "../errors.ts";
import { insideAll, outsideError } from "../partition_set.ts";
import type { Parameter, Statement } from "../render_sql.ts";
import type { PartitionSet, Target } from "../store.ts";
import { requireNotArchived } from "./archive_files.ts";
import type { Client } from "./client.ts";
import { columnDefinitions } from "./contract.ts";
import { literal, quote, tableName } from "../quote.ts";
import { columnTypeName } from "./type_names.ts";

/** Whether a publish writes into the table that is there, so that staged rows are copied once more. */
export async function keepsTable(client: Client, target: Target): Promise<boolean> {
  return target.strategy.kind !== "replace" && (await exists(client, target));
}

/**
 * Makes the staged rows the table's, as the target's strategy says; inside a transaction.
 *
 * @param stage The staging table: in the schema of the table, to be that, unless {@link keepsTable}.
 */
export async function writeStaged(client: Client, target: Target, stage: string): Promise<void> {
  const name = tableName(target.assetKey);
  const { strategy } = target;
  // Here, where nobody can archive them any more until the rows are there.
  await requireNotArchived(client, target);
  if (strategy.kind === "replacePartitions") await requireInside(client, target, stage, strategy.partitions);
  if (strategy.kind === "merge") await requireUnique(client, target, stage, strategy.key);
  if (!(await keepsTable(client, target))) {
    await replace(client, target, stage, name);
    return;
  }
  await addColumns(client, target, name);
  const columns = target.columns.map((column) => quote(column.name)).join(", ");
  const insert = `INSERT INTO ${name} (${columns}) SELECT ${columns} FROM ${stage}`;
  // Loads the indexes: DuckDB 1.5.5 does not take rows out of a unique index that it has not read yet since it opened the
  // file, and then refuses the same keys as doubled.
  await client.run(`${insert} WHERE false`);
  if (strategy.kind === "replacePartitions") {
    const { text, parameters } = inside(strategy.partitions);
    await client.run({ text: `DELETE FROM ${name} WHERE ${text}`, parameters });
  } else if (strategy.kind === "merge") {
    const same = strategy.key.map((column) => `${name}.${quote(column)} IS NOT DISTINCT FROM staged.${quote(column)}`);
    await client.run(`DELETE FROM ${name} USING ${stage} AS staged WHERE ${same.join(" AND ")}`);
  }
  await client.run(insert);
  await comment(client, target, name, new Map());
}

/**
 * The staging table takes the table's name; indexes and what people wrote on its columns come along. Where people have put
 * constraints or defaults on it, the rows go into a new table that is made with them: DuckDB adds most of them to no table.
 */
async function replace(client: Client, target: Target, stage: string, name: string): Promise<void> {
  const { indexes, constraints, comments, defaults } = await additions(client, target);
  await client.run(`DROP TABLE IF EXISTS ${name}`);
  if (defaults.size === 0 && constraints.length === 0) {
    await client.run(`ALTER TABLE ${stage} RENAME TO ${quote(target.table)}`);
  } else {
    const definitions = target.columns.map((column) => {
      const value = defaults.get(column.name);
      return `${columnDefinitions({ columns: [column] })}${value === undefined ? "" : ` DEFAULT (${value})`}`;
    });
    const columns = target.columns.map((column) => quote(column.name)).join(", ");
    await client.run(`CREATE TABLE ${name} (${[...definitions, ...constraints].join(", ")})`);
    await client.run(`INSERT INTO ${name} (${columns}) SELECT ${columns} FROM ${stage}`);
    await client.run(`DROP TABLE ${stage}`);
  }
  for (const sql of indexes) await client.run(sql);
  await comment(client, target, name, comments);
}

/** What people have put on a table. */
interface Additions {
  /** Statements that make its indexes, with their comments. */
  readonly indexes: readonly string[];
  /** As CREATE TABLE takes them, without those of the contract. */
  readonly constraints: readonly string[];
  /** By column. */
  readonly comments: ReadonlyMap<string, string>;
  /** Expressions by column. */
  readonly defaults: ReadonlyMap<string, string>;
}

async function additions(client: Client, { schema, table, columns }: Target): Promise<Additions> {
  const ofTable = async (values: string, view: string): Promise<string[][]> => {
    const { rows } = await client.text({
      text: `SELECT ${values} FROM ${view}() WHERE schema_name = $1 AND table_name = $2 AND database_name = current_database()`,
      parameters: [schema, table],
    });
    return rows.map((row) => row.map((value) => value ?? ""));
  };
  const byColumn = async (value: string): Promise<Map<string, string>> => {
    const names = new Set(columns.map((column) => column.name));
    const rows = await ofTable(`column_name, ${value}`, "duckdb_columns");
    return new Map(
      rows.flatMap(([name = "", text = ""]) => (text !== "" && names.has(name) ? [[name, text] as const] : [])),
    );
  };
  const indexes = await ofTable("index_name, sql, comment", "duckdb_indexes");
  const constraints = await ofTable(
    "constraint_type, constraint_text, to_json(constraint_column_names), referenced_table, to_json(referenced_column_names)",
    "duckdb_constraints",
  );
  return {
    indexes: indexes.flatMap(([name = "", sql = "", text = ""]) =>
      text === "" ? [sql] : [sql, `COMMENT ON INDEX ${quote(schema)}.${quote(name)} IS ${literal(text)}`],
    ),
    constraints: constraints.flatMap(([kind, text = "", own = "", other = "", others = ""]) => {
      if (kind === "NOT NULL") return [];
      if (kind !== "FOREIGN KEY") return [text];
      // DuckDB 1.5.5 writes the name of the other table, always one of this schema, without quotes.
      return [`FOREIGN KEY (${listed(own)}) REFERENCES ${quote(schema)}.${quote(other)} (${listed(others)})`];
    }),
    comments: await byColumn("comment"),
    defaults: await byColumn("column_default"),
  };
}

/** Quoted names, from a list of them as JSON. */
function listed(names: string): string {
  return (JSON.parse(names) as string[]).map(quote).join(", ");
}

/** The descriptions, where every other client of the warehouse sees them; where there is none, what people wrote. */
async function comment(
  client: Client,
  target: Target,
  name: string,
  earlier: ReadonlyMap<string, string>,
): Promise<void> {
  await client.run(`COMMENT ON TABLE ${name} IS ${literal(target.description)}`);
  for (const column of target.columns) {
    const text = column.description ?? earlier.get(column.name);
    if (text === undefined) continue;
    await client.run(`COMMENT ON COLUMN ${name}.${quote(column.name)} IS ${literal(text)}`);
  }
}

async function exists(client: Client, { schema, table }: Target): Promise<boolean> {
  const { rows } = await client.text({
    text: "SELECT 1 FROM duckdb_tables() WHERE schema_name = $1 AND table_name = $2 AND database_name = current_database()",
    parameters: [schema, table],
  });
  return rows.length > 0;
}

/** The condition that holds for the rows of the partitions. */
function inside(partitions: PartitionSet): Statement {
  const parameters: Parameter[] = [];
  const bind = (value: Parameter): string => `$${parameters.push(value)}`;
  const text = insideAll(partitions, (one) => {
    const column = quote(one.column);
    if (one.kind === "window") return `${column} >= ${bind(one.start)} AND ${column} < ${bind(one.end)}`;
    return one.keys.length === 0 ? "false" : `CAST(${column} AS VARCHAR) IN (${one.keys.map(bind).join(", ")})`;
  });
  return { text, parameters };
}

async function requireInside(client: Client, target: Target, stage: string, partitions: PartitionSet): Promise<void> {
  const { text, parameters } = inside(partitions);
  const { rows } = await client.text({
    text: `SELECT count(*) FROM ${stage} WHERE (${text}) IS NOT TRUE`,
    parameters,
  });
  if (rows[0]?.[0] === "0") return;
  throw outsideError(target.assetKey, partitions, rows[0]?.[0] ?? "");
}

async function requireUnique(client: Client, target: Target, stage: string, key: readonly string[]): Promise<void> {
  const columns = key.map(quote).join(", ");
  const { rows } = await client.text(
    `SELECT count(*) FROM (SELECT 1 FROM ${stage} GROUP BY ${columns} HAVING count(*) > 1) AS twice`,
  );
  if (rows[0]?.[0] === "0") return;
  throw new ContractError(
    `${target.assetKey}: ${rows[0]?.[0] ?? ""} keys (${key.join(", ")}) are there more than once, so it is not known which row to merge; nothing was published`,
  );
}

/** Brings the table's columns up to the contract: new nullable ones are added, anything else is refused. */
async function addColumns(client: Client, target: Target, name: string): Promise<void> {
  const { rows } = await client.text({
    text: "SELECT column_name, data_type, is_nullable FROM duckdb_columns() WHERE schema_name = $1 AND table_name = $2 AND database_name = current_database()",
    parameters: [target.schema, target.table],
  });
  const actual = new Map(rows.map(([column, type, nullable]) => [column, { type, nullable: nullable === "true" }]));
  const differences: string[] = [];
  for (const column of target.columns) {
    const found = actual.get(column.name);
    const type = columnTypeName(column.type);
    if (found === undefined) {
      if (column.nullable) await client.run(`ALTER TABLE ${name} ADD COLUMN ${quote(column.name)} ${type}`);
      else differences.push(`column ${JSON.stringify(column.name)} is new and not nullable`);
    } else if (found.type !== type) {
      differences.push(`column ${JSON.stringify(column.name)} is ${found.type ?? ""}, the contract says ${type}`);
    } else if (column.nullable && !found.nullable) {
      await client.run(`ALTER TABLE ${name} ALTER COLUMN ${quote(column.name)} DROP NOT NULL`);
    } else if (!column.nullable && found.nullable) {
      differences.push(`column ${JSON.stringify(column.name)} holds NULLs, the contract allows none`);
    }
    actual.delete(column.name);
  }
  for (const column of actual.keys()) differences.push(`column ${JSON.stringify(column)} is not in the contract`);
  if (differences.length === 0) return;
  throw new ContractError(
    `${target.assetKey} keeps its table, which is not what the contract says: ${differences.join("; ")}. Nothing was published`,
  );
}
