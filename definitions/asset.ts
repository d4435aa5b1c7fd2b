import type { z } from "zod";
import { asText } from "./as_text.ts";
import type { Automation } from "./automation.ts";
import type { Body } from "./body.ts";
import type { Check } from "./check.ts";
import type { PlainDate } from "./column.ts";
import type { Column } from "./column_type.ts";
import type { Duration } from "./duration.ts";
import { type Break, type Deprecation, deprecationNote } from "./evolution.ts";
import type { Fault, SourcePosition } from "./fault.ts";
import type { Freshness } from "./freshness.ts";
import type { KeyPartitions, PartitionMapping, TimePartitions, TwoDimensionalPartitions } from "./partitions.ts";
import { register } from "./registry.ts";
import { callerPositions, UNKNOWN_POSITION } from "./source_position.ts";
import type { ColumnRef, TableRef } from "./sql.ts";
import type { Storage } from "./storage.ts";
import type { Dataset } from "./superset/dataset.ts";
import { validate } from "./validate.ts";
import type { Write } from "./write.ts";

/** The columns of an asset: name to zod type. */
export type Shape = z.ZodRawShape;
/** The names of the columns. */
export type Name<S extends Shape> = keyof S & string;
/** The names of the columns whose value is a `T` and never null. */
export type NameOf<S extends Shape, T> = { [K in keyof S & string]: z.output<S[K]> extends T ? K : never }[keyof S &
  string];
/** What a body yields: not yet validated. */
export type Row<S extends Shape> = z.input<z.ZodObject<S>>;

/** How Dagster runs a failed step again. */
export interface RetryPolicy {
  readonly maxRetries: number;
  /** Wait before the first retry. @default 0 */
  readonly delaySeconds?: number | undefined;
  /** How the wait grows. @default none */
  readonly backoff?: "linear" | "exponential" | undefined;
  /** Randomness of the wait. @default none */
  readonly jitter?: "full" | "plus_minus" | undefined;
}

/**
 * What happens where a source does not have just the columns of the contract.
 *
 * - `freeze`: rows with others are quarantined, a copy with others is refused.
 * - `evolve`: columns that the contract does not have are added to the table, nullable, with the type that all of their
 *   values have; they stay, whether later runs bring them or not. What has no such type is refused.
 * - `warn`: columns that the contract does not have are left out, nullable ones that are missing are NULL; both are said in
 *   the log and in Dagster.
 *
 * Values that do not fit their column are refused by all three.
 */
export type ContractPolicy = "freeze" | "evolve" | "warn";

/** Everything that an asset is; `M` are the names of its metrics in Superset. */
export interface AssetOptions<S extends Shape, M extends string = string> {
  readonly description: string;
  /**
   * The contract, made with `z.strictObject`: the type of a row in TypeScript, the table in every store, the column
   * schema in Dagster. A task has none.
   */
  readonly columns?: z.ZodObject<S, z.core.$strict> | undefined;
  /** The columns that name one row. */
  readonly key?: readonly NoInfer<Name<S>>[] | undefined;
  /**
   * Changes of the columns that break charts in Superset and are meant: each lets one publish pass, the first that has it.
   * @default none: such a publish is stopped
   */
  readonly breaks?: readonly Break[] | undefined;
  /** The asset is kept for a while beside the one that takes its place. */
  readonly deprecated?: Deprecation | undefined;
  readonly partitions?:
    | TimePartitions<NoInfer<NameOf<S, Date | PlainDate>>>
    | KeyPartitions<NoInfer<NameOf<S, string>>>
    | TwoDimensionalPartitions<NoInfer<NameOf<S, Date | PlainDate>>, NoInfer<NameOf<S, string>>>
    | undefined;
  /** Which partitions of other assets a partition reads. @default those of the same key or time; all, without partitions */
  readonly partitionMappings?: readonly PartitionMapping[] | undefined;
  /**
   * Computes the partitions of a run one by one, each with its own checks and publish: one that fails leaves the others
   * published. Bodies of rows run side by side, up to `concurrency`. @default all partitions of a run at once
   */
  readonly each?: { readonly concurrency: number } | undefined;
  /** Cuts a long backfill into runs of so many partitions. @default one run */
  readonly maxPartitionsPerRun?: number | undefined;
  /**
   * How the rows of a run join the table: `append(…)` or `merge(…)`. @default they are the table; with partitions, they
   * are those of the run's partitions
   */
  readonly write?: Write<NoInfer<Name<S>>> | undefined;
  readonly checks?: readonly Check<NoInfer<Name<S>>>[] | undefined;
  readonly freshness?: Freshness | undefined;
  readonly automation?: Automation | undefined;
  /** E-mail addresses, or `team:name`. */
  readonly owners?: readonly string[] | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** @default the schema, which is the first part of the key */
  readonly group?: string | undefined;
  /** Dagster's concurrency pool. */
  readonly pool?: string | undefined;
  readonly retry?: RetryPolicy | undefined;
  /** Where the table is: `"duckdb"`, `"postgres"`, `"clickhouse"` or `"hyper"`. @default what `WAREHOUSE` says, else `"duckdb"` */
  readonly store?: "duckdb" | "postgres" | "clickhouse" | "hyper" | undefined;
  /** How the table is laid out in a store: indexes, partitions, order of the rows. @default the store's own way */
  readonly storage?: Storage<NoInfer<Name<S>>> | undefined;
  /** The step is ended when it takes longer. @default "1h" */
  readonly timeout?: Duration | undefined;
  /** Rows that break the contract are kept apart; the asset fails when there are more than `maxRows`. @default 0 */
  readonly quarantine?: { readonly maxRows: number } | undefined;
  /** Its dataset in Superset: metrics, time, cache, what people may edit. @default none */
  readonly superset?: Dataset<S, M> | undefined;
  /** What becomes of columns of a source that the contract does not have; for bodies of `rows` and `copy`. @default "freeze" */
  readonly contract?: ContractPolicy | undefined;
  readonly body: Body<NoInfer<Name<S>>, NoInfer<Row<S>>>;
}

/** An asset, as other assets, checks and dashboards refer to it; `M` are the names of its metrics in Superset. */
export interface Asset<S extends Shape = Shape, M extends string = string> extends TableRef {
  readonly columns: z.ZodObject<S, z.core.$strict>;
  /** References to the columns, for SQL templates. */
  readonly c: { readonly [K in keyof S]: ColumnRef };
  /** The names of its metrics in Superset. */
  readonly metrics: readonly M[];
}

/** An asset as the runtime sees it: its options, without their types, and what was read off them. */
export interface DefinedAsset {
  /** `schema/table`. */
  readonly key: string;
  readonly options: AssetOptions<Shape>;
  /** Empty for a task. */
  readonly columns: readonly Column[];
  /** Where it is defined. */
  readonly position: SourcePosition;
  /** Everything on the stack of its definition, innermost first: a function may have defined it for a file. */
  readonly callers: readonly SourcePosition[];
  readonly faults: readonly Fault[];
}

/**
 * Declares an asset: one table and how it is computed. Never throws: mistakes are recorded with their file and line and
 * reported together when the manifest is built.
 *
 * @param key `"schema/table"`, the same as the file's path below `assets/`.
 * @example
 * ```ts
 * import { defineAsset, query, unique, z } from "dagster-typescript";
 * import { raw_events } from "./raw_events.ts";
 *
 * export const users = defineAsset("retail/users", {
 *   description: "Everyone who ever bought something.",
 *   columns: z.strictObject({ user_id: z.int().describe("Household") }),
 *   checks: [unique("user_id")],
 *   body: query("retail/users.sql", { raw_events }),
 * });
 * ```
 */
export function defineAsset<S extends Shape, M extends string = never>(
  key: string,
  options: AssetOptions<S, M>,
): Asset<S, M> {
  const callers = callerPositions();
  const [position = UNKNOWN_POSITION] = callers;
  const name = asText(key);
  // Options of one shape are not options of any shape to the compiler: functions take the rows of just that shape.
  const read = validate(name, options as unknown as AssetOptions<Shape>, position);
  register({ key: name, options: noted(read.options), columns: read.columns, position, callers, faults: read.faults });
  const c = Object.fromEntries(
    read.columns.map((column): [string, ColumnRef] => [
      column.name,
      { kind: "column", assetKey: name, column: column.name },
    ]),
  );
  const columns = read.options.columns as Asset<S>["columns"];
  const metrics = Object.keys(read.options.superset?.metrics ?? {}) as M[];
  return { kind: "table", assetKey: name, columns, c: c as Asset<S>["c"], metrics };
}

/** The description says a deprecation, wherever it is shown: in Dagster, in the store, in Superset. */
function noted(options: AssetOptions<Shape>): AssetOptions<Shape> {
  const { description, deprecated } = options;
  if (deprecated === undefined) return options;
  return { ...options, description: `${description} ${deprecationNote(deprecated)}` };
}
