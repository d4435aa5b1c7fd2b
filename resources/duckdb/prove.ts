import { checkQuery, isQuery } from "../check_rules.ts";
import { runChecks } from "../checks.ts";
import { renderSql, type Statement } from "../render_sql.ts";
import type { Claim, Disproof, Target } from "../store.ts";
import { DUCKDB_CHECKS } from "./checks.ts";
import { Client } from "./client.ts";
import { duckdbDialect } from "./dialect.ts";
import { columnDefinitions, contractDifferences } from "./contract.ts";
import { quote, tableName } from "../quote.ts";

/**
 * Proves SQL without data: makes empty tables from all contracts in a database of its own, then lets the engine bind
 * each query and compares its columns. Nothing is run. About 0.6 ms a query.
 *
 * What it cannot see: nullability, and types that only go wrong on values.
 */
export async function proveSql(claims: readonly Claim[]): Promise<Disproof[]> {
  const client = await Client.open(":memory:");
  try {
    // A catalog with a name of its own, which no schema can have.
    await client.run(`ATTACH ':memory:' AS "_proof"; USE "_proof"`);
    await client.run(
      [...new Set(claims.map(({ target }) => target.schema))]
        .map((schema) => `CREATE SCHEMA IF NOT EXISTS ${quote(schema)}`)
        .join(";"),
    );
    // All at once: a thousand round trips and commits cost half a second.
    await client.transaction(() =>
      client.run(
        claims
          .map(({ target }) => `CREATE OR REPLACE TABLE ${tableName(target.assetKey)} (${columnDefinitions(target)})`)
          .join(";"),
      ),
    );
    // Binding a query is all that a proof needs; planning it well takes as long again.
    await client.run("PRAGMA disable_optimizer");
    const disproofs: Disproof[] = [];
    for (const claim of claims) disproofs.push(...(await proveOne(client, claim)));
    return disproofs;
  } finally {
    client.close();
  }
}

async function proveOne(client: Client, { target, deps, sql, checks }: Claim): Promise<Disproof[]> {
  const own = tableName(target.assetKey);
  const readable = new Set(deps.map((key) => normalize(tableName(key))));
  const disproofs: Disproof[] = [];
  if (sql !== null) {
    const prove = prover(client, target, null, disproofs);
    await prove(() => {
      const window = { start: new Date(0), end: new Date(0) };
      return { ...renderSql(sql, duckdbDialect({ self: null, window })), columns: target.columns, readable };
    });
  }
  const relation = { columns: target.columns, relation: own };
  for (const check of checks) {
    const prove = prover(client, target, check.name, disproofs);
    const mayRead = new Set([...readable, normalize(own)]);
    if (isQuery(check)) {
      const window = { start: new Date(0), end: new Date(0) };
      await prove(() => ({
        ...checkQuery(DUCKDB_CHECKS, check, relation, { window }),
        columns: null,
        readable: mayRead,
      }));
    }
    // Only the engine knows the syntax of its patterns.
    else if (check.rule.kind === "matches") {
      const [outcome] = await runChecks(client, DUCKDB_CHECKS, relation, [check]);
      const message = outcome?.error ?? null;
      if (message !== null) disproofs.push({ target, code: "bad_option", check: check.name, message, line: undefined });
    }
  }
  return disproofs;
}

interface Proof extends Statement {
  /** What the query has to yield; `null`: anything. */
  readonly columns: Target["columns"] | null;
  /** Normalized names of the tables that it may read. */
  readonly readable: ReadonlySet<string>;
}

/** Proves one statement of an asset and adds what is against it. */
function prover(
  client: Client,
  target: Target,
  check: string | null,
  disproofs: Disproof[],
): (build: () => Proof) => Promise<void> {
  const add = (code: Disproof["code"], message: string, line?: number): void => {
    disproofs.push({ target, code, check, message, line });
  };
  return async (build) => {
    try {
      const proof = build();
      const differences = await contractDifferences(client, proof.text, proof.columns);
      if (differences.length > 0)
        add("contract_mismatch", `the SQL does not yield the contract: ${differences.join("; ")}`);
      for (const found of client.connection.getTableNames(proof.text, true)) {
        // DuckDB returns the reference as it would print it, alias included.
        const [name = ""] = found.split(" AS ");
        if (!proof.readable.has(normalize(name)))
          add("undeclared_reference", `the SQL reads ${name}, which is no declared reference`);
      }
    } catch (error) {
      const line = /\bLINE (\d+):/.exec(text(error))?.[1];
      add("bad_sql", text(error).trim(), line === undefined ? undefined : Number(line));
    }
  };
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** DuckDB quotes the parts of a name only where it must, and does not tell case apart. */
function normalize(name: string): string {
  return name.replaceAll('"', "").toLowerCase();
}
