/** What a data engineer imports to write assets. Pure declarations: importing this opens nothing. */
export { z } from "zod";
export { type Asset, type AssetOptions, defineAsset, type RetryPolicy, type Row } from "./asset.ts";
export { type Automation, eager, onCron, onMissing } from "./automation.ts";
export {
  archive,
  type Archive,
  type BodyContext,
  copy,
  type Copy,
  type CopySource,
  type Log,
  type MaterializedView,
  materializedView,
  parquet,
  type ParquetSource,
  type PostgresSource,
  postgresTable,
  query,
  type Query,
  type Rows,
  type RowsContext,
  type Task,
  type TaskResult,
  type TimeWindow,
} from "./body.ts";
export {
  acceptedValues,
  allow,
  type BadRow,
  between,
  type Check,
  keepFailedRows,
  matches,
  named,
  notNull,
  nullRateDrift,
  recent,
  references,
  rowCount,
  rowCountDrift,
  type RowsCheck,
  type RowsCheckContext,
  sameSum,
  sqlCheck,
  textLength,
  tsCheck,
  unique,
  warn,
} from "./check.ts";
export { date, type Decimal, decimal, int64, json, type PlainDate, timestamp } from "./column.ts";
export { type Diff, type DiffColumn, differences, type DiffSource, diffTables, noDifferences } from "./diff.ts";
export type { Duration } from "./duration.ts";
export type { Break, Deprecation } from "./evolution.ts";
export { by, type Freshness, within } from "./freshness.ts";
export { type DifferenceShape, validateMigration, type ValidationOptions } from "./migration.ts";
export {
  allOf,
  daily,
  dynamicKeys,
  hourly,
  lastOf,
  monthly,
  offsetOf,
  type PartitionMapping,
  type Partitions,
  someOf,
  staticKeys,
  twoDimensional,
  weekly,
} from "./partitions.ts";
export {
  defineSchedule,
  type Schedule,
  type ScheduleContext,
  type ScheduleOptions,
  type ScheduleResult,
} from "./schedule.ts";
export {
  defineSensor,
  type Sensor,
  type SensorContext,
  type SensorLogic,
  type SensorOptions,
  type SensorResult,
} from "./sensor.ts";
export type { ClickHouseIndex, ClickHouseTable, HyperTable, PostgresIndex, PostgresTable, Storage } from "./storage.ts";
export { type ColumnRef, cursor, keys, self, type Sql, sql, type TableRef, window } from "./sql.ts";
export type { Dataset, DatasetColumn, OnConflict, Sync } from "./superset/dataset.ts";
export {
  average,
  count,
  countDistinct,
  formula,
  maximum,
  type Metric,
  type MetricOptions,
  minimum,
  sum,
} from "./superset/metric.ts";
export { append, merge, type Write } from "./write.ts";
export type { Materialization, PartitionKeys, PartitionRange, RunRequest, TickContext } from "./tick.ts";
export { bar, bigNumber, type Chart, type Grain, pie, table, timeSeries } from "./superset/chart.ts";
export { type Dashboard, type DashboardOptions, defineDashboard, type WarmOptions } from "./superset/dashboard.ts";
export { type DashboardFilter, timeFilter, valueFilter } from "./superset/dashboard_filter.ts";
export {
  csv,
  type CsvSource,
  supersetChart,
  supersetDataset,
  type SupersetSource,
  type TextOptions,
  type Tolerance,
  type Validation,
  type ValidationSource,
  xlsx,
  type XlsxSource,
} from "./validation.ts";
