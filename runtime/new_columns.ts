import type { Column, ColumnType } from "../definitions/column_type.ts";
import { ContractError } from "../resources/errors.ts";
import type { Target } from "../resources/store.ts";
import { evolvedColumn, requireNewColumns } from "./evolved.ts";
import type { ValidRow } from "./validate_rows.ts";

/** What the values of a new column were so far. */
interface Seen {
  /** `null`: only NULL so far. */
  type: ColumnType | null;
  /** Whether one was a `bigint`, which no double holds. */
  hasBigint: boolean;
}

/** Finds the types of columns that nobody declared, from all of their values. */
export class NewColumns {
  readonly #target: Pick<Target, "assetKey">;
  readonly #known: readonly Column[];
  readonly #names: ReadonlySet<string>;
  readonly #seen = new Map<string, Seen>();

  /** @param known The columns that the rows have anyway. */
  constructor(target: Pick<Target, "assetKey">, known: readonly Column[]) {
    this.#target = target;
    this.#known = known;
    this.#names = new Set(known.map(({ name }) => name));
  }

  /** A column whose source says its type. @throws ContractError where values had another one */
  declare(name: string, type: ColumnType): void {
    if (this.#names.has(name)) return;
    this.#join(name, this.#of(name), type);
  }

  /** @throws ContractError for a value that no column type holds exactly, or none that holds all those before too */
  look(row: ValidRow): void {
    for (const [name, value] of Object.entries(row)) {
      if (this.#names.has(name)) continue;
      const seen = this.#of(name);
      if (value === null || value === undefined) continue;
      if (typeof value === "bigint") seen.hasBigint = true;
      this.#join(name, seen, this.#typeOf(name, value));
    }
  }

  /** Those that have a value: a column that is only NULL has no type, and nothing to keep. @throws ContractError */
  get(): Column[] {
    const found = [...this.#seen].flatMap(([name, { type }]) => (type === null ? [] : [evolvedColumn(name, type)]));
    requireNewColumns(
      this.#target,
      this.#known,
      found.map(({ name }) => name),
    );
    return found;
  }

  /** Names of the columns that are only NULL. */
  get empty(): string[] {
    return [...this.#seen].flatMap(([name, { type }]) => (type === null ? [name] : []));
  }

  #of(name: string): Seen {
    const seen = this.#seen.get(name) ?? { type: null, hasBigint: false };
    this.#seen.set(name, seen);
    return seen;
  }

  #join(name: string, seen: Seen, type: ColumnType): void {
    const before = seen.type;
    if (before === null || isSame(before, type)) {
      seen.type = type;
      return;
    }
    const kinds = [before.kind, type.kind];
    if (kinds.includes("int64") && kinds.includes("float64") && !seen.hasBigint) {
      // A double holds whole numbers to 2⁵³, which these are.
      seen.type = { kind: "float64" };
      return;
    }
    this.#refuse(name, `holds ${before.kind} and ${type.kind}, which no one column type holds exactly`);
  }

  #typeOf(name: string, value: unknown): ColumnType {
    switch (typeof value) {
      case "boolean":
        return { kind: "boolean" };
      case "bigint":
        if (BigInt.asIntN(64, value) !== value) this.#refuse(name, "holds an integer of more than 64 bits");
        return { kind: "int64" };
      case "number":
        if (!Number.isFinite(value)) this.#refuse(name, `holds ${value}`);
        return { kind: Number.isSafeInteger(value) ? "int64" : "float64" };
      case "string":
        if (!value.isWellFormed()) this.#refuse(name, "holds text that is not well-formed Unicode");
        return { kind: "string" };
      default:
        if (value instanceof Date && !Number.isNaN(value.getTime())) return { kind: "timestamp" };
        return this.#refuse(
          name,
          `holds ${value instanceof Date ? "an invalid date" : `a value of type ${typeof value}`}`,
        );
    }
  }

  #refuse(name: string, why: string): never {
    throw new ContractError(
      `${this.#target.assetKey}: the new column ${JSON.stringify(name.slice(0, 100))} ${why}: declare it in the contract; ` +
        "nothing was published",
    );
  }
}

function isSame(one: ColumnType, other: ColumnType): boolean {
  if (one.kind !== "decimal" || other.kind !== "decimal") return one.kind === other.kind;
  return one.precision === other.precision && one.scale === other.scale;
}
