import type { OnConflict } from "../../../definitions/superset/dataset.ts";

/** A column as the contract has it; `undefined`: nothing is declared, so what Superset has stays. */
export interface WantedColumn {
  readonly name: string;
  /** In the words of the store. */
  readonly type: string;
  readonly label: string | undefined;
  readonly description: string | undefined;
  readonly filterable: boolean;
  readonly groupable: boolean;
  readonly isTime: boolean;
}

/** A metric as it is declared. */
export interface WantedMetric {
  readonly name: string;
  /** An aggregate in the SQL of the store, its columns quoted. */
  readonly expression: string;
  readonly label: string | undefined;
  readonly description: string | undefined;
  /** In D3's language. */
  readonly format: string | undefined;
}

/** What a dataset should be. */
export interface WantedDataset {
  /** Its own for good, so that charts find it in a Superset that was rebuilt. */
  readonly uuid: string;
  readonly databaseId: number;
  /** `null` where the database has no schemas. */
  readonly schema: string | null;
  readonly table: string;
  /** `schema/table` */
  readonly assetKey: string;
  readonly description: string;
  readonly columns: readonly WantedColumn[];
  readonly metrics: readonly WantedMetric[];
  readonly timeColumn: string | undefined;
  readonly cacheTimeoutSeconds: number;
  readonly certifiedBy: string | undefined;
  /** E-mail addresses. */
  readonly owners: readonly string[];
  readonly onConflict: OnConflict;
  /** The page of the asset in Dagster. */
  readonly link: string | undefined;
}

/** The data that the table holds. */
export interface PublishedData {
  /** Changes with the content. */
  readonly dataVersion: string;
  /** The run that published it. */
  readonly runId: string;
  /** ISO text */
  readonly at: string;
  /** Whether the table has held other data since the dataset was last synced, and may hold the same again now. */
  readonly wasOther?: boolean | undefined;
}
