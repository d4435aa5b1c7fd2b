import { rmSync } from "node:fs";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { onTestFinished } from "vitest";
import { parquet } from "../../../definitions/index.ts";
import type { Check } from "../../../definitions/check.ts";
import { type Column, readColumn } from "../../../definitions/column_type.ts";
import type { z } from "../../../definitions/index.ts";
import type { Sql } from "../../../definitions/sql.ts";
import { duckdbConfig } from "../../../resources/duckdb/config.ts";
import { DuckDBStore } from "../../../resources/duckdb/duckdb_store.ts";
import type { Attempt, CheckOutcome, LedgerEntry, Staged, StagedFacts, Target } from "../../../resources/store.ts";
import { attempt } from "../stores/attempt.ts";
import { quickFolder } from "../quick_folder.ts";

export { attempt } from "../stores/attempt.ts";

/** The rows of a table, as the engine writes them. */
export type TextRows = (string | null)[][];

/** A DuckDB file and its store, removed when the test ends. */
export class Warehouse {
  readonly dir: string;
  readonly path: string;
  readonly store: DuckDBStore;

  /** @param options.path Of the file, where it is to be elsewhere. */
  constructor(options: { readonly file?: string; readonly path?: string; readonly lockTimeoutMs?: number } = {}) {
    this.dir = quickFolder("warehouse-");
    this.path = options.path ?? join(this.dir, options.file ?? "warehouse.duckdb");
    this.store = this.another(options);
    onTestFinished(async () => {
      await this.store.close();
      rmSync(this.dir, { recursive: true, force: true });
    });
  }

  /** Another store on the same file, as another process has one. */
  another(options: { readonly lockTimeoutMs?: number } = {}): DuckDBStore {
    const { lockTimeoutMs = 60_000 } = options;
    return new DuckDBStore({ ...duckdbConfig(this.dir, { DUCKDB_PATH: this.path }), lockTimeoutMs }, this.dir);
  }

  async publishRows(target: Target, rows: readonly object[], change: Partial<Attempt> = {}): Promise<StagedFacts> {
    const given = attempt(change);
    const writer = await this.store.stageRows(target, given);
    await writer.append(rows as readonly Record<string, unknown>[]);
    return await publish(await writer.finish(), target, given);
  }

  async publishQuery(target: Target, sql: Sql, change: Partial<Attempt> = {}): Promise<StagedFacts> {
    const given = attempt(change);
    return await publish(await this.store.stageQuery(target, sql, null, given), target, given);
  }

  async publishCopy(
    target: Target,
    path: string,
    columns: Readonly<Record<string, string>> = {},
  ): Promise<StagedFacts> {
    const given = attempt();
    const staged = await this.store.stageCopy(target, parquet(path), new Map(Object.entries(columns)), given);
    return await publish(staged, target, given);
  }

  /** Counts and hashes rows without publishing them. */
  async facts(target: Target, rows: readonly object[]): Promise<StagedFacts> {
    const writer = await this.store.stageRows(target, attempt());
    await writer.append(rows as readonly Record<string, unknown>[]);
    const staged = await writer.finish();
    const facts = await staged.facts();
    await staged.discard();
    return facts;
  }

  /** Checks rows without publishing them. */
  async check(target: Target, rows: readonly object[], checks: readonly Check[]): Promise<readonly CheckOutcome[]> {
    const writer = await this.store.stageRows(target, attempt());
    await writer.append(rows as readonly Record<string, unknown>[]);
    const staged = await writer.finish();
    try {
      return await staged.check(checks);
    } finally {
      await staged.discard();
    }
  }

  /** Runs SQL on the file, which no store has open meanwhile. */
  async sql(text: string): Promise<TextRows> {
    await this.store.close();
    const instance = await DuckDBInstance.create(this.path);
    try {
      const connection = await instance.connect();
      await connection.run("SET TimeZone = 'UTC'");
      const rows = (await connection.runAndReadAll(text)).getRows();
      connection.closeSync();
      return rows.map((row) => row.map((value) => (value === null ? null : String(value))));
    } finally {
      instance.closeSync();
    }
  }
}

/** The columns of a contract, in the order in which they are given. */
export function columnsOf(shape: Readonly<Record<string, z.ZodType>>): Column[] {
  return Object.entries(shape).map(([name, schema]) => {
    const result = readColumn(name, schema);
    if (!result.ok) throw new Error(result.message);
    return result.column;
  });
}

export function targetOf(shape: Readonly<Record<string, z.ZodType>>, assetKey = "a/x"): Target {
  const [schema = "", table = ""] = assetKey.split("/");
  return {
    assetKey,
    schema,
    table,
    description: "A test.",
    columns: columnsOf(shape),
    key: [],
    storage: {},
    strategy: { kind: "replace" },
  };
}

export async function publish(staged: Staged, target: Target, given: Attempt): Promise<StagedFacts> {
  const facts = await staged.facts();
  await staged.publish(entryOf(target, given, facts));
  return facts;
}

export function entryOf(target: Target, given: Attempt, facts: StagedFacts): LedgerEntry {
  return {
    assetKey: target.assetKey,
    runId: given.runId,
    rootRunId: given.rootRunId,
    codeVersion: given.codeVersion,
    partitionKeys: null,
    rowCount: facts.rowCount,
    columns: target.columns.map(({ name, nullable }) => ({ name, type: "x", nullable })),
    contentHash: facts.contentHash,
    startedAt: given.startedAt,
    cursor: null,
    report: "{}",
  };
}
