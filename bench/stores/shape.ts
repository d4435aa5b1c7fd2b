import { type Column, readColumn } from "../../definitions/column_type.ts";
import { date, decimal, timestamp, z } from "../../definitions/index.ts";
import type { Target, WriteStrategy } from "../../resources/store.ts";

/** Rows of every table in this bench. */
export const ROWS = 1_000_000;

/** Eight columns of as many types. */
export const shape = z.strictObject({
  id: z.int(),
  name: z.string(),
  amount: decimal(12, 2),
  sold_at: timestamp(),
  day: date(),
  is_member: z.boolean(),
  score: z.number(),
  note: z.string().nullable(),
});

/** A row as a body yields it. */
export type Row = z.input<typeof shape>;

export const columns: readonly Column[] = Object.entries(shape.shape).map(([name, schema]) => {
  const read = readColumn(name, schema);
  if (!read.ok) throw new Error(read.message);
  return read.column;
});

/** The columns' names, as every store takes them. */
export const COLUMN_LIST = columns.map(({ name }) => name).join(", ");
export const NOT_NULL: readonly string[] = columns.flatMap(({ name, nullable }) => (nullable ? [] : [name]));

/** What was received: the rows of the source, and one in twenty of them once more. */
export const RAW = `SELECT ${COLUMN_LIST}, 1 AS received FROM bench.source
  UNION ALL SELECT ${COLUMN_LIST}, 2 AS received FROM bench.source WHERE id % 20 = 0`;
/** A query as assets have them: each row as it was received last. */
export const CLEANED = `SELECT ${COLUMN_LIST} FROM (
    SELECT *, row_number() OVER (PARTITION BY id ORDER BY received DESC) AS place FROM bench.raw
  ) AS ranked WHERE place = 1`;
/** The rows as they are: what a publish costs beside the cheapest of queries. */
export const UNCHANGED = `SELECT ${COLUMN_LIST} FROM bench.source`;

/** The schema of the bench's tables. */
export const SCHEMA = "bench";
/** The table that our side writes, and the one that is written by hand. */
export const OURS = "ours";
export const BY_HAND = "by_hand";

/** The days that the rows cover; all of them, so that a run of these partitions replaces every row. */
export const WINDOW = { start: new Date("2017-01-01T00:00:00Z"), end: new Date("2018-01-01T00:00:00Z") };

export const REPLACE: WriteStrategy = { kind: "replace" };
export const PARTITIONS: WriteStrategy = {
  kind: "replacePartitions",
  partitions: { kind: "window", column: "sold_at", ...WINDOW },
};
export const APPEND: WriteStrategy = { kind: "append" };
export const MERGE: WriteStrategy = { kind: "merge", key: ["id"] };

/** Our table, to be written so. */
export function target(strategy: WriteStrategy): Target {
  const assetKey = `${SCHEMA}/${OURS}`;
  return { assetKey, schema: SCHEMA, table: OURS, description: "A bench.", columns, key: [], storage: {}, strategy };
}

const PAGE_ROWS = 10_000;
const START_MS = WINDOW.start.getTime();
const MS_PER_DAY = 86_400_000;
/** Seconds between two rows: a million of them fill most of the year. */
const STEP_MS = 31_000;

/** The rows, page by page, as an API or a file reader would hand them over. */
export function* pages(): Generator<Row[]> {
  for (let first = 0; first < ROWS; first += PAGE_ROWS) {
    const page: Row[] = [];
    for (let id = first; id < Math.min(first + PAGE_ROWS, ROWS); id += 1) page.push(row(id));
    yield page;
  }
}

function row(id: number): Row {
  const ms = START_MS + id * STEP_MS;
  const cents = (id * 7919) % 1_000_000;
  return {
    id,
    name: `customer ${(id * 31) % 50_000}`,
    amount: `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`,
    sold_at: new Date(ms),
    day: dayOf(Math.floor(ms / MS_PER_DAY)),
    is_member: id % 3 === 0,
    score: ((id * 13) % 10_007) / 16,
    note: id % 4 === 0 ? `note ${id % 1000}` : null,
  };
}

const days = new Map<number, string>();

function dayOf(number: number): string {
  let text = days.get(number);
  if (text === undefined) days.set(number, (text = new Date(number * MS_PER_DAY).toISOString().slice(0, 10)));
  return text;
}

/** The same rows, as DuckDB makes them. */
export const DUCKDB_ROWS = `SELECT
    id::BIGINT AS id,
    'customer ' || ((id * 31) % 50000) AS name,
    (((id * 7919) % 1000000)::DECIMAL(12, 2) / 100)::DECIMAL(12, 2) AS amount,
    to_timestamp(${START_MS / 1000} + id * ${STEP_MS / 1000}) AS sold_at,
    to_timestamp(${START_MS / 1000} + id * ${STEP_MS / 1000})::DATE AS day,
    id % 3 = 0 AS is_member,
    ((id * 13) % 10007)::DOUBLE / 16 AS score,
    CASE WHEN id % 4 = 0 THEN 'note ' || (id % 1000) END AS note
  FROM range(${ROWS}) AS numbers(id)`;

/** By which two tables are held to the same rows; every store writes it in the same way. */
export const FINGERPRINT = `count(*), count(DISTINCT id), min(id), max(id), sum(amount), count(note),
  min(name), max(name), min(sold_at), max(sold_at), min(day), max(day), sum(CASE WHEN is_member THEN 1 ELSE 0 END), sum(score)`;
