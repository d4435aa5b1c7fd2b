import type { Statement } from "./render_sql.ts";
import type { Sample } from "./store.ts";

/** The type of a column as far as values of two stores can be compared; `json` is compared as it is written. */
export type ComparedType =
  | { readonly kind: "integer" | "double" | "boolean" | "text" | "timestamp" | "date" | "json" }
  /** Digits in all and after the point; `null` where the column does not limit them. */
  | { readonly kind: "decimal"; readonly precision: number | null; readonly scale: number | null };

/** A spelling of values that is the same in all stores, so that equal values have equal checksums. */
export type Spelling = ComparedType["kind"] | "number";

/** A column as the engine has it. */
export interface FoundColumn {
  readonly name: string;
  /** As the engine calls it. */
  readonly typeName: string;
  /** `null`: its values cannot be compared. */
  readonly type: ComparedType | null;
  readonly nullable: boolean;
}

/** A table or a view, and what the engine itself guarantees. */
export interface FoundTable {
  readonly columns: readonly FoundColumn[];
  /** Sets of columns of which no two rows have the same values. */
  readonly uniqueKeys: readonly (readonly string[])[];
}

/** How a store writes what a comparison asks. Names are quoted already. */
export interface DiffSyntax {
  readonly quote: (name: string) => string;
  /** The placeholder of the parameter with this index, counted from 1. */
  readonly parameter: (index: number, value: bigint) => string;
  /** A value in a spelling that all stores share; NULL for NULL. */
  readonly spell: (name: string, spelling: Spelling, type: ComparedType) => string;
  /** A value such that those are grouped together that are spelt the same. */
  readonly grouped: (name: string, type: ComparedType) => string;
  /** How many bytes of UTF-8 a text has. */
  readonly byteLength: (text: string) => string;
  /** The first 60 bits of the MD5 of a text, a 64-bit integer that is never negative. */
  readonly checksum: (text: string) => string;
  /** A hash of 64 bits of the engine's own, which only it can compute; many times as quick. */
  readonly nativeHash: (columns: readonly { readonly name: string; readonly type: ComparedType }[]) => string;
  /** 60 bits of it, as a 64-bit integer that is never negative. */
  readonly nativePosition: (hash: string) => string;
  readonly toInt64: (name: string) => string;
  /** A 64-bit integer without its last bits, its sign kept. */
  readonly shiftRight: (value: string, bits: number) => string;
  /** A checksum or a hash as the engine adds it up; absent: as it is. */
  readonly summand?: (hash: string) => string;
}

/** Tables of one store as they are at one moment, however long they are looked at. */
export interface FrozenTables {
  /** For people, without secrets. */
  readonly place: string;
  readonly syntax: DiffSyntax;
  /** @throws MissingTableError */
  describe(table: TableName): Promise<FoundTable>;
  /** Runs a query; values as text, NULL as `null`. One at a time. */
  text(statement: Statement): Promise<Sample>;
}

/** A table in a store. */
export interface TableName {
  readonly schema: string;
  readonly table: string;
}
