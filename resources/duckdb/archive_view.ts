import type { ArchivedFile, ArchiveJob } from "../archive.ts";
import { ContractError, MissingTableError } from "../errors.ts";
import { literal, quote, tableName } from "../quote.ts";
import type { Statement } from "../render_sql.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { contractDifferences } from "./contract.ts";
import { rowHash } from "./dialect.ts";
import { columnTypeName } from "./type_names.ts";

/** What is needed to read a file. */
export type ReadFile = Pick<ArchivedFile, "to" | "name" | "columns" | "partition">;

/** Files that are opened together, or not at all where a query asks for another time. */
const FILES_TOGETHER = 100;

type Job = Pick<ArchiveJob, "source" | "target">;
type UriOf = (file: Pick<ArchivedFile, "to" | "name">) => string;

/** Rows, counted and hashed: sums of disjoint sets of rows add up. */
export interface CountedRows {
  readonly rowCount: bigint;
  readonly sum: bigint;
}

/** Refuses a table of which files would not hold all. @throws MissingTableError, ContractError */
export async function requireArchivable(client: Client, { source, target }: Job): Promise<void> {
  if (!(await isTable(client, source))) throw new MissingTableError(source.assetKey, {}, "archived");
  const differences = await contractDifferences(client, `SELECT * FROM ${tableName(source.assetKey)}`, source.columns);
  if (differences.length > 0)
    throw new ContractError(
      `${target.assetKey}: the table of ${source.assetKey} is not what its contract says, so files would not hold all of ` +
        `it: ${differences.join("; ")}. Nothing was archived; materialize ${source.assetKey} first`,
    );
}

/** Counts and hashes the rows of a relation, as every publish does. */
export async function countRows(
  client: Client,
  target: Pick<Target, "columns">,
  { text, parameters }: Statement,
): Promise<CountedRows> {
  const { rows } = await client.text({
    text: `SELECT count(*), COALESCE(sum(${rowHash(namesOf(target))}), 0) FROM ${text}`,
    parameters,
  });
  const [count, sum] = rows[0] ?? [];
  return { rowCount: BigInt(count ?? 0), sum: BigInt(sum ?? 0) };
}

/** The rows of the table and of the files. */
export function viewQuery(job: Job, cold: readonly ReadFile[], uriOf: UriOf): string {
  const hot = `SELECT ${namesOf(job.source)} FROM ${tableName(job.source.assetKey)}`;
  return cold.length === 0 ? hot : `${hot}\nUNION ALL\n${filesQuery(job, cold, uriOf)}`;
}

/**
 * The rows of files, as the contract has them today: those from before a column was added have NULL there.
 *
 * @throws ContractError where the columns changed otherwise
 */
export function filesQuery({ source, target }: Job, files: readonly ReadFile[], uriOf: UriOf): string {
  const changed = (difference: string): ContractError =>
    new ContractError(
      `${target.assetKey}: archived partitions of ${source.assetKey} have other columns than it has now: ${difference}. ` +
        "Restore them with the columns of before, and change the columns then; nothing was archived",
    );
  const groups = Map.groupBy(files, ({ columns }) => JSON.stringify(columns));
  return [...groups.values()]
    .flatMap((group) => {
      const known = new Map(group[0]?.columns.map(({ name, type }) => [name, type]));
      const list = source.columns.map(({ name, type, nullable }) => {
        const [wanted, found] = [columnTypeName(type), known.get(name)];
        known.delete(name);
        if (found === wanted) return `CAST(${quote(name)} AS ${wanted}) AS ${quote(name)}`;
        if (found === undefined && nullable) return `CAST(NULL AS ${wanted}) AS ${quote(name)}`;
        throw changed(`column ${JSON.stringify(name)} is ${found ?? "not there"}, the contract says ${wanted}`);
      });
      const [lost] = known.keys();
      if (lost !== undefined) throw changed(`column ${JSON.stringify(lost)} is not in the contract`);
      return chunksOf(group).map((some) => {
        const paths = some.map((file) => literal(uriOf(file))).join(", ");
        // The folder's name says the partition, which is no column.
        return `SELECT ${list.join(", ")} FROM read_parquet([${paths}], hive_partitioning = false) WHERE ${timeOf(source, some)}`;
      });
    })
    .join("\nUNION ALL\n");
}

function chunksOf(files: readonly ReadFile[]): (readonly ReadFile[])[] {
  const starts = Array.from({ length: Math.ceil(files.length / FILES_TOGETHER) }, (_, n) => n * FILES_TOGETHER);
  return starts.map((start) => files.slice(start, start + FILES_TOGETHER));
}

/** What holds for all rows of files. It lets the engine leave out files of another time without opening them. */
function timeOf({ columns }: Pick<Target, "columns">, files: readonly ReadFile[]): string {
  const column = files[0]?.partition.rows.column ?? "";
  const isDay = columns.some(({ name, type }) => name === column && type.kind === "date");
  // As the column's own type: a day would become an instant by the clock of whoever reads.
  const bound = (ms: number): string => {
    const iso = new Date(ms).toISOString();
    return isDay ? `DATE '${iso.slice(0, 10)}'` : `TIMESTAMPTZ '${iso}'`;
  };
  const rows = files.map(({ partition }) => partition.rows);
  const start = Math.min(...rows.map((one) => one.start.getTime()));
  const end = Math.max(...rows.map((one) => one.end.getTime()));
  return `${quote(column)} >= ${bound(start)} AND ${quote(column)} < ${bound(end)}`;
}

/** Makes the view, or makes it anew. Readers see the one or the other, as in every transaction. */
export async function makeView(client: Client, target: Target, query: string): Promise<void> {
  if (await isTable(client, target))
    throw new ContractError(
      `${target.assetKey} is a view over hot and cold rows, and the warehouse has a table of that name: drop it, or ` +
        "give the asset another name. Nothing was archived",
    );
  const view = tableName(target.assetKey);
  await client.run(`CREATE SCHEMA IF NOT EXISTS ${quote(target.schema)}`);
  await client.run(`CREATE OR REPLACE VIEW ${view} (${namesOf(target)}) AS ${query}`);
  await client.run(`COMMENT ON VIEW ${view} IS ${literal(target.description)}`);
  for (const { name, description } of target.columns) {
    if (description !== null) await client.run(`COMMENT ON COLUMN ${view}.${quote(name)} IS ${literal(description)}`);
  }
}

/** Whether there is a table, and no view, of the target's name. */
async function isTable(client: Client, { schema, table }: Pick<Target, "schema" | "table">): Promise<boolean> {
  const { rows } = await client.text({
    text: "SELECT 1 FROM duckdb_tables() WHERE schema_name = $1 AND table_name = $2 AND database_name = current_database()",
    parameters: [schema, table],
  });
  return rows.length > 0;
}

/** The columns, as a list in SQL. */
export function namesOf({ columns }: Pick<Target, "columns">): string {
  return columns.map(({ name }) => quote(name)).join(", ");
}
