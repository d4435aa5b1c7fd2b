import { Client } from "../duckdb/client.ts";
import { literal } from "../quote.ts";
import { columnOf, type ComparedColumn, isEqual, scaleOf, shown } from "./compared.ts";
import { createUnreadable, type LoadedSide, loadSide, type SideName, type SideRows } from "./load.ts";

/** Two sides that are to be the same. */
export interface CompareJob {
  readonly left: SideRows;
  readonly right: SideRows;
  readonly columns: readonly ComparedColumn[];
  readonly names: Readonly<Record<SideName, Readonly<Record<string, string | undefined>>>>;
  /** An empty folder for what does not fit into memory, and for the result. */
  readonly folder: string;
  readonly maxRows: number;
  readonly signal: AbortSignal;
}

/** How often a column is the same on both sides; `(rows)` is about whole rows. */
export interface ColumnMatch {
  readonly column: string;
  /** Keys that both sides have once; for whole rows all keys. */
  readonly compared: number;
  readonly equal: number;
  /** From 0 to 1, cut after six decimals: 1 only where all are the same. */
  readonly rate: number;
  /** The sums of numbers over all rows; `null` for the others. */
  readonly leftTotal: string | null;
  readonly rightTotal: string | null;
}

/** What a comparison found. */
export interface Comparison {
  readonly leftRows: number;
  readonly rightRows: number;
  /** By kind and side, such as `"missing right"`. */
  readonly counts: ReadonlyMap<string, number>;
  readonly differences: number;
  /** Of whole rows, then of each column that is no key. */
  readonly matches: readonly ColumnMatch[];
  /** The Parquet file of the differences, at most `maxRows` of them. */
  readonly path: string;
  /** The first differences, as the table has them. */
  readonly sample: { readonly columns: readonly string[]; readonly rows: readonly (readonly (string | null)[])[] };
  readonly notes: Readonly<Record<SideName, readonly string[]>>;
}

/** Differences in a report. */
const SAMPLE_ROWS = 500;
/** What whole rows are called among the columns. */
export const WHOLE_ROWS = "(rows)";

/** Compares two sides, key by key, in an engine of its own. @throws UnreadableSourceError, StatementError */
export async function compareSides(job: CompareJob): Promise<Comparison> {
  const client = await Client.open(":memory:");
  const interrupt = (): void => {
    client.connection.interrupt();
  };
  job.signal.addEventListener("abort", interrupt, { once: true });
  try {
    await client.run(`SET temp_directory = ${literal(job.folder)}`);
    return await compareIn(client, job);
  } catch (error) {
    job.signal.throwIfAborted();
    throw error;
  } finally {
    job.signal.removeEventListener("abort", interrupt);
    client.close();
  }
}

async function compareIn(client: Client, job: CompareJob): Promise<Comparison> {
  const { columns, names, signal, maxRows } = job;
  await createUnreadable(client);
  // The right one first: mostly it is the file, in which more can be wrong.
  const right = await loadSide(client, "right", job.right, columns, names.right, signal);
  const left = await loadSide(client, "left", job.left, columns, names.left, signal);
  await findDuplicates(client, columns);
  await join(client, columns);
  await client.run(differencesTable(columns, { left, right }));
  const path = `${job.folder}/differences.parquet`;
  await client.run(
    `COPY (SELECT * FROM differences ORDER BY ALL LIMIT ${maxRows}) TO ${literal(path)} (FORMAT parquet)`,
  );
  const counted = await client.text("SELECT kind, side, count(*) FROM differences GROUP BY ALL ORDER BY ALL");
  const counts = new Map(
    counted.rows.map(([kind, side, count]) => [[kind, side].filter(Boolean).join(" "), Number(count)]),
  );
  return {
    leftRows: left.rows,
    rightRows: right.rows,
    counts,
    differences: [...counts.values()].reduce((sum, one) => sum + one, 0),
    matches: await matchesOf(client, columns),
    path,
    sample: await client.text(`SELECT * FROM differences ORDER BY ALL LIMIT ${SAMPLE_ROWS}`),
    notes: { left: left.notes, right: right.notes },
  };
}

const keysOf = (columns: readonly ComparedColumn[]): number[] =>
  [...columns.keys()].filter((index) => columns[index]?.isKey === true);
const valuesOf = (columns: readonly ComparedColumn[]): number[] =>
  [...columns.keys()].filter((index) => columns[index]?.isKey !== true);

function isNumber(type: ComparedColumn["type"]): boolean {
  return scaleOf(type) !== undefined || type.kind === "float64";
}

async function findDuplicates(client: Client, columns: readonly ComparedColumn[]): Promise<void> {
  const keys = keysOf(columns).map((index) => columnOf(index));
  const known = keys.map((key) => `${key} IS NOT NULL`).join(" AND ");
  const of = (side: SideName): string =>
    `SELECT ${literal(side)} AS side, ${keys.join(", ")}, count(*) AS times, min("row") AS "row"
      FROM ${side}_rows WHERE ${known} GROUP BY ALL HAVING count(*) > 1`;
  await client.run(`CREATE TABLE duplicates AS ${of("left")} UNION ALL ${of("right")}`);
}

/** `joined`: of the keys that no side has twice those that differ, with the values of both sides and whether they are the same. */
async function join(client: Client, columns: readonly ComparedColumn[]): Promise<void> {
  const keys = keysOf(columns).map((index) => columnOf(index));
  const known = keys.map((key) => `${key} IS NOT NULL`).join(" AND ");
  const hasAny = async (table: string): Promise<boolean> =>
    (await client.text(`SELECT 1 FROM ${table} LIMIT 1`)).rows.length > 0;
  const once = (await hasAny("duplicates"))
    ? ` AND NOT EXISTS (SELECT 1 FROM duplicates AS d WHERE ${keys.map((key) => `d.${key} = s.${key}`).join(" AND ")})`
    : "";
  for (const name of ["left", "right"] as const)
    await client.run(`CREATE VIEW ${name}_once AS SELECT * FROM ${name}_rows AS s WHERE ${known}${once}`);
  const spoilt = await hasAny("unreadable");
  const unreadable = (name: SideName, alias: string): string =>
    `LEFT JOIN (SELECT "row", list(col) AS cols FROM unreadable WHERE side = ${literal(name)} GROUP BY ALL) AS ${alias}u
      ON ${alias}u."row" = ${alias}."row"`;
  const list = [
    ...keys.map((key) => `coalesce(l.${key}, r.${key}) AS ${key}`),
    ...['l."row" AS lrow', 'r."row" AS rrow'],
    ...valuesOf(columns).flatMap((index) => {
      const [l, r] = [`l.${columnOf(index)}`, `r.${columnOf(index)}`];
      const read = spoilt
        ? `NOT (coalesce(list_contains(lu.cols, ${index}), false) OR coalesce(list_contains(ru.cols, ${index}), false))`
        : "true";
      const equal = isEqual(columns[index] as ComparedColumn, l, r);
      return [
        `${l} AS ${columnOf(index, "l")}`,
        `${r} AS ${columnOf(index, "r")}`,
        `${read} AS ${columnOf(index, "read")}`,
        `${read} AND ${equal} AS ${columnOf(index, "equal")}`,
      ];
    }),
  ];
  const equals = valuesOf(columns).map((index) => columnOf(index, "equal"));
  const same = ["lrow IS NOT NULL", "rrow IS NOT NULL", ...equals].join(" AND ");
  await client.run(`CREATE TABLE joined AS SELECT * FROM (SELECT ${list.join(", ")}
    FROM left_once AS l FULL JOIN right_once AS r ON ${keys.map((key) => `l.${key} = r.${key}`).join(" AND ")}
    ${spoilt ? unreadable("left", "l") + unreadable("right", "r") : ""}) AS found WHERE NOT (${same})`);
}

/** The statement that collects the differences, as rows of the asset's table. */
function differencesTable(columns: readonly ComparedColumn[], sides: Readonly<Record<SideName, LoadedSide>>): string {
  const keyText = (alias: string): string => {
    const parts = keysOf(columns).map((index) =>
      shown((columns[index] as ComparedColumn).type, `${alias}.${columnOf(index)}`),
    );
    return `concat_ws(' | ', ${parts.join(", ")})`;
  };
  const row = (parts: Readonly<Record<string, string>>): string => {
    const of = (name: string, type = "VARCHAR"): string => `CAST(${parts[name] ?? "NULL"} AS ${type}) AS ${name}`;
    return `SELECT ${of("kind")}, ${of("side")}, ${of("key")}, ${of("column_name")}, ${of("left_value")}, ${of("right_value")}, ${of("delta", "DOUBLE")}, ${of("place")}, ${of("detail")}`;
  };
  const both = "j.lrow IS NOT NULL AND j.rrow IS NOT NULL";
  const values = valuesOf(columns).map((index) => {
    const { name, type } = columns[index] as ComparedColumn;
    const [l, r] = [`j.${columnOf(index, "l")}`, `j.${columnOf(index, "r")}`];
    const place = [sides.right.place("j.rrow", index), sides.left.place("j.lrow", index)].find((one) => one !== "NULL");
    const fields = {
      ...{ name: literal(name), l: shown(type, l), r: shown(type, r), place: place ?? "NULL" },
      delta: isNumber(type) ? `CAST(TRY(${r} - ${l}) AS DOUBLE)` : "CAST(NULL AS DOUBLE)",
      differs: `j.${columnOf(index, "read")} AND NOT j.${columnOf(index, "equal")}`,
    };
    return `struct_pack(${Object.entries(fields)
      .map(([field, value]) => `"${field}" := ${value}`)
      .join(", ")})`;
  });
  const valueRow = { kind: "'value'", key: keyText("j"), column_name: "v.name", left_value: "v.l", right_value: "v.r" };
  // One pass for all columns: a query for each is quadratic in their number.
  const parts =
    values.length === 0
      ? []
      : [
          `${row({ ...valueRow, delta: "v.delta", place: "v.place" })}
        FROM (SELECT j.*, unnest([${values.join(", ")}]) AS v FROM joined AS j WHERE ${both}) AS j WHERE v.differs`,
        ];
  const ofColumn = (of: (index: number) => string): string =>
    `CASE u.col ${[...columns.keys()].map((index) => `WHEN ${index} THEN ${of(index)}`).join(" ")} END`;
  for (const side of ["left", "right"] as const) {
    const other = side === "left" ? "right" : "left";
    const [here, there] = side === "left" ? ["lrow", "rrow"] : ["rrow", "lrow"];
    const { place } = sides[side];
    parts.push(
      `${row({ kind: "'missing'", side: literal(side), key: keyText("j"), place: sides[other].place(`j.${there}`, null), detail: literal(`only the ${other} side has it`) })}
        FROM joined AS j WHERE j.${here} IS NULL`,
      `${row({ kind: "'duplicate'", side: literal(side), key: keyText("d"), place: place('d."row"', null), detail: "d.times || ' rows have this key'" })}
        FROM duplicates AS d WHERE d.side = ${literal(side)}`,
      `${row({ kind: "'no_key'", side: literal(side), key: keyText("s"), place: place('s."row"', null), detail: "'a column of the key is empty'" })}
        FROM ${side}_rows AS s WHERE (${keysOf(columns)
          .map((index) => `s.${columnOf(index)} IS NULL`)
          .join(" OR ")}) AND NOT EXISTS
          (SELECT 1 FROM unreadable AS u WHERE u.side = ${literal(side)} AND u."row" = s."row" AND u.col IN (${keysOf(columns).join(", ")}))`,
      `${row({ kind: "'unreadable'", side: literal(side), key: keyText("s"), column_name: ofColumn((index) => literal(columns[index]?.name ?? "")), [`${side}_value`]: "u.value", place: ofColumn((index) => place('u."row"', index)), detail: "u.reason" })}
        FROM unreadable AS u JOIN ${side}_rows AS s ON s."row" = u."row" WHERE u.side = ${literal(side)}`,
    );
  }
  return `CREATE TABLE differences AS ${parts.join("\nUNION ALL\n")}`;
}

async function matchesOf(client: Client, columns: readonly ComparedColumn[]): Promise<ColumnMatch[]> {
  const values = valuesOf(columns);
  const both = "lrow IS NOT NULL AND rrow IS NOT NULL";
  const unequal = values.map((index) => `count(*) FILTER (${both} AND NOT ${columnOf(index, "equal")})`);
  const { rows } = await client.text(`SELECT (SELECT count(*) FROM left_once), count(*) FILTER (rrow IS NULL),
    count(*) FILTER (lrow IS NULL), ${[`count(*) FILTER (${both})`, ...unequal].join(", ")} FROM joined`);
  const [left = 0, onlyLeft = 0, onlyRight = 0, apartRows = 0, ...apartValues] = (rows[0] ?? []).map(Number);
  const common = left - onlyLeft;
  const all = common + onlyLeft + onlyRight;
  const apart = await client.text(`SELECT
    (SELECT count(*) FROM (SELECT DISTINCT ${keysOf(columns)
      .map((index) => columnOf(index))
      .join(", ")} FROM duplicates)),
    (SELECT count(*) FROM left_rows WHERE ${keysOf(columns)
      .map((index) => `${columnOf(index)} IS NULL`)
      .join(" OR ")}),
    (SELECT count(*) FROM right_rows WHERE ${keysOf(columns)
      .map((index) => `${columnOf(index)} IS NULL`)
      .join(" OR ")})`);
  const others = (apart.rows[0] ?? []).map(Number).reduce((sum, one) => sum + one, 0);
  const numbers = values.filter((index) => isNumber((columns[index] as ComparedColumn).type));
  const totals = new Map<number, (string | null)[]>();
  if (numbers.length > 0) {
    const of = async (side: SideName): Promise<(string | null)[]> => {
      const sums = numbers.map((index) => shown((columns[index] as ComparedColumn).type, `sum(${columnOf(index)})`));
      return (await client.text(`SELECT ${sums.join(", ")} FROM ${side}_rows`)).rows[0] ?? [];
    };
    const [ofLeft, ofRight] = [await of("left"), await of("right")];
    for (const [at, index] of numbers.entries()) totals.set(index, [ofLeft[at] ?? null, ofRight[at] ?? null]);
  }
  return [
    match(WHOLE_ROWS, all + others, common - apartRows, []),
    ...values.map((index, at) =>
      match(columns[index]?.name ?? "", common, common - (apartValues[at] ?? 0), totals.get(index) ?? []),
    ),
  ];
}

function match(
  column: string,
  compared: number,
  equal: number,
  [left, right]: readonly (string | null)[],
): ColumnMatch {
  const rate = compared === 0 ? 0 : Math.floor((equal / compared) * 1e6) / 1e6;
  return { column, compared, equal, rate, leftTotal: left ?? null, rightTotal: right ?? null };
}
