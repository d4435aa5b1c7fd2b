import type { PartitionSet, Target } from "../store.ts";
import type { Client } from "./client.ts";
import { columnNames } from "./contract.ts";
import { requireAllSeen } from "./hidden_rows.ts";
import type { Table } from "./place.ts";
import { literal, OWN_DATABASE, ownTable, tableName } from "./quote.ts";
import type { Stage } from "./staging.ts";
import { attach, createTwin, partitionsOf } from "./tables.ts";
import { constantInside } from "./write.ts";

/**
 * Makes a table that holds all rows which the table's own partitions are to have, for each of them that the run touches:
 * the staged rows, and those of the present table that lie in the same partition but outside of the run's. Nobody reads
 * it yet.
 *
 * @returns the identifiers of the partitions, also of those that are to be empty
 * @throws HiddenRowsError
 */
export async function buildPartitions(
  client: Client,
  name: string,
  present: Table,
  target: Target,
  stage: Stage,
  set: PartitionSet,
  isTwin: boolean,
): Promise<string[]> {
  const [from, table, columns] = [tableName(target.assetKey), ownTable(name), columnNames(target)];
  await createTwin(client, name, present, target);
  const staged = ownTable(stage.name);
  if (isTwin) await attach(client, name, staged, await partitionsOf(client, OWN_DATABASE, stage.name));
  else await client.run(`INSERT INTO ${table} (${columns}) SELECT ${columns} FROM ${staged}`);

  const inside = constantInside(set, target);
  const [{ rows }] = await Promise.all([
    client.text(`SELECT DISTINCT _partition_id FROM ${from} WHERE ${inside}`),
    requireAllSeen(client, target.assetKey, "a publish of its partitions would delete them"),
  ]);
  const touched = new Set([
    ...(await partitionsOf(client, OWN_DATABASE, name)),
    ...rows.map(([partition]) => partition ?? ""),
  ]);
  if (touched.size > 0) {
    const list = [...touched].map(literal).join(", ");
    await client.run(
      `INSERT INTO ${table} (${columns}) SELECT ${columns} FROM ${from} WHERE _partition_id IN (${list}) AND NOT ${inside}`,
    );
  }
  return [...touched];
}

/** Links all other partitions of the present table, so that the table that was built can take its place. */
export async function attachOthers(
  client: Client,
  name: string,
  target: Target,
  touched: readonly string[],
): Promise<void> {
  const all = await partitionsOf(client, target.schema, target.table);
  const others = all.filter((partition) => !touched.includes(partition));
  await attach(client, name, tableName(target.assetKey), others);
}

/**
 * Replaces partitions in the table that people read, one after the other; readers see each of them whole. Every statement
 * names the table that was built: when it is gone, a late statement of a dead process fails.
 *
 * @param requireHeld Is asked before each: whether the lock is held, and the table still the one that was built for.
 */
export async function replaceInPlace(
  client: Client,
  name: string,
  target: Target,
  touched: readonly string[],
  requireHeld: () => Promise<void>,
): Promise<void> {
  const full = new Set(await partitionsOf(client, OWN_DATABASE, name));
  const isEmptyAllowed = touched.every((partition) => full.has(partition)) || (await mayBeEmpty(client));
  for (const partition of touched) {
    const settings = isEmptyAllowed && !full.has(partition) ? " SETTINGS allow_replace_partition_from_empty_source = 1" : ""; // prettier-ignore
    await requireHeld();
    await client.run(
      `ALTER TABLE ${tableName(target.assetKey)} REPLACE PARTITION ID ${literal(partition)} FROM ${ownTable(name)}${settings}`,
    );
  }
}

/** Servers that have the setting refuse to empty a partition without it; older ones just do. */
async function mayBeEmpty(client: Client): Promise<boolean> {
  const { rows } = await client.text(
    "SELECT count() FROM system.settings WHERE name = 'allow_replace_partition_from_empty_source'",
  );
  return rows[0]?.[0] !== "0";
}
