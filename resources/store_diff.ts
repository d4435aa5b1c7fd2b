import { type ColumnPair, type ComparedColumns, type ComparedTable, nameOf, pairColumns } from "./compared_columns.ts";
import { LAST_HASH, type Part, type PartFacts, SideQueries, type Survey } from "./diff_queries.ts";
import { compareRows, type RowDifference, shownKey } from "./diff_rows.ts";
import type { FoundTable } from "./frozen_tables.ts";

export { type ColumnPair, type ComparedTable, NotComparableError } from "./compared_columns.ts";
export type { RowDifference } from "./diff_rows.ts";
export type { FrozenTables, TableName } from "./frozen_tables.ts";

/** Two tables, and how they are compared. */
export interface DiffRequest {
  readonly left: ComparedTable;
  readonly right: ComparedTable;
  /** The columns that name a row. */
  readonly key: readonly ColumnPair[];
  /** What is compared besides; `null`: all other columns, which both tables must have then. */
  readonly columns: readonly ColumnPair[] | null;
  /** Differing rows that are listed at most; and keys of several rows, of each side. */
  readonly limit: number;
  readonly signal: AbortSignal;
}

/** What is known of one table. */
export interface DiffSide {
  /** `schema.table` and where it is. */
  readonly name: string;
  readonly rows: bigint;
  /** Rows with a NULL in their key: they are compared with none. */
  readonly nullKeys: bigint;
  /** Keys that several rows share. */
  readonly duplicateKeys: bigint;
  readonly duplicates: readonly { readonly key: readonly string[]; readonly rows: bigint }[];
}

/** How two tables differ. */
export interface TableDiff {
  /** Whether both have the same rows, each with a key of its own. */
  readonly isEqual: boolean;
  readonly left: DiffSide;
  readonly right: DiffSide;
  /** The columns of the key, as the left table calls them. */
  readonly key: readonly string[];
  /** Some of the rows that differ, at most `limit`. */
  readonly differences: readonly RowDifference[];
  /** Rows that differ; where some parts were not read, those that were found before. */
  readonly onlyLeft: bigint;
  readonly onlyRight: bigint;
  readonly changed: bigint;
  /** Parts that differ and were not read, as enough had been found. */
  readonly unreadParts: number;
  /** Rows that were read from both tables together. */
  readonly pulledRows: number;
}

/** Parts into which a table is cut at first, and parts of it later. */
const PARTS = 4_096;
/** Where positions are hashes, whose parts no index finds: more parts, so that none has to be cut again. */
const ROWS_OF_HASHED_PART = 64n;
const MOST_HASHED_PARTS = 65_536n;
/** A part with so many rows is read instead of being cut. */
const READ_ROWS = 4_096n;
const READ_HASHED_ROWS = 65_536n;
/** Parts that one query asks about. */
const PARTS_AT_ONCE = 64;
/** Values that are held in memory at a time. */
const VALUES_AT_ONCE = 400_000;

/** A part whose counts or sums differ. */
interface Differing extends Part {
  readonly left: PartFacts;
  readonly right: PartFacts;
}

const NOTHING: PartFacts = { rows: 0n, sum: "", first: null, last: null };

/**
 * Finds out how two tables differ, without reading them: both count the rows of a few thousand parts and add up their
 * checksums, and only parts that differ are looked at further, until they are so small that their rows are read.
 *
 * @throws NotComparableError, MissingTableError
 */
export async function compareTables(request: DiffRequest): Promise<TableDiff> {
  return await new TableComparison(request).run();
}

class TableComparison {
  readonly #request: DiffRequest;
  #onlyLeft = 0n;
  #onlyRight = 0n;
  #changed = 0n;
  #ambiguous = 0;
  #pulledRows = 0;
  readonly #differences: RowDifference[] = [];

  constructor(request: DiffRequest) {
    this.#request = request;
  }

  async run(): Promise<TableDiff> {
    const { left, right, key, columns, limit } = this.#request;
    const described = await this.#both(
      () => left.snapshot.describe(left.table),
      () => right.snapshot.describe(right.table),
    );
    const compared = pairColumns(this.#request, { left: described[0], right: described[1] }, key, columns);
    const isNative =
      left.snapshot === right.snapshot &&
      [...compared.key, ...compared.columns].every((pair) => pair.left.typeName === pair.right.typeName);
    const queries = [
      new SideQueries(left, compared, "left", isNative),
      new SideQueries(right, compared, "right", isNative),
    ] as const;
    const surveys = await this.#both(
      () => queries[0].survey(),
      () => queries[1].survey(),
    );
    // Equal sums of all rows: nothing is left to look for.
    const [a, b] = surveys;
    const isSettled = a.sum !== null && a.sum === b.sum && a.rows === b.rows;
    const unread = isSettled ? 0 : await this.#bisect(queries, compared, surveys);
    const isSame = this.#differences.length === 0 && this.#ambiguous === 0 && unread === 0;
    const names = {
      left: compared.key.map((pair) => pair.left.name),
      right: compared.key.map((pair) => pair.right.name),
    };
    const duplicatesOf = async (side: SideQueries, table: FoundTable, own: readonly string[]): Promise<Duplicates> =>
      isUnique(table, own) ? { count: 0n, some: [] } : await side.duplicates(limit);
    const ofLeft = await duplicatesOf(queries[0], described[0], names.left);
    // The same rows have the same keys, whoever is asked.
    const ofRight = isSame ? ofLeft : await duplicatesOf(queries[1], described[1], names.right);
    const sideOf = (side: ComparedTable, index: 0 | 1, { count, some }: Duplicates): DiffSide => ({
      name: nameOf(side),
      rows: surveys[index].rows,
      nullKeys: surveys[index].nullKeys,
      duplicateKeys: count,
      duplicates: some.map((one) => ({ ...one, key: shownKey(compared.key, one.key) })),
    });
    const sides = { left: sideOf(left, 0, ofLeft), right: sideOf(right, 1, ofRight) };
    const isClean = [sides.left, sides.right].every((side) => side.nullKeys === 0n && side.duplicateKeys === 0n);
    return {
      ...sides,
      isEqual: isSame && isClean,
      key: names.left,
      differences: this.#differences,
      onlyLeft: this.#onlyLeft,
      onlyRight: this.#onlyRight,
      changed: this.#changed,
      unreadParts: unread,
      pulledRows: this.#pulledRows,
    };
  }
  /** Cuts what differs until it can be read; returns the number of parts that were left, as enough had been found. */
  async #bisect(queries: Queries, compared: ComparedColumns, surveys: readonly [Survey, Survey]): Promise<number> {
    const { isByKey } = queries[0];
    const whole = isByKey ? await this.#spanOf(queries) : hashesOf(surveys);
    let pending = whole === null ? [] : await this.#cut(queries, null, whole.shift);
    while (pending.length > 0) {
      this.#request.signal.throwIfAborted();
      if (this.#differences.length >= this.#request.limit) return this.#countUnread(pending);
      const some = takeAlike(pending, isByKey, compared.key.length + compared.columns.length);
      pending = pending.slice(some.length);
      const [first] = some;
      if (first !== undefined && isSmall(first, isByKey)) await this.#read(queries, compared, some);
      else pending.unshift(...(await this.#cut(queries, some, shiftFor(some, BigInt(PARTS)))));
    }
    return 0;
  }

  /** From the least to the greatest key; `null` where neither side has one. */
  async #spanOf(queries: Queries): Promise<{ readonly shift: number } | null> {
    const [left, right] = await this.#both(
      () => queries[0].bounds(),
      () => queries[1].bounds(),
    );
    const [first, last] = [least(left.first, right.first), greatest(left.last, right.last)];
    return first === null || last === null ? null : { shift: shiftFor([{ first, last }], BigInt(PARTS)) };
  }

  /** The parts of some parts, or of all rows, that differ; in their order. */
  async #cut(queries: Queries, parts: readonly Part[] | null, shift: number): Promise<Differing[]> {
    const [left, right] = await this.#both(
      () => queries[0].facts(parts, shift),
      () => queries[1].facts(parts, shift),
    );
    const prefixes = [...new Set([...left.keys(), ...right.keys()])].sort((a, b) => (a < b ? -1 : 1));
    return prefixes.flatMap((prefix) => {
      const [a, b] = [left.get(prefix) ?? NOTHING, right.get(prefix) ?? NOTHING];
      if (a.rows === b.rows && a.sum === b.sum) return [];
      const first = least(a.first, b.first) ?? prefix << BigInt(shift);
      const last = greatest(a.last, b.last) ?? ((prefix + 1n) << BigInt(shift)) - 1n;
      return [{ shift, prefix, first, last, left: a, right: b }];
    });
  }

  async #read(queries: Queries, compared: ComparedColumns, parts: readonly Part[]): Promise<void> {
    const [left, right] = await this.#both(
      () => queries[0].read(parts),
      () => queries[1].read(parts),
    );
    this.#pulledRows += left.length + right.length;
    const { differences, ambiguous } = compareRows(compared, left, right);
    if (differences.length + ambiguous === 0)
      throw new TypeError("the checksums of two parts differ, but none of their rows does: a value has two spellings");
    this.#ambiguous += ambiguous;
    for (const one of differences) {
      if (one.kind === "only_left") this.#onlyLeft += 1n;
      else if (one.kind === "only_right") this.#onlyRight += 1n;
      else this.#changed += 1n;
      if (this.#differences.length < this.#request.limit) this.#differences.push(one);
    }
  }

  /** Where one side has nothing, the rows of the other one need not be seen to be counted. */
  #countUnread(parts: readonly Differing[]): number {
    let unread = 0;
    for (const { left, right } of parts) {
      if (left.rows > 0n && right.rows > 0n) unread += 1;
      else {
        this.#onlyLeft += left.rows;
        this.#onlyRight += right.rows;
      }
    }
    return unread;
  }

  /** Asks both sides: at once, unless they are in one transaction. */
  async #both<T>(left: () => Promise<T>, right: () => Promise<T>): Promise<[T, T]> {
    if (this.#request.left.snapshot === this.#request.right.snapshot) return [await left(), await right()];
    // Neither transaction may end while its query runs.
    const [a, b] = await Promise.allSettled([left(), right()]);
    if (a.status === "rejected") throw a.reason;
    if (b.status === "rejected") throw b.reason;
    return [a.value, b.value];
  }
}

type Queries = readonly [SideQueries, SideQueries];
type Duplicates = Awaited<ReturnType<SideQueries["duplicates"]>>;

function hashesOf(surveys: readonly [Survey, Survey]): { readonly shift: number } | null {
  const rows = surveys.map((one) => one.rows - one.nullKeys).reduce((a, b) => (a > b ? a : b));
  if (rows === 0n) return null;
  const wanted = rows / ROWS_OF_HASHED_PART;
  const parts = wanted < BigInt(PARTS) ? BigInt(PARTS) : least(wanted, MOST_HASHED_PARTS);
  return { shift: shiftFor([{ first: 0n, last: LAST_HASH }], parts ?? MOST_HASHED_PARTS) };
}

/** How many bits to leave out so that there are at most so many parts. */
function shiftFor(spans: readonly Pick<Part, "first" | "last">[], parts: bigint): number {
  for (let shift = 0; ; shift += 1) {
    const bits = BigInt(shift);
    const count = spans.reduce((all, { first, last }) => all + (last >> bits) - (first >> bits) + 1n, 0n);
    // Each span is a part at least, and two around zero.
    if (count <= parts || shift === 63) return shift;
  }
}

function isSmall({ left, right, first, last }: Differing, isByKey: boolean): boolean {
  const rows = left.rows > right.rows ? left.rows : right.rows;
  return rows <= (isByKey ? READ_ROWS : READ_HASHED_ROWS) || first === last;
}

/** From the first ones on, those that are read together, or cut together. */
function takeAlike(parts: readonly Differing[], isByKey: boolean, columns: number): Differing[] {
  const taken: Differing[] = [];
  let values = 0;
  for (const part of parts) {
    const small = isSmall(part, isByKey);
    values += small ? Number(part.left.rows + part.right.rows) * columns : 0;
    const [first] = taken;
    if (first === undefined) taken.push(part);
    else if (taken.length === PARTS_AT_ONCE || small !== isSmall(first, isByKey) || values > VALUES_AT_ONCE) break;
    else taken.push(part);
  }
  return taken;
}

/** Rows with a NULL, which no unique key keeps apart, are compared with none anyway. */
function isUnique({ uniqueKeys }: FoundTable, key: readonly string[]): boolean {
  return uniqueKeys.some((names) => names.every((name) => key.includes(name)));
}

function least(a: bigint | null, b: bigint | null): bigint | null {
  if (a === null || b === null) return a ?? b;
  return a < b ? a : b;
}

function greatest(a: bigint | null, b: bigint | null): bigint | null {
  if (a === null || b === null) return a ?? b;
  return a > b ? a : b;
}
