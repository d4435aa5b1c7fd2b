import { randomBytes } from "node:crypto";
import type { Sql } from "../../definitions/sql.ts";
import { thisProcess, tryGetAlive } from "../process_identity.ts";
import { type CheckSyntax, checkQuery, isQuery } from "../check_rules.ts";
import { runChecks } from "../checks.ts";
import { renderSql, type Statement } from "../render_sql.ts";
import type { Claim, Disproof, Target } from "../store.ts";
import { CLICKHOUSE_CHECKS } from "./checks.ts";
import { Client } from "./client.ts";
import type { ClickHouseConfig } from "./config.ts";
import { columnDefinitions, contractDifferences } from "./contract.ts";
import { clickhouseDialect } from "./dialect.ts";
import { ClickHouseStatementError, UndefinedRelationError } from "./errors.ts";
import { engineSql, indexDefinitions, newClauses } from "./layout.ts";
import { proveIncremental } from "./prove_view.ts";
import { assetHash, quote } from "./quote.ts";

/** Between the parts of the name of a scratch database. */
const SEPARATOR = "~";
const SCRATCH = "_dagster_typescript_proof";

/**
 * Proves SQL without data: makes empty tables from all contracts in a scratch database, then lets the engine resolve
 * each query and compares its columns. Rows of the warehouse are never read.
 *
 * What it cannot see: nullability, and types that only go wrong on values.
 */
export async function proveSql(claims: readonly Claim[], config: ClickHouseConfig): Promise<Disproof[]> {
  const client = Client.create({ ...config, cluster: null });
  const database = [SCRATCH, thisProcess(), randomBytes(4).toString("hex")].join(SEPARATOR);
  try {
    await dropDead(client);
    await client.run(`CREATE DATABASE ${quote(database)}`);
    const proof = new Proof(client, database, claims);
    const targets = [...new Map(claims.map(({ target }) => [target.assetKey, target])).values()];
    const layouts = await Promise.all(targets.map((target) => proof.makeTable(target)));
    const disproofs = await Promise.all(claims.map((claim) => proof.prove(claim)));
    return [...layouts, ...disproofs].flat();
  } finally {
    await client.run(`DROP DATABASE IF EXISTS ${quote(database)}`).catch(() => undefined);
    await client.close();
  }
}

/** Drops the scratch databases of processes of this machine that were killed. */
async function dropDead(client: Client): Promise<void> {
  const { rows } = await client.text("SELECT name FROM system.databases");
  for (const [name] of rows) {
    const [scratch, process] = (name ?? "").split(SEPARATOR);
    if (scratch !== SCRATCH || process === undefined || tryGetAlive(process) !== false) continue;
    await client.run(`DROP DATABASE IF EXISTS ${quote(name ?? "")}`);
  }
}

interface Question extends Statement {
  /** What the query has to yield; `null`: anything. */
  readonly columns: Target["columns"] | null;
  /** Keys of the assets that it may read. */
  readonly readable: ReadonlySet<string>;
  /** The query of an incremental view, which yields what the contract's columns are made of. */
  readonly incremental?: Sql | undefined;
}

class Proof {
  readonly #client: Client;
  readonly #database: string;
  /** Name of a scratch table to the key of its asset. */
  readonly #keys: ReadonlyMap<string, string>;

  /** Keys of the assets that are incremental views. */
  readonly #views: ReadonlySet<string>;

  constructor(client: Client, database: string, claims: readonly Claim[]) {
    this.#client = client;
    this.#database = database;
    this.#keys = new Map(claims.map(({ target }) => [`${database}.${assetHash(target.assetKey)}`, target.assetKey]));
    this.#views = new Set(claims.flatMap(({ target, view }) => (view === "incremental" ? [target.assetKey] : [])));
  }

  /** The scratch table of an asset. */
  readonly table = (assetKey: string): string => `${quote(this.#database)}.${quote(assetHash(assetKey))}`;

  /** Makes the scratch table of an asset as the asset declares it; where the engine refuses that, a plain one. */
  async makeTable(target: Target): Promise<Disproof[]> {
    const disproofs: Disproof[] = [];
    const table = this.table(target.assetKey);
    if (target.storage.clickhouse !== undefined) {
      const parts = [columnDefinitions(target.columns, target.storage.clickhouse.codecs), ...indexDefinitions(target)];
      try {
        await this.#client.run(`CREATE TABLE ${table} (${parts.join(", ")}) ENGINE = ${engineSql(newClauses(target, "MergeTree"))}`); // prettier-ignore
        return disproofs;
      } catch (error) {
        if (error instanceof ClickHouseStatementError && error.retryable) throw error;
        const message = `storage.clickhouse: ${reason(error).replaceAll(`${this.#database}.`, "")}`;
        disproofs.push({ target, code: "bad_option", check: null, message, line: undefined });
      }
    }
    await this.#client.run(
      `CREATE TABLE ${table} (${columnDefinitions(target.columns)}) ENGINE = MergeTree ORDER BY tuple()`,
    );
    return disproofs;
  }

  async prove({ target, deps, sql, checks, view }: Claim): Promise<Disproof[]> {
    const disproofs: Disproof[] = [];
    const dialect = (self: string | null): Parameters<typeof renderSql>[1] => ({
      ...clickhouseDialect({ self, window: { start: new Date(0), end: new Date(0) } }),
      table: this.table,
    });
    const readable = new Set(deps);
    if (sql !== null)
      await this.#ask(target, null, disproofs, () => ({
        ...renderSql(sql, dialect(null)),
        columns: target.columns,
        readable,
        incremental: view === "incremental" ? sql : undefined,
      }));
    const own = { columns: target.columns, relation: this.table(target.assetKey) };
    const syntax: CheckSyntax = {
      ...CLICKHOUSE_CHECKS,
      tableName: this.table,
      dialect: (context) => ({ ...clickhouseDialect(context), table: this.table }),
    };
    const window = { start: new Date(0), end: new Date(0) };
    for (const check of checks) {
      if (isQuery(check))
        await this.#ask(target, check.name, disproofs, () => ({
          ...checkQuery(syntax, check, own, { window }),
          columns: null,
          readable: new Set([...readable, target.assetKey]),
        }));
      // Only the engine knows the syntax of its patterns; it reads one when there is a row to match.
      else if (check.rule.kind === "matches") {
        await this.#client
          .text({ text: "SELECT match('', {p1:String})", parameters: [check.rule.pattern] })
          .then(() => runChecks(this.#client, syntax, own, [check]))
          .then(
            ([outcome]) => outcome?.error ?? null,
            (error: unknown) => reason(error),
          )
          .then((message) => {
            if (message !== null)
              disproofs.push({ target, code: "bad_option", check: check.name, message, line: undefined });
          });
      }
    }
    return disproofs;
  }

  /** Proves one statement of an asset and adds what is against it. */
  async #ask(target: Target, check: string | null, disproofs: Disproof[], build: () => Question): Promise<void> {
    const add = (code: Disproof["code"], message: string, line?: number): void => {
      disproofs.push({ target, code, check, message, line });
    };
    try {
      const question = build();
      if (question.incremental !== undefined) {
        const found = await proveIncremental(this.#client, target, question.incremental, {
          database: this.#database,
          table: this.table,
          views: this.#views,
        });
        for (const { code, message } of found) add(code, message);
      }
      const wanted = question.incremental === undefined ? question.columns : null;
      const differences = await contractDifferences(this.#client, question, wanted);
      if (differences.length > 0)
        add("contract_mismatch", `the SQL does not yield the contract: ${differences.join("; ")}`);
      for (const name of await this.#tablesOf(question)) {
        const key = this.#keys.get(name);
        if (key === undefined || !question.readable.has(key))
          add("undeclared_reference", `the SQL reads ${key ?? name}, which is no declared reference`);
      }
    } catch (error) {
      if (error instanceof ClickHouseStatementError && error.retryable) throw error;
      const message = reason(error).replaceAll(`${this.#database}.`, "");
      const line = /\(line (\d+), col/.exec(message)?.[1];
      add(this.#isUndeclared(error) ? "undeclared_reference" : "bad_sql", message, line === undefined ? undefined : Number(line)); // prettier-ignore
    }
  }

  /** The tables that a query reads, as the engine has resolved them; its own tables of numbers are none. */
  async #tablesOf({ text, parameters }: Statement): Promise<Set<string>> {
    const { rows } = await this.#client.text({ text: `EXPLAIN QUERY TREE ${text}`, parameters });
    const names = rows.flatMap(
      ([line]) => /^\s*TABLE id: \d+,.*\btable_name: (\S+?)(?:,|$)/.exec(line ?? "")?.[1] ?? [],
    );
    return new Set(names.filter((name) => !name.startsWith("system.")));
  }

  /** The table of an asset, but under its own name: the text says it instead of a reference. */
  #isUndeclared(error: unknown): boolean {
    if (!(error instanceof UndefinedRelationError)) return false;
    return [...this.#keys.values()].some((key) =>
      new RegExp(String.raw`\b${key.replace("/", '[`"]?\\s*\\.\\s*[`"]?')}\b`).test(error.statement),
    );
  }
}

function reason(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trim();
}
