import type { Check } from "../../definitions/check.ts";
import type { Sql } from "../../definitions/sql.ts";
import { renderSql } from "../render_sql.ts";
import type { Target } from "../store.ts";
import { badRelation } from "./checks.ts";
import { Client } from "./client.ts";
import { duckdbDialect } from "./dialect.ts";
import { columnDefinitions, contractDifferences } from "./publish.ts";
import { quote, tableName } from "./quote.ts";

/** SQL to be held against its contract. */
export interface Claim {
  readonly target: Target;
  /** Keys of the assets that the SQL may read. */
  readonly deps: readonly string[];
  /** The query of the asset; `null` where rows come from elsewhere. */
  readonly sql: Sql | null;
  readonly checks: readonly Check[];
}

/** What the engine says against a claim. */
export interface Disproof {
  readonly target: Target;
  readonly code: "bad_sql" | "contract_mismatch" | "undeclared_reference";
  readonly message: string;
  /** Line of the query, counted from 1, where the engine knows it. */
  readonly line: number | undefined;
}

/**
 * Proves SQL without data: makes empty tables from all contracts in a database of its own, then lets the engine bind
 * each query and compares its columns. Nothing is run. About 0.7 ms a query.
 *
 * What it cannot see: nullability, and types that only go wrong on values.
 */
export async function proveSql(claims: readonly Claim[]): Promise<Disproof[]> {
  const client = await Client.open(":memory:");
  try {
    await client.run(
      [...new Set(claims.map(({ target }) => target.schema))]
        .map((schema) => `CREATE SCHEMA IF NOT EXISTS ${quote(schema)}`)
        .join(";"),
    );
    for (const { target } of claims)
      await client.run(`CREATE OR REPLACE TABLE ${tableName(target.assetKey)} (${columnDefinitions(target)})`);
    const disproofs: Disproof[] = [];
    for (const claim of claims) disproofs.push(...(await proveOne(client, claim)));
    return disproofs;
  } finally {
    client.close();
  }
}

async function proveOne(client: Client, { target, deps, sql, checks }: Claim): Promise<Disproof[]> {
  const disproofs: Disproof[] = [];
  const own = tableName(target.assetKey);
  const prove = async (what: string, text: string, compare: boolean, mayRead: readonly string[]): Promise<void> => {
    const add = (code: Disproof["code"], message: string, line?: number): void => {
      disproofs.push({ target, code, message: what + message, line });
    };
    try {
      const differences = await contractDifferences(client, text, compare ? target.columns : null);
      if (differences.length > 0)
        add("contract_mismatch", `the SQL does not yield the contract: ${differences.join("; ")}`);
      for (const found of client.connection.getTableNames(text, true)) {
        // DuckDB returns the reference as it would print it, alias included.
        const [name = ""] = found.split(" AS ");
        if (!mayRead.includes(normalize(name)))
          add("undeclared_reference", `the SQL reads ${name}, which is no declared reference`);
      }
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const line = /\bLINE (\d+):/.exec(message)?.[1];
      add("bad_sql", message.trim(), line === undefined ? undefined : Number(line));
    }
  };
  const readable = deps.map((key) => normalize(tableName(key)));
  if (sql !== null) {
    const epoch = new Date(0);
    await prove(
      "",
      renderSql(sql, duckdbDialect({ self: null, window: { start: epoch, end: epoch } })).text,
      true,
      readable,
    );
  }
  for (const check of checks) {
    if (check.rule.kind !== "sql" && check.rule.kind !== "references") continue;
    const { text } = badRelation(check, { columns: target.columns, relation: own });
    await prove(`check ${check.name}: `, text, false, [...readable, normalize(own)]);
  }
  return disproofs;
}

/** DuckDB quotes the parts of a name only where it must, and does not tell case apart. */
function normalize(name: string): string {
  return name.replaceAll('"', "").toLowerCase();
}
