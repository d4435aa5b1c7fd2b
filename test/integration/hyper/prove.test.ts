import { existsSync, mkdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { expect, test } from "vitest";
import type { Check } from "../../../definitions/check.ts";
import { decimal, matches, references, self, sql, sqlCheck, timestamp, window, z } from "../../../definitions/index.ts";
import type { Sql, TableRef } from "../../../definitions/sql.ts";
import { databaseOf } from "../../../resources/hyper/config.ts";
import { hyper } from "../../../resources/hyper/kind.ts";
import { thisProcess } from "../../../resources/process_identity.ts";
import type { Claim } from "../../../resources/store.ts";
import { targetOf } from "../duckdb/warehouse.ts";
import { HyperServer } from "./warehouse.ts";

const server = HyperServer.forThisFile();

const events = targetOf({ id: z.int32(), amount: decimal(12, 2), at: timestamp(), t: z.string() }, "retail/events");
const other = targetOf({ id: z.int32() }, "retail/other");
const EVENTS: TableRef & { readonly c: { readonly id: null } } = {
  ...{ kind: "table", assetKey: "retail/events" },
  c: { id: null },
};

/** What the server says of a query that may read the events. */
async function prove(query: Sql | null, checks: readonly Check[] = [], deps = ["retail/events"]): Promise<string[]> {
  const target = targetOf({ id: z.int32(), total: decimal(38, 2) }, "retail/sums");
  const claims: Claim[] = [events, other].map((one) => ({ target: one, deps: [], sql: null, checks: [] }));
  claims.push({ target, deps, sql: query, checks });
  const disproofs = await hyper.prove(claims, server.dir, { HYPER_URL: server.url });
  return disproofs.map(({ code, check, line }) => `${check ?? "query"} ${code} ${line ?? "-"}`);
}

test.each<[string, Sql, string[]]>([
  [
    "a query that yields its contract, with bound values and a window",
    sql`SELECT id, CAST(sum(amount) AS numeric(38,2)) AS total FROM ${EVENTS}
      WHERE at >= ${window.start} AND at < ${window.end} AND t = ${"it's"} AND id > ${5} GROUP BY id;`,
    [],
  ],
  ["another order of columns", sql`SELECT CAST(1 AS numeric(38,2)) AS total, id FROM ${EVENTS} -- done`, []],
  ["another type", sql`SELECT id, amount AS total FROM ${EVENTS}`, ["query contract_mismatch -"]],
  ["an unknown column", sql`SELECT id,\n\n  nope AS total FROM ${EVENTS}`, ["query bad_sql 3"]],
  ["no query", sql`DELETE FROM ${EVENTS}`, ["query contract_mismatch -"]],
  ["rows that a DELETE returns", sql`DELETE FROM ${EVENTS} RETURNING id, amount AS total`, ["query bad_sql 1"]],
  ["two statements", sql`SELECT id FROM ${EVENTS}; SELECT 1`, ["query bad_sql 1"]],
  [
    "a table that is no declared reference",
    sql`SELECT e.id, CAST(1 AS numeric(38,2)) AS total FROM ${EVENTS} AS e JOIN retail.other AS o ON o.id = e.id`,
    ["query undeclared_reference -"],
  ],
  [
    "a mention that is no reference",
    sql`SELECT id, CAST(1 AS numeric(38,2)) AS total FROM ${EVENTS} AS other WHERE other.t <> 'retail.other'`,
    [],
  ],
  ["a table of nobody", sql`SELECT id FROM retail.nobody`, ["query bad_sql 1"]],
])("%s is told", async (_name, query, expected) => {
  expect(await prove(query)).toEqual(expected);
});

test("checks are proven too: their SQL, their references and their patterns", async () => {
  const checks = [
    matches("id", "("),
    matches("id", "a|b"),
    references("id", EVENTS, "id"),
    sqlCheck("good", sql`SELECT * FROM ${self} WHERE id < ${0}`),
    sqlCheck("bad", sql`SELECT nope FROM ${self}`),
    sqlCheck("stray", sql`SELECT 1 FROM retail.other`),
  ];
  expect(await prove(null, checks)).toEqual([
    "matches_id bad_option -",
    "bad bad_sql 1",
    "stray undeclared_reference -",
  ]);
});

test("proofs run side by side, and leave nothing in the warehouse, nor what a killed one left", async () => {
  const warehouse = await server.open();
  const scratch = join(dirname(databaseOf(server.url)), "_dagster_typescript_proof_killed.hyper");
  await warehouse.sql(`CREATE DATABASE "${scratch}"`);
  // Of a process that is gone: the same machine, and a start that no process has.
  const owner = [...thisProcess().split(".").slice(0, 4), "never"].join(".");
  const claim = join(server.dir, ".state/hyper_proofs", `proof~${basename(scratch)}~${owner}~0`);
  mkdirSync(claim, { recursive: true });
  const query = sql`SELECT id, CAST(1 AS numeric(38,2)) AS total FROM ${EVENTS}`;
  const proofs = Array.from({ length: 8 }, () => prove(query));
  expect(await Promise.all(proofs)).toEqual(proofs.map(() => []));
  expect(await warehouse.sql("SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = 'retail'")).toEqual([]);
  expect([existsSync(claim), existsSync(scratch)]).toEqual([false, false]);
});
