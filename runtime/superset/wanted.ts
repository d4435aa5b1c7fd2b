import { tryGetSeconds } from "../../definitions/duration.ts";
import type { Column } from "../../definitions/column_type.ts";
import type { DatasetColumn } from "../../definitions/superset/dataset.ts";
import { metricExpression } from "../../resources/superset/dataset/expression.ts";
import type { WantedColumn, WantedDataset } from "../../resources/superset/dataset/wanted.ts";
import { supersetUuid } from "../../resources/superset/uuid.ts";
import type { StoreKind } from "../../resources/store.ts";
import type { ResolvedAsset } from "../resolve.ts";

/** Short, so that what nobody synced does not stay wrong for long. */
const CACHE_SECONDS = 600;

/** The UUID of the dataset of an asset, for good. */
export function datasetUuid({ key, store }: Pick<ResolvedAsset, "key" | "store">): string {
  return supersetUuid("dataset", store.name, key);
}

/**
 * What the dataset of an asset should be.
 *
 * @param databaseId Of the connection of the asset's store in Superset.
 */
export function wantedDataset(
  asset: ResolvedAsset,
  databaseId: number,
  env: Readonly<Record<string, string | undefined>>,
): WantedDataset {
  const { key, target, store, defined } = asset;
  const { superset, description, owners = [] } = defined.options;
  if (superset === undefined || target === null) throw new TypeError(`${key} has no dataset`);
  return {
    uuid: datasetUuid(asset),
    databaseId,
    schema: target.schema,
    table: target.table,
    assetKey: key,
    description,
    columns: target.columns.map((column) => wantedColumn(column, superset.columns?.[column.name] ?? {}, store)),
    metrics: Object.entries(superset.metrics ?? {}).map(([name, metric]) => ({
      name,
      expression: metricExpression(metric, store.name),
      label: metric.label,
      description: metric.description,
      format: metric.format,
    })),
    timeColumn: superset.timeColumn,
    cacheTimeoutSeconds: tryGetSeconds(superset.cacheTimeout ?? "") ?? CACHE_SECONDS,
    certifiedBy: superset.certifiedBy,
    owners: superset.owners ?? owners.filter((owner) => owner.includes("@")),
    onConflict: superset.onConflict ?? "keep",
    link: assetPage(key, env),
  };
}

function wantedColumn(
  { name, type, description }: Column,
  { label, filterable = true, groupable = type.kind !== "json" }: DatasetColumn,
  store: StoreKind,
): WantedColumn {
  return {
    name,
    type: store.typeName(type),
    label,
    description: description ?? undefined,
    filterable,
    groupable,
    isTime: type.kind === "timestamp" || type.kind === "date",
  };
}

/** The page of an asset in Dagster, where `DAGSTER_URL` says where that is. */
function assetPage(key: string, env: Readonly<Record<string, string | undefined>>): string | undefined {
  const url = (env["DAGSTER_URL"] ?? "").replace(/\/+$/, "");
  return /^https?:\/\//.test(url) ? `${url}/assets/${key}` : undefined;
}
