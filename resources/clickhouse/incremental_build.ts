import { createHash } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import type { Sql, SqlValue } from "../../definitions/sql.ts";
import { ContractError } from "../errors.ts";
import { renderSql } from "../render_sql.ts";
import type { Attempt, Target } from "../store.ts";
import type { Client } from "./client.ts";
import { literalDialect } from "./dialect.ts";
import { BusySourceError, EXCEPTION, ClickHouseStatementError } from "./errors.ts";
import { requireAllSeen } from "./hidden_rows.ts";
import { changeOf, lookAtInner, type Origin, sourceOf, sourcesOf } from "./incremental_origin.ts";
import { type IncrementalShape, incrementalShape } from "./incremental_shape.ts";
import { type Inserted, lookAtInserts, mayReach, type PartitionBlocks } from "./inserts.ts";
import { ownName, siblingOf } from "./names.ts";
import { literal, ownTable, tableName } from "./quote.ts";
import { replicatedOf, syncReplicas } from "./replicas.ts";
import { viewSettings } from "./refreshable_view.ts";
import { dropOwn, onCluster } from "./tables.ts";

const QUIET_POLL_MS = 10;
const LONGEST_WAIT_MS = 200;
const MESSAGE_EVERY_MS = 10_000;

/** The table that holds the rows of an incremental view. */
export interface Inner {
  readonly name: string;
  readonly isNew: boolean;
  readonly shape: IncrementalShape;
  readonly statement: string;
}

/**
 * What has just happened to an inner table that is being made; it is waited for.
 *
 * - `quiet`: no insert was running, and the blocks are known; the feed is not there yet
 * - `cut`: no insert came in between; the rows up to the cut are copied next
 * - `copied`: they are copied
 */
export type Step = "quiet" | "cut" | "copied";
type OnStep = (step: Step) => Promise<void>;

/**
 * The inner table of an incremental view: the one in use when its query is the same and reads the same tables, else a new
 * one with all rows that the source has.
 *
 * @param live The inner table in use.
 * @param onStep For what has to come in at a certain moment, such as in tests.
 * @throws BusySourceError, ContractError
 */
export async function getInner(
  client: Client,
  target: Target,
  sql: Sql,
  attempt: Attempt,
  live: string | undefined,
  onStep: OnStep = () => Promise.resolve(),
): Promise<Inner> {
  const statement = renderSql(sql, literalDialect({ self: null, window: null }));
  const shape = await incrementalShape(client, statement, target);
  const refs = [...new Set(tablesOf(sql))];
  const definition = createHash("sha256")
    .update(JSON.stringify([statement.text, shape, client.config.engine]))
    .digest("hex")
    .slice(0, 32);
  const result = { shape, statement: statement.text };
  if (live !== undefined) {
    const { origin, feed } = await lookAtInner(client, live);
    const reason = changeOf(origin, { definition, feed, sources: await sourcesOf(client, refs) });
    if (reason === undefined) return { ...result, name: live, isNew: false };
    attempt.log(`The view is made anew: ${reason}`);
  }
  const render = (cut: { key: string; name: string }): string =>
    renderSql(sql, {
      ...literalDialect({ self: null, window: null }),
      table: (key) => (key === cut.key ? ownTable(cut.name) : tableName(key)),
    }).text;
  const name = await make(client, target, attempt, { definition, refs, shape, text: statement.text, render, onStep });
  return { ...result, name, isNew: true };
}

interface Plan {
  readonly definition: string;
  readonly refs: readonly string[];
  readonly shape: IncrementalShape;
  /** The query. */
  readonly text: string;
  /** The query over the cut in the place of the source. */
  readonly render: (cut: { key: string; name: string }) => string;
  readonly onStep: OnStep;
}

/**
 * Makes a new inner table, feeds it from now on, and adds the rows that were there before. Each row of the source comes
 * into it exactly once, while others go on inserting: see docs/adr/0012-clickhouse-incremental-cut.md.
 */
async function make(client: Client, target: Target, attempt: Attempt, plan: Plan): Promise<string> {
  const start = performance.now();
  let nextMessage = MESSAGE_EVERY_MS;
  for (let tries = 1; ; tries += 1) {
    attempt.signal.throwIfAborted();
    const name = ownName("inner", target.assetKey, attempt.runId);
    const reason = await tryMake(client, target, attempt, plan, name, start + client.config.lockTimeoutMs);
    if (reason === undefined) return name;
    const waited = performance.now() - start;
    if (waited >= client.config.lockTimeoutMs) {
      throw new BusySourceError(
        `${target.assetKey}: no moment was found in ${Math.round(waited / 1000)} s (CLICKHOUSE_LOCK_TIMEOUT_SECONDS) and ` +
          `${tries} tries at which nobody was inserting: ${reason}. Let the writers pause, or insert larger blocks less often`,
      );
    }
    if (waited >= nextMessage) {
      attempt.log(`Waiting for a moment without inserts: ${reason}`);
      nextMessage = waited + MESSAGE_EVERY_MS;
    }
    const waitMs = Math.min(2 * tries, LONGEST_WAIT_MS) * Math.random();
    await wait(waitMs, undefined, { signal: attempt.signal }).catch((aborted: unknown) => {
      attempt.signal.throwIfAborted();
      throw aborted;
    });
  }
}

/** @returns why it has to be tried again; `undefined`: the inner table is complete, and fed */
async function tryMake(
  client: Client,
  target: Target,
  attempt: Attempt,
  { definition, refs, shape, text, render, onStep }: Plan,
  inner: string,
  until: number,
): Promise<string | undefined> {
  const [feed, cut] = [siblingOf(inner, "feed"), siblingOf(inner, "cut")];
  const giveUp = async (): Promise<void> => {
    // In this order: an insert into the source fails when its feed has no table.
    for (const name of [cut, feed, inner]) await dropOwn(client.unending(), name);
  };
  try {
    const replicated = await replicatedOf(client, refs, target.assetKey);
    const sources = await sourcesOf(client, refs);
    const engine = client.config.engine.replace("MergeTree", shape.engine);
    const nullable = shape.isKeyNullable ? " SETTINGS allow_nullable_key = 1" : "";
    await client.run(
      `CREATE TABLE ${ownTable(inner)}${onCluster(client)} (${shape.definitions}) ENGINE = ${engine} ` +
        `ORDER BY ${shape.orderBy}${nullable}`,
    );
    // Between the two looks, nothing may have been inserted.
    await syncReplicas(client, replicated);
    const before = await untilQuiet(client, attempt, refs, until);
    if (before === undefined) {
      await giveUp();
      return "inserts were running all the time";
    }
    await onStep("quiet");
    await client.run(
      `CREATE MATERIALIZED VIEW ${ownTable(feed)}${onCluster(client)} TO ${ownTable(inner)} AS ` +
        `SELECT ${shape.fed} FROM (${text}\n) AS query SETTINGS ${viewSettings(client, target.assetKey)}`,
    );
    // What began on another replica before the feed was there has ended, and only then its blocks are here, too.
    const elsewhere = replicated.length === 0 ? [] : (await lookAtInserts(client, refs)).running;
    await syncReplicas(client, replicated);
    const after = await lookAtInserts(client, refs);
    const source = await sourceOf(client, refs, feed);
    if (source === undefined) {
      throw new ContractError(
        `${target.assetKey}: nothing feeds its view: the first table after FROM must be the table of an asset`,
      );
    }
    const blocks = before.get(source) ?? [];
    const isQuiet = JSON.stringify(blocks) === JSON.stringify(after.blocks.get(source) ?? []);
    if (!isQuiet || (await mayReach(client, [...elsewhere, ...after.running], [source]))) {
      await giveUp();
      return `${source} was being inserted into`;
    }
    await requireAllSeen(client, source, "the view would lack them, but have those that are inserted");
    const origin: Origin = { definition, feed: (await lookAtInner(client, inner)).feed, sources };
    await client.run(
      `ALTER TABLE ${ownTable(inner)}${onCluster(client)} MODIFY COMMENT ${literal(JSON.stringify(origin))}`,
    );
    await client.run(
      `CREATE VIEW ${ownTable(cut)}${onCluster(client)} AS SELECT * FROM ${tableName(source)} WHERE ${upTo(blocks)}`,
    );
    await onStep("cut");
    const fed = `SELECT ${shape.fed} FROM (${render({ key: source, name: cut })}\n) AS query`;
    try {
      await client.run(`INSERT INTO ${ownTable(inner)} ${fed}`);
    } catch (error) {
      if (
        !(error instanceof ClickHouseStatementError) ||
        error.exceptionCode !== EXCEPTION.FUNCTION_THROW_IF_VALUE_IS_NON_ZERO
      )
        throw error;
      if (!error.message.includes(MERGED)) throw error;
      await giveUp();
      return `parts of ${source} were merged`;
    }
    await dropOwn(client, cut);
    await onStep("copied");
    await syncReplicas(client, replicated);
    const isTheSame = JSON.stringify(await sourcesOf(client, refs)) === JSON.stringify(sources);
    if (isTheSame && hasAll(blocks, (await lookAtInserts(client, refs)).blocks.get(source) ?? [])) return undefined;
    await giveUp();
    return "the tables that it reads were published, or partitions of them replaced or dropped";
  } catch (error) {
    await giveUp().catch((fault: unknown) => {
      attempt.log(`What was made of the view could not be dropped; a later run will: ${String(fault)}`);
    });
    throw error;
  }
}

/** Whether all partitions begin with the blocks of before: one that was replaced or dropped meanwhile was not copied. */
function hasAll(before: readonly PartitionBlocks[], now: readonly PartitionBlocks[]): boolean {
  const firsts = new Map(now.map(([partition, , , first]) => [partition, first]));
  return before.every(([partition, , rows, first]) => rows === "0" || firsts.get(partition) === first);
}

const MERGED = "a part holds rows from before and after the cut";

/** The condition that holds for the rows in blocks up to those. A part that holds others, too, is an error. */
function upTo(blocks: readonly PartitionBlocks[]): string {
  const list = (values: readonly string[]): string => `[${values.join(", ")}]`;
  const last =
    blocks.length === 0
      ? "-1"
      : `transform(_partition_id, ${list(blocks.map(([id]) => literal(id)))}, ${list(blocks.map(([, block]) => `toInt64(${block})`))}, toInt64(-1))`;
  // The name of a part: partition_first_last_level, then the number of its mutation.
  const number = (place: number): string =>
    `toInt64(splitByChar('_', substring(_part, length(_partition_id) + 2))[${place}])`;
  const [first, end] = [number(1), number(2)];
  return `${end} <= ${last} OR throwIf(${first} <= ${last} AND ${end} > ${last}, ${literal(MERGED)}) = 1`;
}

/** The blocks of the tables at a moment at which nobody inserts into them; `undefined`: there was none in time. */
async function untilQuiet(
  client: Client,
  { signal }: Attempt,
  refs: readonly string[],
  until: number,
): Promise<Inserted["blocks"] | undefined> {
  for (;;) {
    const { blocks, running } = await lookAtInserts(client, refs);
    if (!(await mayReach(client, running, refs))) return blocks;
    if (performance.now() >= until) return undefined;
    await wait(QUIET_POLL_MS * Math.random(), undefined, { signal }).catch((aborted: unknown) => {
      signal.throwIfAborted();
      throw aborted;
    });
  }
}

/** Keys of the assets that a query names. */
export function tablesOf(sql: Sql): string[] {
  return sql.values.flatMap((value: SqlValue) => {
    if (value === null || typeof value !== "object" || value instanceof Date) return [];
    if (value.kind === "table") return [value.assetKey];
    return value.kind === "sql" ? tablesOf(value) : [];
  });
}
