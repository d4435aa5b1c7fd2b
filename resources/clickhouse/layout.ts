import type { ClickHouseIndex } from "../../definitions/storage.ts";
import type { Sql } from "../../definitions/sql.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { tokensOf } from "./definition.ts";
import { literal, quote } from "./quote.ts";

/** What follows `ENGINE =`, clause by clause. */
export interface EngineClauses {
  /** Name and arguments, such as `ReplacingMergeTree(version)`. */
  readonly engine: string;
  readonly partitionBy?: string | undefined;
  readonly primaryKey?: string | undefined;
  readonly orderBy?: string | undefined;
  readonly sampleBy?: string | undefined;
  readonly ttl?: string | undefined;
  readonly settings?: string | undefined;
}

/** A skipping index as the server has it. */
export interface ActualIndex {
  readonly name: string;
  readonly expression: string;
  readonly type: string;
  readonly granularity: string;
}

/** What a table has of all that an asset can declare. */
export interface Layout {
  readonly clauses: EngineClauses;
  readonly indexes: readonly ActualIndex[];
  /** Column to its codecs, as `CODEC(…)`; empty for the default. */
  readonly codecs: ReadonlyMap<string, string>;
}

const CLAUSES: readonly (readonly [keyword: string, clause: keyof EngineClauses])[] = [
  ["PARTITION BY", "partitionBy"],
  ["PRIMARY KEY", "primaryKey"],
  ["ORDER BY", "orderBy"],
  ["SAMPLE BY", "sampleBy"],
  ["TTL", "ttl"],
  ["SETTINGS", "settings"],
];

/** Takes the server's own text of an engine apart. */
export function parseEngine(text: string): EngineClauses {
  const parsed: Partial<Record<keyof EngineClauses, string>> = {};
  let clause: keyof EngineClauses = "engine";
  let start = 0;
  for (const { token, index, depth } of tokensOf(text)) {
    if (token !== " " || depth > 0) continue;
    const next = CLAUSES.find(([keyword]) => text.startsWith(`${keyword} `, index + 1));
    if (next === undefined) continue;
    parsed[clause] = text.slice(start, index).trim();
    [, clause] = next;
    start = index + 1 + next[0].length;
  }
  parsed[clause] = text.slice(start).trim();
  return { ...parsed, engine: parsed.engine ?? "" };
}

/** Puts an engine's clauses together again. A line end after each: an expression may end with a comment. */
export function engineSql({ engine, ...clauses }: EngineClauses): string {
  const rest = CLAUSES.flatMap(([keyword, clause]) => {
    const text = clause === "engine" ? undefined : clauses[clause];
    return text === undefined ? [] : [`${keyword} ${text}\n`];
  });
  return [engine, ...rest].join(" ").trimEnd();
}

/** The clauses of a new table: as the asset declares them, ordered by its key when it does not say. */
export function newClauses(target: Target, engine: string): EngineClauses {
  const key = target.key.length === 0 && target.strategy.kind === "merge" ? target.strategy.key : target.key;
  const sortable = key.filter((name) => target.columns.some((column) => column.name === name && !column.nullable));
  return { engine, orderBy: columnList(sortable), ...declaredClauses(target) };
}

function declaredClauses({ storage: { clickhouse = {} } }: Target): Partial<EngineClauses> {
  const { orderBy, primaryKey, partitionBy, ttl } = clickhouse;
  return {
    ...(orderBy === undefined ? {} : { orderBy: columnList(orderBy), primaryKey: columnList(primaryKey ?? orderBy) }),
    ...(orderBy !== undefined || primaryKey === undefined ? {} : { primaryKey: columnList(primaryKey) }),
    ...(partitionBy === undefined ? {} : { partitionBy: plain(partitionBy) }),
    ...(ttl === undefined ? {} : { ttl: plain(ttl) }),
  };
}

/** As the server writes it. */
function columnList(names: readonly string[]): string {
  if (names.length === 0) return "tuple()";
  const list = names.map(quote).join(", ");
  return names.length === 1 ? list : `(${list})`;
}

/** The text of an expression; its definition has made sure that it holds no values. */
function plain({ strings }: Sql): string {
  return strings.join("").trim();
}

/** The declared indexes, as CREATE TABLE takes them. */
export function indexDefinitions({ storage }: Target): string[] {
  return (storage.clickhouse?.indexes ?? []).map((index) => `INDEX ${indexSql(index)}`);
}

function indexSql({ name, expression, type, granularity = 1 }: ClickHouseIndex): string {
  return `${quote(name)} ${plain(expression)}\n TYPE ${type} GRANULARITY ${granularity}`;
}

/** How a table differs from what its asset declares. */
export interface LayoutChange {
  /** All clauses of a new table, when one of them differs: what is declared, else what the table has. */
  readonly clauses: EngineClauses | undefined;
  /** Actions of ALTER TABLE for what is no clause. */
  readonly actions: readonly string[];
  /** For people. */
  readonly differences: readonly string[];
}

/**
 * Compares what an asset declares with its table. What it does not declare is as it is: people may have added it.
 *
 * The server writes expressions its own way, so it is asked how it would write the declared ones.
 */
export async function layoutChange(client: Client, present: Layout, target: Target): Promise<LayoutChange> {
  const declared = declaredClauses(target);
  const { indexes = [], codecs = {} } = target.storage.clickhouse ?? {};
  const differences: string[] = [];
  const actions: string[] = [];
  if (Object.keys(declared).length === 0 && indexes.length === 0 && Object.keys(codecs).length === 0)
    return { clauses: undefined, actions, differences };

  const merged: EngineClauses = { ...present.clauses, ...declared };
  const [formatted = "", ...expressions] = await format(client, [
    `CREATE TABLE t (c UInt8) ENGINE = ${engineSql(merged)}`,
    ...indexes.map(({ expression }) => `SELECT ${plain(expression)}`),
  ]);
  const wanted = parseEngine(formatted.slice(formatted.indexOf(" ENGINE = ") + " ENGINE = ".length));
  const effective = (clauses: EngineClauses): EngineClauses => ({
    ...clauses,
    primaryKey: clauses.primaryKey ?? clauses.orderBy,
  });
  const [has, wants] = [effective(present.clauses), effective(wanted)];
  for (const [keyword, clause] of CLAUSES) {
    if (has[clause] !== wants[clause])
      differences.push(`${keyword} ${has[clause] ?? "is not there"}, declared ${wants[clause] ?? ""}`);
  }
  const clauses = differences.length === 0 ? undefined : effective(merged);

  for (const [number, index] of indexes.entries()) {
    const found = present.indexes.find(({ name }) => name === index.name);
    const expression = (expressions[number] ?? "").slice("SELECT ".length);
    const { type, granularity = 1 } = index;
    const same =
      found !== undefined &&
      found.expression === expression &&
      found.type === type &&
      found.granularity === String(granularity);
    if (same) continue;
    if (found !== undefined) actions.push(`DROP INDEX ${quote(index.name)}`);
    actions.push(`ADD INDEX ${indexSql(index)}`);
    differences.push(`index ${index.name} ${found === undefined ? "is not there" : "is another one"}`);
  }
  for (const [column, codec] of Object.entries(codecs)) {
    const actual = present.codecs.get(column) ?? "";
    if (codec === undefined || sameCodec(actual, codec)) continue;
    actions.push(`MODIFY COLUMN ${quote(column)} CODEC(${codec})`);
    differences.push(`column ${JSON.stringify(column)} has ${actual || "the default codec"}, declared CODEC(${codec})`);
  }
  return { clauses, actions, differences };
}

/** Statements as the server would write them. */
async function format(client: Client, statements: readonly string[]): Promise<string[]> {
  const { rows } = await client.text(
    `SELECT ${statements.map((statement) => `formatQuerySingleLine(${literal(statement)})`).join(", ")}`,
  );
  return (rows[0] ?? []).map((text) => text ?? "");
}

/** The server adds the arguments that a codec has by default. */
function sameCodec(actual: string, declared: string): boolean {
  const parts = (text: string): string[] => [...text.matchAll(/\w+(\([^)]*\))?/g)].map(([part]) => part);
  const [has, wants] = [parts(actual.replace(/^CODEC\((.*)\)$/s, "$1")), parts(declared)];
  return (
    has.length === wants.length &&
    wants.every((want, index) => {
      const one = (has[index] ?? "").replaceAll(" ", "");
      return one === want.replaceAll(" ", "") || (!want.includes("(") && one.startsWith(`${want}(`));
    })
  );
}
