import { createHash } from "node:crypto";
import type { Check } from "../../definitions/check.ts";
import { checkQuery, isQuery } from "../check_rules.ts";
import { ProjectError } from "../../definitions/project_error.ts";
import { StatementError } from "../errors.ts";
import { literal, quote } from "../quote.ts";
import { type Dialect, renderSql } from "../render_sql.ts";
import type { Claim, Disproof, Target } from "../store.ts";
import { POSTGRES_CHECKS } from "./checks.ts";
import type { Client } from "./client.ts";
import type { PostgresConfig } from "./config.ts";
import { Connections } from "./connections.ts";
import { columnDefinitions, contractDifferences } from "./contract.ts";
import { asLiteral, postgresDialect } from "./dialect.ts";
import { layoutFaults } from "./prove_layout.ts";

const VIEW = `pg_temp."_proof"`;
const WINDOW = { start: new Date(0), end: new Date(0) };

/**
 * Proves SQL without data: makes empty tables from all contracts in schemas of their own, and of each query a view, by
 * which the server tells its columns and the tables that it reads. Nothing is run, and all is rolled back: no other
 * client sees any of it, and no table of theirs is locked.
 *
 * What it cannot see: nullability, and types that only go wrong on values.
 */
export async function proveSql(claims: readonly Claim[], config: PostgresConfig): Promise<Disproof[]> {
  const connections = new Connections(config);
  const transaction = await connections.begin({ assetKey: "proof", runId: "" });
  try {
    return await transaction.run((client) => prove(client, claims));
  } finally {
    await transaction.rollback();
    await connections.close();
  }
}

async function prove(client: Client, claims: readonly Claim[]): Promise<Disproof[]> {
  const schemas = new Set(claims.map(({ target }) => schemaOf(target.assetKey)));
  await client.script([...schemas].map((schema) => `CREATE SCHEMA ${quote(schema)}`));
  const tables = new Map(claims.map(({ target }) => [proofTable(target.assetKey), target]));
  await client.script([...tables].map(([name, target]) => `CREATE TABLE ${name} (${columnDefinitions(target)})`));
  const disproofs: Disproof[] = [];
  for (const claim of claims) disproofs.push(...(await proveOne(client, claim)));
  return disproofs;
}

async function proveOne(client: Client, { target, deps, sql, checks }: Claim): Promise<Disproof[]> {
  const disproofs: Disproof[] = [];
  if (sql !== null) {
    await attempt(client, target, null, disproofs, async () => {
      const text = renderSql(sql, proofDialect({ self: null, window: WINDOW })).text;
      return await proveQuery(client, text, target.columns, deps);
    });
  }
  if (target.storage.postgres !== undefined) {
    await attempt(client, target, null, disproofs, async () => {
      const table = `${quote(schemaOf(target.assetKey))}."_proof_layout"`;
      const faults = await layoutFaults(client, target, table);
      return faults.map((message) => ({ code: "bad_option", message }));
    });
  }
  for (const check of checks) {
    await attempt(client, target, check.name, disproofs, () => proveCheck(client, target, deps, check));
  }
  return disproofs;
}

async function proveCheck(client: Client, target: Target, deps: readonly string[], check: Check): Promise<Found[]> {
  const rows = { columns: target.columns, relation: proofTable(target.assetKey) };
  if (isQuery(check)) {
    const syntax = { ...POSTGRES_CHECKS, tableName: proofTable, dialect: proofDialect };
    const { text } = checkQuery(syntax, check, rows, { window: WINDOW });
    return await proveQuery(client, text, null, [...deps, target.assetKey]);
  }
  // Only the engine knows the syntax of its patterns.
  if (check.rule.kind === "matches") {
    try {
      // On a value of its own: on a table without rows it would never be looked at.
      await client.run(`SELECT ${POSTGRES_CHECKS.fullMatch("''", check.rule.pattern)}`);
    } catch (error) {
      if (!(error instanceof StatementError)) throw error;
      throw new BadOption(error);
    }
  }
  return [];
}

type Found = Pick<Disproof, "code" | "message">;

async function proveQuery(
  client: Client,
  text: string,
  columns: Target["columns"] | null,
  readable: readonly string[],
): Promise<Found[]> {
  // As it will be run: a part of another statement takes SELECT only.
  await client.describe(`SELECT * FROM (${text}\n) AS query`);
  await client.run(`CREATE TEMPORARY VIEW "_proof" AS ${text}`);
  const found: Found[] = [];
  if (columns !== null) {
    const { rows } = await client.text(`
      SELECT attname, pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute
      WHERE attrelid = ${literal(VIEW)}::regclass AND attnum > 0 ORDER BY attnum`);
    const actual = rows.map(([name, type]) => ({ name: name ?? "", type: type ?? "" }));
    const differences = contractDifferences(actual, columns);
    if (differences.length > 0) {
      const message = `the SQL does not yield the contract: ${differences.join("; ")}`;
      found.push({ code: "contract_mismatch", message });
    }
  }
  const mayRead = new Set(readable.map(proofTable));
  for (const { name, shown } of await tablesOfView(client)) {
    if (mayRead.has(name)) continue;
    found.push({ code: "undeclared_reference", message: `the SQL reads ${shown}, which is no declared reference` });
  }
  return found;
}

async function tablesOfView(client: Client): Promise<{ readonly name: string; readonly shown: string }[]> {
  const { rows } = await client.text(`
    SELECT DISTINCT n.nspname, c.relname FROM pg_catalog.pg_rewrite AS r
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
    JOIN pg_catalog.pg_class AS c ON d.refclassid = 'pg_catalog.pg_class'::regclass AND c.oid = d.refobjid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE r.ev_class = ${literal(VIEW)}::regclass AND c.oid <> r.ev_class AND n.nspname <> 'pg_catalog'`);
  return rows.map(([schema, table]) => ({
    name: `${quote(schema ?? "")}.${quote(table ?? "")}`,
    shown: `${schema ?? ""}.${table ?? ""}`,
  }));
}

class BadOption extends Error {
  constructor(cause: StatementError) {
    super(cause.message, { cause });
  }
}

/** Proves one statement of an asset and adds what is against it; undoes what it made. */
async function attempt(
  client: Client,
  target: Target,
  check: string | null,
  disproofs: Disproof[],
  act: () => Promise<Found[]>,
): Promise<void> {
  await client.run("SAVEPOINT proving");
  try {
    for (const found of await act()) disproofs.push({ target, check, line: undefined, ...found });
  } catch (error) {
    const code = error instanceof BadOption ? "bad_option" : "bad_sql";
    // A lost connection disproves nothing.
    if (error instanceof ProjectError && error.retryable) throw error;
    const message = error instanceof Error ? error.message : String(error);
    disproofs.push({ target, code, check, message, line: lineOf(error) });
  }
  await client.script(["ROLLBACK TO SAVEPOINT proving", "RELEASE SAVEPOINT proving"]);
}

/** The line of the query at which the server stumbled; the query begins on the first line of the statement. */
function lineOf(error: unknown): number | undefined {
  if (!(error instanceof StatementError)) return undefined;
  const told = error.cause instanceof Error ? error.cause.cause : undefined;
  const position = Number((told as { readonly position?: string } | undefined)?.position);
  if (!Number.isSafeInteger(position)) return undefined;
  // It counts characters, where JavaScript counts halves of those beyond the first 65,536.
  return (
    Array.from(error.statement)
      .slice(0, position - 1)
      .filter((character) => character === "\n").length + 1
  );
}

/** References go to the tables of the proof; values are written out, as a view takes no parameters. */
function proofDialect(context: Pick<Dialect, "self" | "window">): Dialect {
  return { ...postgresDialect(context), table: proofTable, parameter: (_index, value) => asLiteral(value) };
}

/** The table has its own name, so that a query may use it to tell its columns apart. */
function proofTable(assetKey: string): string {
  return `${quote(schemaOf(assetKey))}.${quote(assetKey.slice(assetKey.indexOf("/") + 1))}`;
}

function schemaOf(assetKey: string): string {
  const schema = assetKey.slice(0, assetKey.indexOf("/"));
  const digest = createHash("sha256").update(`${process.pid}\0${schema}`).digest("hex").slice(0, 24);
  return `_proof_${digest}`;
}
