import type { Column } from "../definitions/column_type.ts";
import { tryGetSeconds } from "../definitions/duration.ts";
import type { Sql } from "../definitions/sql.ts";
import type { Write } from "../definitions/write.ts";
import type { StoreKind, Target } from "../resources/store.ts";
import { bindSql } from "./bind_sql.ts";

/** Where a run begins and where the next one will. */
export class Cursor {
  readonly #write: Write;
  readonly #column: Column | undefined;
  /** Where the last publish ended; `null`: there is none, or all is made anew. */
  readonly last: string | null;
  #saved: string | null = null;

  constructor(write: Write, { columns }: Pick<Target, "columns">, last: string | null) {
    this.#write = write;
    this.#column = columns.find(({ name }) => name === write.cursor);
    this.last = last;
  }

  /** Where the run begins to read: the lag before the last end. */
  get start(): string | null {
    const { lag } = this.#write;
    if (this.last === null || lag === null) return this.last;
    const [whole = "", micros = ""] = this.last.split(/(?<=\.\d{3})(?=\d{3}Z$)/);
    const begin = new Date(micros === "" ? whole : `${whole}Z`).getTime() - (tryGetSeconds(lag) ?? 0) * 1000;
    return new Date(begin).toISOString().replace("Z", micros === "" ? "Z" : micros);
  }

  /**
   * Whether a run that begins at `start` reads a row again.
   *
   * @param start `null`: it begins with the first row.
   */
  reads(row: Readonly<Record<string, unknown>>, start: string | null): boolean {
    if (this.#column === undefined) return false;
    const value = row[this.#column.name];
    const text = value instanceof Date ? value.toISOString().replace("Z", "000Z") : String(value);
    // Years of more than four digits are not in the order of texts.
    return start === null || /^[+-]\d{6}-/.test(text) || isBeyond(text, start, this.#column);
  }

  /** Whether a row is beyond another; without a column of the cursor none is. */
  isNewer(one: Readonly<Record<string, unknown>>, other: Readonly<Record<string, unknown>>): boolean {
    const [left, right] = [one, other].map((row) => row[this.#column?.name ?? ""]);
    if (left instanceof Date && right instanceof Date) return left > right;
    return this.#column !== undefined && isBeyond(String(left), String(right), this.#column);
  }

  /** Told by the body. */
  save(cursor: string): void {
    if (this.#column !== undefined)
      throw new TypeError(`saveCursor: the cursor of this asset is the greatest ${this.#column.name}`);
    if (typeof (cursor as unknown) !== "string") throw new TypeError("saveCursor: a cursor is a text");
    if (!cursor.isWellFormed()) throw new TypeError("saveCursor: the cursor is not well-formed Unicode");
    this.#saved = cursor;
  }

  /**
   * Where the next run begins: never before this one, whatever the source says now.
   *
   * @param staged The greatest staged value of the cursor's column.
   */
  next(staged: string | null): string | null {
    if (this.#column === undefined) return this.#saved ?? this.last;
    if (staged === null || this.last === null) return staged ?? this.last;
    return isBeyond(staged, this.last, this.#column) ? staged : this.last;
  }
}

/** The SQL with a value bound where it says the cursor. */
export function bindCursor(
  sql: Sql,
  { columns }: Pick<Target, "columns">,
  write: Write | undefined,
  store: StoreKind,
  start: string | null,
): Sql {
  const column = columns.find(({ name }) => name === write?.cursor);
  if (column === undefined) return sql;
  const bound: Sql = {
    kind: "sql",
    strings: ["CAST(", ` AS ${store.typeName(column.type)})`],
    values: [start ?? leastValue(column, store)],
  };
  return bindSql(sql, "cursor", bound);
}

/** The least that the store holds, so that the first run reads all that is beyond it. */
function leastValue({ type }: Column, store: StoreKind): string {
  switch (type.kind) {
    case "timestamp":
    case "date":
      return store.earliest;
    case "int32":
      return String(-(2 ** 31));
    default:
      return String(-(2n ** 63n));
  }
}

/** Instants and days are texts of one length, so they have the order of texts. */
function isBeyond(one: string, other: string, { type }: Column): boolean {
  return type.kind === "int32" || type.kind === "int64" ? BigInt(one) > BigInt(other) : one > other;
}
