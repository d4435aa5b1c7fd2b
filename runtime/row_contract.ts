import { z } from "zod";
import type { ContractPolicy } from "../definitions/asset.ts";
import { date, decimal, timestamp } from "../definitions/column.ts";
import type { Column, ColumnType } from "../definitions/column_type.ts";
import type { Target } from "../resources/store.ts";

/** Names that differ and are told; an object used as a map would fill the log. */
const MOST_TOLD = 20;

/** What the rows of a body are held to, by the policy of their contract. */
export class RowContract {
  readonly schema: z.ZodObject;
  /** Those of the rows: of the contract, and those that evolved. */
  readonly columns: readonly Column[];
  readonly #names: ReadonlySet<string>;
  readonly #isLenient: boolean;
  readonly #required: readonly string[];
  readonly #surplus = new Map<string, number>();
  readonly #missing = new Map<string, number>();

  /**
   * @param target With the columns that evolved.
   * @param takesNew Whether rows that evolve the table may do so.
   */
  constructor(declared: z.ZodObject, { columns }: Pick<Target, "columns">, policy: ContractPolicy, takesNew = true) {
    this.columns = columns;
    this.#names = new Set(columns.map(({ name }) => name));
    this.#isLenient = policy === "warn";
    const shape = declared.shape as Readonly<Record<string, z.ZodType>>;
    const nullable = columns.filter(({ name, nullable: isNullable }) => isNullable && isRequired(shape[name]));
    this.#required = nullable.map(({ name }) => name);
    this.schema = declared;
    if (policy === "warn") {
      const optional: Record<string, z.ZodType> = {};
      for (const { name } of nullable) if (shape[name] !== undefined) optional[name] = shape[name].optional();
      this.schema = extended(declared, optional).strip();
    }
    if (policy === "evolve") {
      const evolved = columns.filter(({ name }) => !(name in shape));
      const more: Record<string, z.ZodType> = {};
      for (const { name, type } of evolved) more[name] = valuesOf(type).nullish();
      this.schema = takesNew ? extended(declared, more).loose() : extended(declared, more);
    }
  }

  /** Counts what a lenient contract lets through; returns the page as it is. */
  look(page: Iterable<unknown>): Iterable<unknown> {
    if (!this.#isLenient) return page;
    const rows = [...page];
    for (const row of rows) {
      if (typeof row !== "object" || row === null) continue;
      for (const name of Object.keys(row)) if (!this.#names.has(name)) count(this.#surplus, name);
      for (const name of this.#required)
        if ((row as Readonly<Record<string, unknown>>)[name] === undefined) count(this.#missing, name);
    }
    return rows;
  }

  /** What was let through, for people. */
  differences(): string[] {
    const told = [
      ...[...this.#surplus].map(
        ([name, rows]) => `${JSON.stringify(name)} is not in the contract: left out of ${rows} rows`,
      ),
      ...[...this.#missing].map(([name, rows]) => `${JSON.stringify(name)} is missing: NULL in ${rows} rows`),
    ];
    if (told.length <= MOST_TOLD) return told;
    return [...told.slice(0, MOST_TOLD), `and ${told.length - MOST_TOLD} more`];
  }
}

function extended(declared: z.ZodObject, more: Readonly<Record<string, z.ZodType>>): z.ZodObject {
  // Unlike extend, it keeps the rules about a row as a whole.
  return declared.safeExtend(more);
}

function isRequired(schema: z.ZodType | undefined): boolean {
  return schema !== undefined && !schema.safeParse(undefined).success;
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** The values of a column that evolved. */
function valuesOf(type: ColumnType): z.ZodType {
  switch (type.kind) {
    case "string":
      return z.string();
    case "int32":
      return z.int32();
    case "int64":
      return z.union([z.int(), z.int64()]);
    case "float64":
      return z.number();
    case "boolean":
      return z.boolean();
    case "timestamp":
      return timestamp();
    case "date":
      return date();
    case "decimal":
      return decimal(type.precision, type.scale);
    case "json":
      return z.json();
  }
}
