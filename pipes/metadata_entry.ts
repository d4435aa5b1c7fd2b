/** Anything that JSON can hold, and integers of any size as bigint. */
export type JsonValue = string | number | bigint | boolean | null | readonly JsonValue[] | JsonObject;

/** An object that JSON can hold. */
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}

/** `T` where it has a JSON form, `never` where it has none; lets interfaces through, which `JsonValue` does not. */
export type Jsonable<T> = unknown extends T
  ? T
  : T extends JsonValue | undefined
    ? T
    : T extends { toJSON(): unknown }
      ? T
      : T extends ((...args: never[]) => unknown) | symbol | ReadonlyMap<unknown, unknown> | ReadonlySet<unknown>
        ? never
        : { [K in keyof T]: Jsonable<T[K]> };

/** What a column promises. */
export interface TableColumnConstraints {
  /** @default true */
  readonly nullable?: boolean;
  /** @default false */
  readonly unique?: boolean;
  /** Anything else, in words. */
  readonly other?: readonly string[];
}

/** One column of a table. */
export interface TableColumn {
  readonly name: string;
  /** The store's own name of the type. */
  readonly type: string;
  readonly description?: string | null;
  readonly tags?: Readonly<Record<string, string>> | null;
  readonly constraints?: TableColumnConstraints | null;
}

/** One row of a table shown in Dagster. */
export type TableRecord = Readonly<Record<string, string | number | bigint | boolean | null>>;

/** The column of an upstream asset that a column is made from, as the protocol writes it. */
export interface TableColumnDep {
  readonly asset_key: readonly string[];
  readonly column_name: string;
}

/** The typed metadata values as the protocol writes them, by type. */
export interface MetadataRawValues {
  readonly text: string;
  readonly url: string;
  readonly path: string;
  readonly notebook: string;
  readonly md: string;
  readonly dagster_run: string;
  /** Parts joined by `/`. */
  readonly asset: string;
  readonly json: object | string | null;
  readonly float: number;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly int: number | bigint;
  readonly bool: boolean;
  readonly null: null;
  readonly table: { readonly records: readonly TableRecord[]; readonly schema: readonly TableColumn[] };
  readonly table_schema: { readonly columns: readonly TableColumn[] };
  readonly table_column_lineage: {
    readonly deps_by_column: Readonly<Record<string, readonly TableColumnDep[]>>;
  };
  readonly __infer__: string | number | bigint | boolean | readonly JsonValue[] | null;
}

/** Every metadata type of the protocol. */
export type MetadataType = keyof MetadataRawValues;

/** A metadata value of one type. */
export interface MetadataEntryOf<Type extends MetadataType> {
  readonly type: Type;
  readonly raw_value: MetadataRawValues[Type];
}

/** One typed metadata value. Make them with {@link metadata}. */
export type MetadataEntry = { [Type in MetadataType]: MetadataEntryOf<Type> }[MetadataType];

/**
 * A metadata value: a typed entry, or a bare scalar or array whose type is inferred. A bare number
 * is an int when it is a safe integer and a float otherwise; use `metadata.float` for a series
 * that must not change its type at whole numbers. Objects need `metadata.json`.
 */
export type MetadataInput = MetadataEntry | string | number | bigint | boolean | null | readonly JsonValue[];

/** Metadata by name. */
export type MetadataMap = Readonly<Record<string, MetadataInput>>;
