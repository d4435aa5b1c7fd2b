import { ContractError } from "../errors.ts";
import { insideAll, outsideError } from "../partition_set.ts";
import type { Parameter } from "../render_sql.ts";
import type { PartitionSet, Target } from "../store.ts";
import { CLICKHOUSE_CHECKS } from "./checks.ts";
import type { Client } from "./client.ts";
import { columnNames } from "./contract.ts";
import { type Bind, bound } from "./dialect.ts";
import { hangsTheSame, type Table } from "./place.ts";
import { literal, OWN_DATABASE, ownTable, quote, tableName } from "./quote.ts";
import type { Stage } from "./staging.ts";
import { attach, bringUpToContract, createLike, createTwin, onCluster, partitionsOf } from "./tables.ts";
import { columnTypeName } from "./type_names.ts";

/** Refuses staged rows that the strategy cannot write. */
export async function requireWritable(client: Client, target: Target, stage: string): Promise<void> {
  const { strategy } = target;
  if (strategy.kind === "replacePartitions") await requireInside(client, target, stage, strategy.partitions);
  if (strategy.kind === "merge") await requireUnique(client, target, stage, strategy.key);
}

/**
 * Makes the table that is to take the place of the present one: for `replace` the staged rows in a table like the
 * present one, else a copy of the present one with the staged rows written into it. Nobody reads it yet. Rows whose
 * layout is the same are linked, and not written again.
 */
export async function build(
  client: Client,
  name: string,
  target: Target,
  present: Table,
  { name: stage, like }: Stage,
  log: (message: string) => void,
): Promise<void> {
  const [table, staged, columns] = [ownTable(name), ownTable(stage), columnNames(target)];
  const insertStaged = (): Promise<void> =>
    client.run(`INSERT INTO ${table} (${columns}) SELECT ${columns} FROM ${staged}`);
  const { strategy } = target;
  if (strategy.kind === "replace") {
    await createLike(client, name, present, target, log);
    await insertStaged();
    return;
  }
  const isLinked = like !== undefined && hangsTheSame(like, present);
  const [kept, linked] = await Promise.all([
    partitionsOf(client, target.schema, target.table),
    isLinked ? partitionsOf(client, OWN_DATABASE, stage) : [],
    createTwin(client, name, present, target),
  ]);
  await attach(client, name, tableName(target.assetKey), kept);
  await bringUpToContract(client, name, present, target);
  if (strategy.kind === "replacePartitions")
    await client.run(
      `ALTER TABLE ${table}${onCluster(client)} DELETE WHERE ${constantInside(strategy.partitions, target)}`,
    );
  if (strategy.kind === "merge") await client.run(deleteMerged(client, table, target, strategy.key, stage));
  if (isLinked) await attach(client, name, staged, linked);
  else await insertStaged();
}

/**
 * Puts a table in the asset's place, in one step for readers. What hangs on the name stays: views, grants, row policies,
 * and materialized views, which go on to be fed.
 */
export async function putInPlace(client: Client, name: string, target: Target, isPresent: boolean): Promise<void> {
  const [from, to] = [ownTable(name), tableName(target.assetKey)];
  await client.run(
    isPresent
      ? `EXCHANGE TABLES ${from} AND ${to}${onCluster(client)}`
      : `RENAME TABLE ${from} TO ${to}${onCluster(client)}`,
  );
}

/**
 * The condition that holds for the rows of the partitions, never NULL. A mutation runs later and elsewhere, so it holds the
 * values themselves.
 */
export function constantInside(partitions: PartitionSet, { columns }: Target): string {
  const literals = inside(partitions, columns, (value) =>
    value instanceof Date
      ? `fromUnixTimestamp64Milli(toInt64(${value.getTime()}), 'UTC')`
      : literal(value === null ? "" : String(value)),
  );
  return `ifNull(${literals}, false)`;
}

/** The condition that holds for the rows of the partitions. */
function inside(partitions: PartitionSet, columns: Target["columns"], write: (value: Parameter) => string): string {
  return insideAll(partitions, (one) => {
    const column = quote(one.column);
    if (one.kind === "keys")
      return one.keys.length === 0 ? "false" : `toString(${column}) IN (${one.keys.map(write).join(", ")})`;
    const isDay = columns.some(({ name, type }) => name === one.column && type.kind === "date");
    // A day is the instant at which it begins.
    const instant = isDay ? `toDateTime64(${column}, 3, 'UTC')` : column;
    return `${instant} >= ${write(one.start)} AND ${instant} < ${write(one.end)}`;
  });
}

/** A column of a key, such that equal values are grouped and found as one. */
function keyColumn({ columns }: Target, name: string): string {
  const column = columns.find((one) => one.name === name);
  return column === undefined ? quote(name) : CLICKHOUSE_CHECKS.compared(quote(name), column.type);
}

/** NULL in a key is a value as any other. */
function deleteMerged(client: Client, table: string, target: Target, key: readonly string[], stage: string): string {
  const parts = key.flatMap((name) => {
    const column = target.columns.find((one) => one.name === name);
    const value = keyColumn(target, name);
    if (column?.nullable !== true) return [value];
    return [
      `isNull(${quote(name)})`,
      `ifNull(${value}, defaultValueOfTypeName(${literal(columnTypeName(column.type))}))`,
    ];
  });
  return `ALTER TABLE ${table}${onCluster(client)} DELETE WHERE (${parts.join(", ")}) IN (SELECT ${parts.join(", ")} FROM ${ownTable(stage)})`;
}

async function requireInside(client: Client, target: Target, stage: string, partitions: PartitionSet): Promise<void> {
  const { rows } = await client.text(
    bound((bind: Bind) => {
      const condition = inside(partitions, target.columns, bind);
      return `SELECT count() FROM ${ownTable(stage)} WHERE NOT ifNull(${condition}, false)`;
    }),
  );
  if (rows[0]?.[0] === "0") return;
  throw outsideError(target.assetKey, partitions, rows[0]?.[0] ?? "");
}

async function requireUnique(client: Client, target: Target, stage: string, key: readonly string[]): Promise<void> {
  const columns = key.map((name) => keyColumn(target, name)).join(", ");
  const { rows } = await client.text(
    `SELECT count() FROM (SELECT 1 FROM ${ownTable(stage)} GROUP BY ${columns} HAVING count() > 1) AS twice`,
  );
  if (rows[0]?.[0] === "0") return;
  throw new ContractError(
    `${target.assetKey}: ${rows[0]?.[0] ?? ""} keys (${key.join(", ")}) are there more than once, so it is not known which row to merge; nothing was published`,
  );
}
