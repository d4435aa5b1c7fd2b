import { DuckDBTypeId, StatementType } from "@duckdb/node-api";
import type { Check } from "../../definitions/check.ts";
import type { CheckOutcome, LedgerEntry, Staged, StagedFacts, Target } from "../store.ts";
import { runChecks } from "./checks.ts";
import type { Client } from "./client.ts";
import { ContractError } from "./errors.ts";
import { stagedFacts } from "./inspect.ts";
import { createOwnTables, insertLedgerEntry } from "./ledger.ts";
import { literal, quote, stagingName, tableName } from "./quote.ts";
import { columnTypeName } from "./types.ts";

/**
 * Rows staged inside the warehouse, in one transaction that ends with their publish: whatever kills the process before
 * its commit, readers and the file are as if nothing had happened.
 */
export class WarehouseStaged implements Staged {
  readonly statement: string | null;
  readonly #client: Client;
  readonly #target: Target;
  readonly #stage: string;

  private constructor(client: Client, target: Target, stage: string, statement: string | null) {
    this.#client = client;
    this.#target = target;
    this.#stage = stage;
    this.statement = statement;
  }

  /** Begins the transaction, makes the staging table and lets `fill` write it. */
  static async begin(
    client: Client,
    target: Target,
    options: { readonly runId: string; readonly statement: string | null },
    fill: (stage: string) => Promise<void>,
  ): Promise<WarehouseStaged> {
    const stage = `${quote(target.schema)}.${quote(stagingName(target.assetKey, options.runId))}`;
    const staged = new WarehouseStaged(client, target, stage, options.statement);
    try {
      await client.run("BEGIN TRANSACTION");
      await client.run(`CREATE SCHEMA IF NOT EXISTS ${quote(target.schema)}`);
      await client.run(`CREATE TABLE ${stage} (${columnDefinitions(target)})`);
      await fill(stage);
      return staged;
    } catch (error) {
      await staged.discard();
      throw error;
    }
  }

  async check(checks: readonly Check[]): Promise<CheckOutcome[]> {
    return await runChecks(this.#client, { columns: this.#target.columns, relation: this.#stage }, checks);
  }

  async facts(): Promise<StagedFacts> {
    return await stagedFacts(this.#client, this.#target, this.#stage);
  }

  async publish(entry: LedgerEntry): Promise<void> {
    const { schema, table, assetKey } = this.#target;
    const name = tableName(assetKey);
    const indexes = await this.#client.text({
      text: "SELECT sql FROM duckdb_indexes() WHERE schema_name = $1 AND table_name = $2 AND database_name = current_database()",
      parameters: [schema, table],
    });
    const comments = await this.#client.text({
      text: "SELECT column_name, comment FROM duckdb_columns() WHERE comment IS NOT NULL AND schema_name = $1 AND table_name = $2 AND database_name = current_database()",
      parameters: [schema, table],
    });
    await this.#client.run(`DROP TABLE IF EXISTS ${name}`);
    await this.#client.run(`ALTER TABLE ${this.#stage} RENAME TO ${quote(table)}`);
    for (const [sql] of indexes.rows) await this.#client.run(sql ?? "");
    await this.#comment(name, new Map(comments.rows.map(([column, comment]) => [column ?? "", comment ?? ""])));
    await createOwnTables(this.#client);
    await insertLedgerEntry(this.#client, entry);
    await this.#client.run("COMMIT");
  }

  async discard(): Promise<void> {
    try {
      await this.#client.run("ROLLBACK");
    } catch {
      // No transaction is open: it failed to begin, or the engine has rolled it back by itself.
    }
  }

  /** The descriptions, where every other client of the warehouse sees them; where there is none, what people wrote. */
  async #comment(name: string, earlier: ReadonlyMap<string, string>): Promise<void> {
    await this.#client.run(`COMMENT ON TABLE ${name} IS ${literal(this.#target.description)}`);
    for (const column of this.#target.columns) {
      const comment = column.description ?? earlier.get(column.name);
      if (comment === undefined) continue;
      await this.#client.run(`COMMENT ON COLUMN ${name}.${quote(column.name)} IS ${literal(comment)}`);
    }
  }
}

/** The columns of a table, as CREATE TABLE takes them. */
export function columnDefinitions({ columns }: Pick<Target, "columns">): string {
  return columns
    .map((column) => `${quote(column.name)} ${columnTypeName(column.type)}${column.nullable ? "" : " NOT NULL"}`)
    .join(", ");
}

/**
 * Refuses a query whose columns are not the contract's: names and types, in any order.
 *
 * @throws ContractError with all the differences
 */
export async function requireContract(
  client: Client,
  text: string,
  target: Pick<Target, "assetKey" | "columns">,
): Promise<void> {
  const differences = await contractDifferences(client, text, target.columns);
  if (differences.length > 0)
    throw new ContractError(`the SQL of ${target.assetKey} does not yield its contract: ${differences.join("; ")}`);
}

/**
 * How the columns that a query yields differ from a contract; nothing is run.
 *
 * @param columns `null`: any columns will do, as long as the engine accepts the query.
 */
export async function contractDifferences(
  client: Client,
  text: string,
  columns: Target["columns"] | null,
): Promise<string[]> {
  const prepared = await client.connection.prepare(text);
  try {
    // It is run as a part of another statement, which takes no DELETE, and no semicolon before a comment.
    if (prepared.statementType !== StatementType.SELECT) return ["expected a query, which begins with SELECT or WITH"];
    if (text.includes(";")) (await client.connection.prepare(`SELECT * FROM (${text}\n) AS query`)).destroySync();
    if (columns === null) return [];
    const actual = new Map<string, string>();
    const differences: string[] = [];
    for (let index = 0; index < prepared.columnCount; index += 1) {
      const name = prepared.columnName(index);
      if (actual.has(name)) differences.push(`column ${JSON.stringify(name)} is there twice`);
      if (prepared.columnTypeId(index) === DuckDBTypeId.INVALID)
        return [
          `the type of a bound value is unknown: write CAST(\${…} AS …) around texts and null in the SELECT list`,
        ];
      actual.set(name, String(prepared.columnType(index)));
    }
    for (const { name, type } of columns) {
      // The driver shows JSON as the text that it is stored as.
      const expected = type.kind === "json" ? "VARCHAR" : columnTypeName(type);
      const got = actual.get(name);
      if (got === undefined) differences.push(`column ${JSON.stringify(name)} is missing`);
      else if (got !== expected)
        differences.push(`column ${JSON.stringify(name)} is ${got}, expected ${expected}: CAST(… AS ${expected})`);
      actual.delete(name);
    }
    for (const name of actual.keys()) differences.push(`column ${JSON.stringify(name)} is not in the contract`);
    return differences;
  } finally {
    prepared.destroySync();
  }
}
