import type { z } from "zod";
import type { Name, Shape } from "../asset.ts";
import type { Decimal, PlainDate } from "../column.ts";
import type { Duration } from "../duration.ts";
import type { Metric } from "./metric.ts";

/** The names of the columns that hold instants or days, or NULL. */
export type TimeName<S extends Shape> = NameOfNullable<S, Date | PlainDate>;
/** The names of the columns that hold numbers, or NULL. */
export type NumberName<S extends Shape> = NameOfNullable<S, number | bigint | Decimal>;

type NameOfNullable<S extends Shape, T> = {
  [K in keyof S & string]: NonNullable<z.output<S[K]>> extends T ? K : never;
}[keyof S & string];

/** What Superset is told of a column beyond its contract. */
export interface DatasetColumn {
  /** @default its name */
  readonly label?: string | undefined;
  /** Whether people can filter by it. @default true */
  readonly filterable?: boolean | undefined;
  /** Whether charts can group by it. @default true, but for JSON documents */
  readonly groupable?: boolean | undefined;
}

/** What to do with what people have edited in Superset: keep it, write over it, or fail and name it. */
export type OnConflict = "keep" | "overwrite" | "fail";

/** When a dataset is synced: after its asset has changed, by the reconciling schedule, or only when a person asks. */
export type Sync = "onMaterialize" | "scheduled" | "manual";

/**
 * The dataset of an asset in Superset: `superset/dataset/<schema>/<table>` in Dagster, which runs after the asset.
 * `M` are the names of its metrics.
 */
export interface Dataset<S extends Shape, M extends string> {
  /** Name to metric: what charts show. */
  readonly metrics?: { readonly [K in M]: Metric<NoInfer<Name<S>>, NoInfer<NumberName<S>>> } | undefined;
  /** The time that charts go by unless they say another. @default none */
  readonly timeColumn?: NoInfer<TimeName<S>> | undefined;
  /** How long Superset may answer from its cache; new data empties it before. @default "10m" */
  readonly cacheTimeout?: Duration | undefined;
  /** Who vouches for the data: Superset shows a badge with the name. @default none */
  readonly certifiedBy?: string | undefined;
  /** Users of Superset, by e-mail address, who may edit the dataset. @default the addresses among the asset's owners */
  readonly owners?: readonly string[] | undefined;
  readonly columns?: { readonly [K in NoInfer<Name<S>>]?: DatasetColumn } | undefined;
  /** @default "keep" */
  readonly onConflict?: OnConflict | undefined;
  /** @default "onMaterialize" */
  readonly sync?: Sync | undefined;
}
