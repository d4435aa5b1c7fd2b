import type { Client } from "./client.ts";
import { publishCounts } from "./ledger.ts";
import { siblingOf } from "./names.ts";
import { literal, OWN_DATABASE, quote } from "./quote.ts";

/** What an inner table was made of; its comment. */
export interface Origin {
  readonly definition: string;
  /** Stands for the server's own text of what feeds it. */
  readonly feed: string;
  /** Key of an asset that the query reads to what its table was then. */
  readonly sources: Readonly<Record<string, string>>;
}

/** The asset whose inserts feed the view, as the server understood the query. */
export async function sourceOf(client: Client, refs: readonly string[], feed: string): Promise<string | undefined> {
  const { rows } = await client.text({
    text: `SELECT concat(database, '/', name) FROM system.tables WHERE ${among(refs, "name")} AND engine LIKE '%MergeTree'
      AND arrayExists((d, t) -> d = {p1:String} AND t = {p2:String}, dependencies_database, dependencies_table)`,
    parameters: [OWN_DATABASE, feed],
  });
  return rows[0]?.[0] ?? undefined;
}

/** What the tables are now: their UUIDs, and how often runs have written them, which a partition replaced in place tells. */
export async function sourcesOf(client: Client, refs: readonly string[]): Promise<Record<string, string>> {
  const { rows } = await client.text(
    `SELECT concat(database, '/', name), toString(uuid) FROM system.tables WHERE ${among(refs, "name")} ORDER BY 1`,
  );
  const counts = await publishCounts(client, refs);
  return Object.fromEntries(rows.map(([key, uuid]) => [key ?? "", `${uuid ?? ""} ${counts.get(key ?? "") ?? "0"}`]));
}

function among(refs: readonly string[], column: string): string {
  if (refs.length === 0) return "false";
  return `(database, ${quote(column)}) IN (${refs.map((key) => `(${key.split("/").map(literal).join(", ")})`).join(", ")})`;
}

/** What an inner table was made of, and what stands for the text of its feed now; `undefined`, empty: it is gone. */
export async function lookAtInner(
  client: Client,
  inner: string,
): Promise<{ readonly origin: Origin | undefined; readonly feed: string }> {
  const { rows } = await client.text({
    text: `SELECT name, comment, hex(SHA256(create_table_query)) FROM system.tables
      WHERE database = {p1:String} AND name IN ({p2:String}, {p3:String})`,
    parameters: [OWN_DATABASE, inner, siblingOf(inner, "feed")],
  });
  const comment = rows.find(([name]) => name === inner)?.[1] ?? "";
  const feed = rows.find(([name]) => name !== inner)?.[2] ?? "";
  return { origin: comment === "" ? undefined : (JSON.parse(comment) as Origin), feed };
}

/** Why an inner table has to be made anew; `undefined`: it need not. */
export function changeOf(was: Origin | undefined, is: Origin): string | undefined {
  if (was === undefined) return "its rows are gone";
  if (was.definition !== is.definition) return "its SQL, contract or key changed";
  if (was.feed !== is.feed) return "what feeds it was altered or dropped";
  const changed = Object.keys({ ...was.sources, ...is.sources }).filter((key) => was.sources[key] !== is.sources[key]);
  return changed.length === 0 ? undefined : `${changed.join(", ")} published since`;
}
