import type { Sql } from "../../definitions/sql.ts";
import { renderSql } from "../render_sql.ts";
import type { Disproof, Target } from "../store.ts";
import type { Client } from "./client.ts";
import { contractDifferences } from "./contract.ts";
import { literalDialect } from "./dialect.ts";
import { tablesOf } from "./incremental_build.ts";
import { tryIncrementalShape } from "./incremental_shape.ts";
import { assetHash, quote } from "./quote.ts";

/** Where an incremental view is proven. */
export interface ViewProof {
  readonly database: string;
  /** The scratch table of an asset. */
  readonly table: (assetKey: string) => string;
  /** Keys of the assets that are incremental views themselves. */
  readonly views: ReadonlySet<string>;
}

/** What is against an incremental view: it is made over the scratch tables, as a run would make it. */
export async function proveIncremental(
  client: Client,
  target: Target,
  sql: Sql,
  { database, table, views }: ViewProof,
): Promise<Pick<Disproof, "code" | "message">[]> {
  const statement = renderSql(sql, { ...literalDialect({ self: null, window: null }), table });
  const shape = await tryIncrementalShape(client, statement, target);
  if (Array.isArray(shape)) return [mismatch(shape)];

  const name = assetHash(target.assetKey);
  const [inner, feed] = [`${quote(database)}.${quote(`${name}_inner`)}`, `${quote(database)}.${quote(`${name}_feed`)}`];
  await client.run(
    `CREATE TABLE ${inner} (${shape.definitions}) ENGINE = ${shape.engine} ORDER BY ${shape.orderBy} SETTINGS allow_nullable_key = 1`,
  );
  await client.run(`CREATE MATERIALIZED VIEW ${feed} TO ${inner} AS SELECT ${shape.fed} FROM (${statement.text}\n) AS query`); // prettier-ignore
  const read = `SELECT ${shape.read} FROM ${inner} AS parts GROUP BY ${shape.groupBy}`;
  const differences = await contractDifferences(client, { text: read, parameters: [] }, target.columns);
  if (differences.length > 0) return [mismatch(differences)];

  const refs = tablesOf(sql);
  const { rows } = await client.text({
    text: "SELECT name FROM system.tables WHERE database = {p1:String} AND has(dependencies_table, {p2:String})",
    parameters: [database, `${name}_feed`],
  });
  const source = refs.find((key) => rows.some(([table]) => table === assetHash(key)));
  const bad = (message: string): Pick<Disproof, "code" | "message">[] => [{ code: "bad_option", message }];
  if (source === undefined)
    return bad("an incremental view is fed by the inserts into one table: the first after FROM must be an asset's");
  if (views.has(source))
    return bad(`${source} is an incremental view, into which nothing is inserted: leave out refresh: "incremental"`);
  if (refs.filter((key) => key === source).length > 1)
    return bad(`the view reads ${source} more than once, but each insert brings only its own rows: leave out refresh: "incremental"`); // prettier-ignore
  return [];
}

function mismatch(differences: readonly string[]): Pick<Disproof, "code" | "message"> {
  return { code: "contract_mismatch", message: `the SQL does not yield the contract: ${differences.join("; ")}` };
}
