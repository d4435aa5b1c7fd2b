import { type ComparedColumn, type ComparedColumns, type ComparedTable } from "./compared_columns.ts";
import type { Statement } from "./render_sql.ts";

/** Positions that are hashes are from 0 to here. */
export const LAST_HASH = 2n ** 60n - 1n;

/** What a side counted in a part of its rows. */
export interface PartFacts {
  readonly rows: bigint;
  /** Of the checksums of the rows. */
  readonly sum: string;
  /** The least and the greatest position; `null` without rows, and where positions are hashes. */
  readonly first: bigint | null;
  readonly last: bigint | null;
}

/** What a side counted in all of its rows. */
export interface Survey {
  readonly rows: bigint;
  /** Rows without a whole key. */
  readonly nullKeys: bigint;
  /** Of the checksums of all rows; `null`: they were not computed. */
  readonly sum: string | null;
}

/** Rows whose positions share all but their last `shift` bits, within bounds that are included. */
export interface Part {
  readonly shift: number;
  /** The bits that they share. */
  readonly prefix: bigint;
  readonly first: bigint;
  readonly last: bigint;
}

/** One side's columns, in the order of the pairs. */
interface SideColumns {
  readonly key: readonly ComparedColumn[];
  readonly columns: readonly ComparedColumn[];
}

/**
 * What a comparison asks one side. Each row has a position, a 64-bit integer by which the rows are cut into parts: the key
 * itself where that is one integer, whose index then finds a part; else a hash of the key, which is even whatever the
 * keys are, and needs no order that two stores would have to share.
 */
export class SideQueries {
  readonly side: ComparedTable;
  readonly isByKey: boolean;
  readonly #own: SideColumns;
  readonly #native: boolean;

  /** @param isNative Whether both sides are in one store and of the same types: its own hashes do then. */
  constructor(side: ComparedTable, compared: ComparedColumns, which: "left" | "right", isNative: boolean) {
    this.side = side;
    this.#own = {
      key: compared.key.map((pair) => pair[which]),
      columns: compared.columns.map((pair) => pair[which]),
    };
    this.#native = isNative;
    const [first, ...more] = compared.key;
    this.isByKey = first?.left.spelling === "integer" && more.length === 0;
  }

  /** Counts all rows; and adds up their checksums, where the store's own hashes make that cheap. */
  async survey(): Promise<Survey> {
    const isNull = this.#own.key.filter(({ nullable }) => nullable).map((one) => `${this.#name(one)} IS NULL`);
    const nulls = isNull.length === 0 ? "0" : `count(CASE WHEN ${isNull.join(" OR ")} THEN 1 END)`;
    const sum = this.#native ? this.#sum() : "NULL";
    const [row = []] = await this.#rows(`SELECT count(*), ${nulls}, ${sum} FROM ${this.#table}`, []);
    return { rows: BigInt(row[0] ?? 0), nullKeys: BigInt(row[1] ?? 0), sum: row[2] ?? null };
  }

  /** The least and the greatest key, where those are positions. */
  async bounds(): Promise<Pick<PartFacts, "first" | "last">> {
    if (!this.isByKey) return { first: null, last: null };
    const position = this.#position();
    const [row = []] = await this.#rows(`SELECT min(${position}), max(${position}) FROM ${this.#table}`, []);
    return { first: toBigint(row[0]), last: toBigint(row[1]) };
  }

  /** Keys that several rows share: each as its values and the number of its rows, some of them; and how many there are. */
  async duplicates(limit: number): Promise<{
    readonly count: bigint;
    readonly some: readonly { readonly key: readonly string[]; readonly rows: bigint }[];
  }> {
    const { syntax } = this.side.snapshot;
    const grouped = this.#own.key.map((one, index) => `${syntax.grouped(this.#name(one), one.type)} AS k${index}`);
    const names = grouped.map((_, index) => `k${index}`);
    const shown = this.#own.key.map(({ spelling, type }, index) => syntax.spell(`k${index}`, spelling, type));
    const rows = await this.#rows(
      `SELECT total, n, ${shown.join(", ")} FROM (
        SELECT ${names.join(", ")}, count(*) AS n, count(*) OVER () AS total
        FROM (SELECT ${grouped.join(", ")} FROM ${this.#table}${where([this.#hasKey])}) AS keys
        GROUP BY ${names.join(", ")} HAVING count(*) > 1) AS twins
      ORDER BY ${names.join(", ")} LIMIT ${limit}`,
      [],
    );
    return {
      count: BigInt(rows[0]?.[0] ?? 0),
      some: rows.map(([, n, ...key]) => ({ rows: BigInt(n ?? 0), key: key.map((value) => value ?? "") })),
    };
  }

  /** Counts and sums of the rows of some parts, or of all, by all but the last `shift` bits of their positions. */
  async facts(parts: readonly Part[] | null, shift: number): Promise<ReadonlyMap<bigint, PartFacts>> {
    const { syntax } = this.side.snapshot;
    const parameters: bigint[] = [];
    const position = this.#position();
    const bounds = this.isByKey ? `, min(${position}), max(${position})` : "";
    const rows = await this.#rows(
      `SELECT ${syntax.shiftRight(position, shift)}, count(*), ${this.#sum()}${bounds} FROM ${this.#table}` +
        `${where([this.#hasKey, parts === null ? "" : this.#inside(parts, parameters)])} GROUP BY 1`,
      parameters,
    );
    return new Map(
      rows.map(([prefix, count, sum, first, last]) => [
        BigInt(prefix ?? 0),
        { rows: BigInt(count ?? 0), sum: sum ?? "", first: toBigint(first), last: toBigint(last) },
      ]),
    );
  }

  /** The rows of some parts: the values of the key, then those of the columns, in their common spelling. */
  async read(parts: readonly Part[]): Promise<readonly (readonly (string | null)[])[]> {
    const { syntax } = this.side.snapshot;
    const parameters: bigint[] = [];
    const values = [...this.#own.key, ...this.#own.columns].map((one) =>
      syntax.spell(this.#name(one), one.spelling, one.type),
    );
    return await this.#rows(
      `SELECT ${values.join(", ")} FROM ${this.#table}${where([this.#hasKey, this.#inside(parts, parameters)])}`,
      parameters,
    );
  }

  get #table(): string {
    const { snapshot, table } = this.side;
    return `${snapshot.syntax.quote(table.schema)}.${snapshot.syntax.quote(table.table)}`;
  }

  /** Rows without a whole key belong to no part; they are counted apart. */
  get #hasKey(): string {
    return this.#own.key
      .filter(({ nullable }) => nullable)
      .map((one) => `${this.#name(one)} IS NOT NULL`)
      .join(" AND ");
  }

  #name({ name }: ComparedColumn): string {
    return this.side.snapshot.syntax.quote(name);
  }

  #position(): string {
    const { syntax } = this.side.snapshot;
    const { key } = this.#own;
    if (this.isByKey) return syntax.toInt64(key.map((one) => this.#name(one)).join());
    if (this.#native) return syntax.nativePosition(syntax.nativeHash(this.#named(key)));
    return syntax.checksum(this.#rowText(key));
  }

  /** Of the checksums of rows. */
  #sum(): string {
    const { syntax } = this.side.snapshot;
    const all = [...this.#own.key, ...this.#own.columns];
    const checksum = this.#native ? syntax.nativeHash(this.#named(all)) : syntax.checksum(this.#rowText(all));
    return `sum(${syntax.summand?.(checksum) ?? checksum})`;
  }

  #named(columns: readonly ComparedColumn[]): { name: string; type: ComparedColumn["type"] }[] {
    return columns.map((one) => ({ name: this.#name(one), type: one.type }));
  }

  /** Texts come after their length, so that no two rows are the same text; NULL is nothing at all. */
  #rowText(columns: readonly ComparedColumn[]): string {
    const { syntax } = this.side.snapshot;
    const fields = columns.map((one) => {
      const value = syntax.spell(this.#name(one), one.spelling, one.type);
      const field = ["text", "json"].includes(one.spelling) ? `${syntax.byteLength(value)} || ':' || ${value}` : value;
      return one.nullable ? `coalesce(${field}, '')` : field;
    });
    return balanced(fields);
  }

  #inside(parts: readonly Part[], parameters: bigint[]): string {
    const { syntax } = this.side.snapshot;
    const bind = (value: bigint): string => syntax.parameter(parameters.push(value), value);
    if (this.isByKey) {
      // The column itself, for which there may be an index.
      const key = this.#own.key.map((one) => this.#name(one)).join();
      return parts.map(({ first, last }) => `${key} BETWEEN ${bind(first)} AND ${bind(last)}`).join(" OR ");
    }
    const position = this.#position();
    return [...Map.groupBy(parts, ({ shift }) => shift)]
      .map(
        ([shift, some]) =>
          `${syntax.shiftRight(position, shift)} IN (${some.map(({ prefix }) => bind(prefix)).join(", ")})`,
      )
      .join(" OR ");
  }

  async #rows(text: string, parameters: Statement["parameters"]): Promise<readonly (readonly (string | null)[])[]> {
    return (await this.side.snapshot.text({ text, parameters })).rows;
  }
}

/** Fields with a bar between them; as a tree, since engines limit the depth of an expression. */
function balanced(fields: readonly string[]): string {
  if (fields.length <= 2) return fields.join(" || '|' || ");
  const middle = fields.length >> 1;
  return `(${balanced(fields.slice(0, middle))}) || '|' || (${balanced(fields.slice(middle))})`;
}

function where(conditions: readonly string[]): string {
  const some = conditions.filter((one) => one !== "").map((one) => `(${one})`);
  return some.length === 0 ? "" : ` WHERE ${some.join(" AND ")}`;
}

function toBigint(text: string | null | undefined): bigint | null {
  return text === null || text === undefined ? null : BigInt(text);
}
