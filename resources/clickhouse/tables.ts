import { ContractError } from "../errors.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { columnDefinitions } from "./contract.ts";
import { EXCEPTION, ClickHouseStatementError, UnappliedUpdatesError } from "./errors.ts";
import { type EngineClauses, engineSql, indexDefinitions, layoutChange, newClauses, parseEngine } from "./layout.ts";
import { sameColumns, type Table } from "./place.ts";
import { uuidOf } from "./names.ts";
import { literal, NAME, OWN_DATABASE, ownTable, quote, tableName } from "./quote.ts";
import { hasFixedPath } from "./replicated_engine.ts";
import { fullTypeName } from "./type_names.ts";

const PARTITIONS_PER_STATEMENT = 100;

/** ` ON CLUSTER …` where one is configured. */
export function onCluster({ config }: Pick<Client, "config">): string {
  return config.cluster === null ? "" : ` ON CLUSTER ${quote(config.cluster)}`;
}

/** What a statement makes: a table or view of the runtime's own, on all nodes. */
export function newOwn(client: Client, name: string): string {
  return `${ownTable(name)} UUID ${literal(uuidOf(name))}${onCluster(client)}`;
}

/** Makes a table of the runtime's own from a contract, laid out as the asset declares. */
export async function createFromContract(
  client: Client,
  name: string,
  target: Target,
  clauses: EngineClauses = newClauses(target, client.config.engine),
): Promise<void> {
  const parts = [columnDefinitions(target.columns, target.storage.clickhouse?.codecs), ...indexDefinitions(target)];
  await client.run(
    `CREATE TABLE ${newOwn(client, name)} (${parts.join(", ")}) ` +
      `ENGINE = ${engineSql(clauses)} COMMENT ${literal(target.description)}`,
  );
}

/** Makes a table of the runtime's own for rows that are written into another one afterwards: as cheap as can be. */
export async function createPlain(client: Client, name: string, target: Target): Promise<void> {
  await client.run(
    `CREATE TABLE ${newOwn(client, name)} (${columnDefinitions(target.columns)}) ` +
      `ENGINE = ${client.config.engine} ORDER BY tuple()`,
  );
}

/**
 * Makes an empty table with the contract's columns and all that hangs on the present table: order, partitions, TTL,
 * settings, indexes, projections, constraints, comments, and of the columns that remain codecs, defaults, TTLs, statistics
 * and settings; what the asset declares takes the place of what it has. What needs a column that is gone is left out, and said.
 */
export async function createLike(
  client: Client,
  name: string,
  present: Table,
  target: Target,
  log: (message: string) => void,
): Promise<void> {
  const table = ownTable(name);
  const { clauses, actions, differences } = await layoutChange(client, present.layout, target);
  if (differences.length > 0) log(`${target.assetKey} is laid out anew: ${differences.join("; ")}`);
  if (sameColumns(present.columns, target.columns)) {
    await createAs(client, name, target, clauses ?? ownPathClauses(present));
    if (actions.length > 0) await client.run(`ALTER TABLE ${table}${onCluster(client)} ${actions.join(", ")}`);
  } else {
    const kept = clauses ?? present.layout.clauses;
    try {
      await createFromContract(client, name, target, kept);
    } catch (error) {
      if (!(error instanceof ClickHouseStatementError) || error.retryable) throw error;
      log(`The new columns do not go with ${engineSql(kept)}: the table is made anew (${error.message})`);
      await createFromContract(client, name, target);
    }
    await carry(client, table, present, target, log);
  }
  await commentColumns(client, table, present, target);
}

/** Adds to a table made from the contract what people added to the present one. */
async function carry(
  client: Client,
  table: string,
  present: Table,
  target: Target,
  log: (message: string) => void,
): Promise<void> {
  const { indexes = [], codecs = {} } = target.storage.clickhouse ?? {};
  const columns = new Set(target.columns.map(({ name }) => name));
  for (const { kind, name, sql } of present.attachments) {
    const isOfColumn = kind !== "index" && kind !== "projection" && kind !== "constraint";
    const isDeclared =
      (kind === "index" && indexes.some((index) => index.name === name)) ||
      (kind === "codec" && codecs[name] !== undefined);
    if (isDeclared || (isOfColumn && !columns.has(name))) continue;
    // Rows bring the values of all columns, which such a column would refuse.
    if (kind === "value" && !sql.startsWith(`MODIFY COLUMN ${quote(name)} DEFAULT `)) {
      log(`Not kept, since the rows have values of their own: ${sql}`);
      continue;
    }
    try {
      // Added to a table that lacks its columns, it would be taken, and fail each insert.
      if (kind === "constraint") await client.run(constraintProof(table, sql));
      await client.run(`ALTER TABLE ${table}${onCluster(client)} ${sql}`);
    } catch (error) {
      if (!(error instanceof ClickHouseStatementError) || error.retryable) throw error;
      log(`Not kept, since it does not go with the new columns: ${sql}`);
    }
  }
}

/** Fails where the columns of a constraint are not there. */
function constraintProof(table: string, sql: string): string {
  const expression = sql.replace(new RegExp(`^ADD CONSTRAINT (?:${NAME}) (?:CHECK|ASSUME) `), "");
  return `SELECT ${expression}\n FROM ${table} LIMIT 0`;
}

/** Makes an empty table exactly like the present one, so that partitions can go from one to the other. */
export async function createTwin(client: Client, name: string, present: Table, target: Target): Promise<void> {
  await createAs(client, name, target, ownPathClauses(present));
}

/** @param clauses `undefined`: those of the present table */
async function createAs(
  client: Client,
  name: string,
  target: Target,
  clauses: EngineClauses | undefined,
): Promise<void> {
  await client.run(
    `CREATE TABLE ${newOwn(client, name)} AS ${tableName(target.assetKey)} ` +
      `${clauses === undefined ? "" : `ENGINE = ${engineSql(clauses)} `}COMMENT ${literal(target.description)}`,
  );
}

/** What is to be said of the engine where the present table's path is its own. */
function ownPathClauses({ engine, layout }: Table): EngineClauses | undefined {
  return hasFixedPath(parseEngine(engine).engine) ? layout.clauses : undefined;
}

/** Says how the table is laid out otherwise than its asset declares, when a publish keeps it. */
export async function sayDifferences(
  client: Client,
  present: Table,
  target: Target,
  log: (message: string) => void,
): Promise<void> {
  const { differences } = await layoutChange(client, present.layout, target);
  if (differences.length === 0) return;
  log(`${target.assetKey} keeps its layout until a publish replaces the table: ${differences.join("; ")}`);
}

/** The descriptions, where every client sees them; where there is none, what people wrote. */
async function commentColumns(client: Client, table: string, present: Table, target: Target): Promise<void> {
  const earlier = new Map(present.columns.map(({ name, comment }) => [name, comment]));
  const same = sameColumns(present.columns, target.columns);
  const comments = target.columns.flatMap(({ name, description }) => {
    const before = earlier.get(name) ?? "";
    // Made from the contract, the table has its descriptions; made like the present one, that one's comments.
    const has = same ? before : (description ?? "");
    const wanted = description ?? before;
    return wanted === has ? [] : [`COMMENT COLUMN ${quote(name)} ${literal(wanted)}`];
  });
  if (comments.length > 0) await client.run(`ALTER TABLE ${table}${onCluster(client)} ${comments.join(", ")}`);
}

/** The identifiers of a table's partitions; lightweight updates are kept in others, whose patches go by names of parts. */
export async function partitionsOf(client: Client, database: string, name: string): Promise<string[]> {
  const { rows } = await client.text({
    text: "SELECT DISTINCT partition_id FROM system.parts WHERE active AND NOT startsWith(partition_id, 'patch-') AND database = {p1:String} AND table = {p2:String} ORDER BY 1",
    parameters: [database, name],
  });
  return rows.map(([partition]) => partition ?? "");
}

/**
 * Links partitions of a table into one of the runtime's own that is exactly like it.
 *
 * @throws UnappliedUpdatesError
 */
export async function attach(client: Client, name: string, from: string, partitions: readonly string[]): Promise<void> {
  for (let start = 0; start < partitions.length; start += PARTITIONS_PER_STATEMENT) {
    const some = partitions.slice(start, start + PARTITIONS_PER_STATEMENT);
    const actions = some.map((partition) => `ATTACH PARTITION ID ${literal(partition)} FROM ${from}`);
    try {
      await client.run(`ALTER TABLE ${ownTable(name)} ${actions.join(", ")}`);
    } catch (error) {
      throw isUnapplied(error) ? new UnappliedUpdatesError(from, error) : error;
    }
  }
}

function isUnapplied(error: unknown): error is ClickHouseStatementError {
  if (!(error instanceof ClickHouseStatementError)) return false;
  return error.exceptionCode === EXCEPTION.SUPPORT_IS_DISABLED && error.message.includes("patch part");
}

/** Adds the contract's new nullable columns to a copy of the present table, and comments its columns. */
export async function bringUpToContract(client: Client, name: string, present: Table, target: Target): Promise<void> {
  const changes = changesToContract(present, target);
  if (changes.length > 0) await client.run(`ALTER TABLE ${ownTable(name)}${onCluster(client)} ${changes.join(", ")}`);
}

/**
 * What ALTER TABLE has to do so that the present table is what the contract says.
 *
 * @throws ContractError when it is more than new nullable columns and comments
 */
export function changesToContract(present: Table, target: Target): string[] {
  const actual = new Map(present.columns.map((column) => [column.name, column]));
  const changes: string[] = [];
  const differences: string[] = [];
  for (const column of target.columns) {
    const found = actual.get(column.name);
    const type = fullTypeName(column);
    const described = column.description === null ? "" : ` COMMENT ${literal(column.description)}`;
    if (found === undefined) {
      if (column.nullable) changes.push(`ADD COLUMN ${quote(column.name)} ${type}${described}`);
      else differences.push(`column ${JSON.stringify(column.name)} is new and not nullable`);
    } else if (`Nullable(${found.type})` === type) {
      changes.push(`MODIFY COLUMN ${quote(column.name)} ${type}${described}`);
    } else if (found.type !== type) {
      differences.push(`column ${JSON.stringify(column.name)} is ${found.type}, the contract says ${type}`);
    } else if (column.description !== null && column.description !== found.comment) {
      changes.push(`COMMENT COLUMN ${quote(column.name)} ${literal(column.description)}`);
    }
    actual.delete(column.name);
  }
  for (const column of actual.keys()) differences.push(`column ${JSON.stringify(column)} is not in the contract`);
  if (differences.length > 0) {
    throw new ContractError(
      `${target.assetKey} keeps its table, which is not what the contract says: ${differences.join("; ")}. Nothing was published`,
    );
  }
  return changes;
}

/** Drops one of the runtime's own tables; a reader that is still at it reads to its end. */
export async function dropOwn(client: Client, name: string): Promise<void> {
  await client.run(`DROP TABLE IF EXISTS ${ownTable(name)}${onCluster(client)}`);
}

/** The names of the runtime's own tables. */
export async function listOwn(client: Client): Promise<string[]> {
  const { rows } = await client.text({
    text: "SELECT name FROM system.tables WHERE database = {p1:String}",
    parameters: [OWN_DATABASE],
  });
  return rows.map(([name]) => name ?? "");
}
