import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { ProjectError } from "../../definitions/project_error.ts";
import { checkQuery, isQuery } from "../check_rules.ts";
import { createOwnedFolder, findOrphanFolders } from "../owned_folders.ts";
import { literal, quote, tableName } from "../quote.ts";
import { renderSql, type Statement } from "../render_sql.ts";
import type { Claim, Disproof, Target } from "../store.ts";
import { HYPER_CHECKS } from "./checks.ts";
import { Client } from "./client.ts";
import { databaseOf, type HyperConfig, withDatabase } from "./config.ts";
import { columnDefinitions, contractDifferences } from "./contract.ts";
import { hyperDialect } from "./dialect.ts";
import { tryGetLine, UndefinedRelationError } from "./errors.ts";

/** The oldest file format that a server still makes. */
const OLDEST_VERSION = 2;
/** What the scratch database is called while it is attached. */
const SCRATCH = quote("scratch");

/**
 * Proves SQL without data: makes empty tables from all contracts in a scratch database beside the warehouse file, then
 * lets the server parse each query and compares its columns. Nothing is run. About 10 ms a table and 3 ms a query.
 *
 * What it cannot see: nullability, and types that only go wrong on values.
 */
export async function proveSql(claims: readonly Claim[], config: HyperConfig, projectDir: string): Promise<Disproof[]> {
  const version = await databaseVersion(config);
  // A connection to no database, which attaches the scratch one: a server that drops the database of a connection that has
  // just ended may crash.
  const client = await Client.open({ ...config, url: withDatabase(config.url, "") });
  try {
    const scratch = await createScratch(client, version, config, projectDir);
    try {
      await client.run(`ATTACH DATABASE ${quote(scratch.path)} AS ${SCRATCH}`);
      try {
        return await proveAll(client, claims);
      } finally {
        await client.run(`DETACH DATABASE ${SCRATCH}`);
      }
    } finally {
      await dropScratch(client, scratch);
    }
  } finally {
    await client.close();
  }
}

/** The version of the warehouse's file format: an older one has no wide decimals. */
async function databaseVersion(config: HyperConfig): Promise<number> {
  const warehouse = await Client.open(config);
  try {
    const { rows } = await warehouse.text(
      "SELECT database_version FROM pg_catalog.hyper_database WHERE datname = current_database()",
    );
    return Number(rows[0]?.[0] ?? OLDEST_VERSION);
  } finally {
    await warehouse.close();
  }
}

/** A database that only this proof knows: one that others could know they could drop before anybody sits in it. */
interface Scratch {
  readonly path: string;
  /** Says in its name whose the database is, so that the next proof removes what a killed one left. */
  readonly claim: string;
}

async function createScratch(
  server: Client,
  version: number,
  config: HyperConfig,
  projectDir: string,
): Promise<Scratch> {
  const claims = join(projectDir, ".state", "hyper_proofs");
  const pathOf = (name: string): string => join(dirname(databaseOf(config.url)), name);
  for (const { folder, runId: name } of findOrphanFolders(claims, () => true)) {
    await server.run(`DROP DATABASE IF EXISTS ${quote(pathOf(name))}`);
    rmSync(folder, { recursive: true, force: true });
  }
  const name = `_dagster_typescript_proof_${randomBytes(8).toString("hex")}.hyper`;
  const scratch = { path: pathOf(name), claim: createOwnedFolder(claims, "proof", name) };
  await server.run(`CREATE DATABASE ${quote(scratch.path)} WITH VERSION ${version}`);
  return scratch;
}

async function dropScratch(server: Client, { path, claim }: Scratch): Promise<void> {
  // What is left, a later proof removes.
  await server.run(`DROP DATABASE IF EXISTS ${quote(path)}`).then(
    () => {
      rmSync(claim, { recursive: true, force: true });
    },
    () => undefined,
  );
}

async function proveAll(client: Client, claims: readonly Claim[]): Promise<Disproof[]> {
  for (const schema of new Set(claims.map(({ target }) => target.schema)))
    await client.run(`CREATE SCHEMA IF NOT EXISTS ${quote(schema)}`);
  const targets = new Map(claims.map(({ target }) => [target.assetKey, target]));
  const disproofs: Disproof[] = [];
  for (const target of targets.values()) {
    await create(client, target).catch((error: unknown) => {
      disproofs.push({ target, code: "contract_mismatch", check: null, message: text(error), line: undefined });
    });
  }
  for (const claim of claims) disproofs.push(...(await proveOne(client, claim, targets)));
  return disproofs;
}

async function create(client: Client, target: Target): Promise<void> {
  await client.run(`CREATE TABLE ${tableName(target.assetKey)} (${columnDefinitions(target)})`);
}

type Targets = ReadonlyMap<string, Target>;

async function proveOne(client: Client, { target, deps, sql, checks }: Claim, targets: Targets): Promise<Disproof[]> {
  const disproofs: Disproof[] = [];
  if (sql !== null) {
    const prove = prover(client, target, null, targets, disproofs);
    await prove(() => {
      const window = { start: new Date(0), end: new Date(0) };
      const statement = renderSql(sql, hyperDialect({ self: null, window }));
      return { statement, columns: target.columns, readable: new Set(deps) };
    });
  }
  const relation = { columns: target.columns, relation: tableName(target.assetKey) };
  for (const check of checks) {
    const prove = prover(client, target, check.name, targets, disproofs);
    if (isQuery(check)) {
      const readable = new Set([...deps, target.assetKey]);
      const window = { start: new Date(0), end: new Date(0) };
      await prove(() => ({
        statement: checkQuery(HYPER_CHECKS, check, relation, { window }),
        columns: null,
        readable,
      }));
    } else if (check.rule.kind === "matches") {
      // Only the engine knows the syntax of its patterns; it compiles them when it runs them.
      await client.run(`SELECT '' ~ ${literal(check.rule.pattern)}`).catch((error: unknown) => {
        disproofs.push({ target, code: "bad_option", check: check.name, message: text(error), line: undefined });
      });
    }
  }
  return disproofs;
}

interface Proof {
  readonly statement: Statement;
  /** What the query has to yield; `null`: anything. */
  readonly columns: Target["columns"] | null;
  /** Keys of the assets that it may read. */
  readonly readable: ReadonlySet<string>;
}

/** Proves one statement of an asset and adds what is against it. */
function prover(
  client: Client,
  target: Target,
  check: string | null,
  targets: Targets,
  disproofs: Disproof[],
): (build: () => Proof) => Promise<void> {
  const add = (code: Disproof["code"], message: string, line?: number): void => {
    disproofs.push({ target, code, check, message, line });
  };
  return async (build) => {
    try {
      const { statement, columns, readable } = build();
      const differences = await contractDifferences(client, statement, columns);
      if (differences.length > 0)
        add("contract_mismatch", `the SQL does not yield the contract: ${differences.join("; ")}`);
      for (const other of targets.values()) {
        if (readable.has(other.assetKey) || !mentions(statement.text, other)) continue;
        if (await reads(client, statement, other))
          add("undeclared_reference", `the SQL reads ${tableName(other.assetKey)}, which is no declared reference`);
      }
    } catch (error) {
      add("bad_sql", text(error).trim(), error instanceof ProjectError ? tryGetLine(error) : undefined);
    }
  };
}

function mentions(statement: string, { table }: Target): boolean {
  return statement.toLowerCase().includes(table.toLowerCase());
}

/** Whether a statement needs a table: whether the server misses the table when it is away. */
async function reads(client: Client, statement: Statement, other: Target): Promise<boolean> {
  await client.run(`DROP TABLE ${tableName(other.assetKey)}`);
  try {
    await client.describe(statement);
    return false;
  } catch (error) {
    if (error instanceof UndefinedRelationError) return true;
    throw error;
  } finally {
    await create(client, other);
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
