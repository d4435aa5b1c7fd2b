import type { AssetOptions, Shape } from "./asset.ts";
import type { Column } from "./column_type.ts";
import type { Sql } from "./sql.ts";
import {
  type ClickHouseIndex,
  type ClickHouseTable,
  type HyperTable,
  INDEX_METHODS,
  PARTITION_PERIODS,
  type PostgresIndex,
  type PostgresTable,
  REPLACE_PARTITIONS,
  type Storage,
} from "./storage.ts";
import type { Add } from "./validate.ts";
import { requireOptions } from "./validate_names.ts";

type Names<T> = Readonly<Record<keyof T, true>>;
const STORES: Names<Storage> = { postgres: true, clickhouse: true, hyper: true };
const POSTGRES: Names<PostgresTable> = { indexes: true, partitionBy: true };
const POSTGRES_INDEX: Names<PostgresIndex> = {
  ...{ columns: true, name: true, unique: true, include: true, where: true, method: true },
};
const POSTGRES_PARTITIONS: Names<NonNullable<PostgresTable["partitionBy"]>> = { column: true, every: true };
const CLICKHOUSE: Names<ClickHouseTable> = {
  ...{ orderBy: true, primaryKey: true, partitionBy: true, ttl: true, indexes: true, codecs: true },
  replacePartitions: true,
};
const CLICKHOUSE_INDEX: Names<ClickHouseIndex> = { name: true, expression: true, type: true, granularity: true };
const HYPER: Names<HyperTable> = { interruptReaders: true };

/** A type of a skipping index, with numbers only: it becomes a part of a statement as it is. */
const INDEX_TYPE = /^[a-z][a-z0-9_]*(\([\d., ]*\))?$/;
const CODECS = /^[A-Za-z]\w*(\(\d+(, ?\d+)*\))?(, ?[A-Za-z]\w*(\(\d+(, ?\d+)*\))?)*$/;
/** PostgreSQL cuts longer names silently. */
const INDEX_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;

/** What is wrong with the layout of a table, as far as it shows without an engine. */
export function checkStorage({ storage, body }: AssetOptions<Shape>, columns: readonly Column[], add: Add): void {
  if (storage === undefined || !requireOptions("storage", storage, STORES, add)) return;
  if ("task" in body) add("bad_option", "storage: a task has no table");
  const isView = "kind" in body && body.kind === "materialized_view";
  const { postgres, clickhouse, hyper } = storage;
  if (postgres !== undefined && requireOptions("storage.postgres", postgres, POSTGRES, add))
    checkPostgres(postgres, columns, isView, add);
  if (clickhouse !== undefined && requireOptions("storage.clickhouse", clickhouse, CLICKHOUSE, add))
    checkClickHouse(clickhouse, columns, add);
  if (hyper !== undefined && requireOptions("storage.hyper", hyper, HYPER, add)) checkHyper(hyper, add);
}

function checkHyper({ interruptReaders }: HyperTable, add: Add): void {
  if (!["boolean", "undefined"].includes(typeof interruptReaders))
    add(
      "bad_option",
      `storage.hyper.interruptReaders: expected true or false, got ${JSON.stringify(interruptReaders)}`,
    );
}

function checkPostgres(table: PostgresTable, columns: readonly Column[], isView: boolean, add: Add): void {
  const bad = (message: string): void => {
    add("bad_option", `storage.postgres: ${message}`);
  };
  const names = new Set<string>();
  for (const [index, one] of (table.indexes ?? []).entries()) {
    const where = `indexes[${index}]`;
    requireOptions(`storage.postgres.${where}`, one, POSTGRES_INDEX, add);
    if (one.columns.length === 0) bad(`${where}: expected at least one column`);
    requireColumns(`storage.postgres.${where}`, [...one.columns, ...(one.include ?? [])], columns, add);
    requirePlain(`${where}.where`, one.where, bad);
    requireOneOf(`${where}.method`, one.method, INDEX_METHODS, bad);
    if (one.name === undefined) continue;
    if (!INDEX_NAME.test(one.name))
      bad(`${where}: ${JSON.stringify(one.name)} is no name of up to 63 letters and digits`);
    if (names.has(one.name)) bad(`${where}: two indexes are called ${one.name}`);
    names.add(one.name);
  }
  const { partitionBy } = table;
  if (partitionBy === undefined) return;
  if (isView) bad("partitionBy: a materialised view has no partitions");
  requireOptions("storage.postgres.partitionBy", partitionBy, POSTGRES_PARTITIONS, add);
  requireColumns("storage.postgres.partitionBy", [partitionBy.column], columns, add);
  requireOneOf("partitionBy.every", partitionBy.every, PARTITION_PERIODS, bad);
  const column = columns.find(({ name }) => name === partitionBy.column);
  if (column !== undefined && (column.nullable || !["timestamp", "date"].includes(column.type.kind)))
    bad(`partitionBy: column ${column.name} must be a timestamp or date, never null`);
}

function checkClickHouse(table: ClickHouseTable, columns: readonly Column[], add: Add): void {
  const bad = (message: string): void => {
    add("bad_option", `storage.clickhouse: ${message}`);
  };
  const { orderBy = [], primaryKey, indexes = [], codecs = {} } = table;
  requireColumns("storage.clickhouse", [...orderBy, ...(primaryKey ?? []), ...Object.keys(codecs)], columns, add);
  for (const name of orderBy) {
    if (columns.find((column) => column.name === name)?.nullable === true)
      bad(`orderBy: column ${name} may be null, by which ClickHouse does not order`);
  }
  if (primaryKey?.some((name, index) => orderBy[index] !== name) === true)
    bad(`primaryKey: expected the first columns of orderBy, ${orderBy.join(", ")}`);
  requirePlain("partitionBy", table.partitionBy, bad);
  requirePlain("ttl", table.ttl, bad);
  const names = new Set<string>();
  for (const one of indexes) {
    requireOptions("storage.clickhouse.indexes", one, CLICKHOUSE_INDEX, add);
    const { name, expression, type, granularity } = one;
    if (names.has(name)) bad(`two indexes are called ${name}`);
    names.add(name);
    requirePlain(`index ${name}`, expression, bad);
    if (!INDEX_NAME.test(name)) bad(`${JSON.stringify(name)} is no name of an index`);
    if (!INDEX_TYPE.test(type)) bad(`index ${name}: ${JSON.stringify(type)} is no type, such as "bloom_filter(0.01)"`);
    if (granularity !== undefined && !(Number.isSafeInteger(granularity) && granularity > 0))
      bad(`index ${name}: expected a granularity of 1 or more, got ${granularity}`);
  }
  for (const [name, codec] of Object.entries(codecs)) {
    if (codec !== undefined && !CODECS.test(codec))
      bad(`codec of ${name}: ${JSON.stringify(codec)} is none, such as "Delta, ZSTD(3)"`);
  }
  requireOneOf("replacePartitions", table.replacePartitions, REPLACE_PARTITIONS, bad);
  if (table.replacePartitions === "oneByOne" && table.partitionBy === undefined)
    bad("replacePartitions: one by one needs partitionBy");
}

function requireColumns(where: string, names: readonly string[], columns: readonly Column[], add: Add): void {
  for (const name of names) {
    if (!columns.some((column) => column.name === name))
      add("unknown_column", `${where} names column ${JSON.stringify(name)}, which the asset does not have`);
  }
}

/** What the types say as well, for an asset in JavaScript: these become a part of a statement as they are. */
function requireOneOf(
  where: string,
  value: string | undefined,
  allowed: readonly string[],
  bad: (message: string) => void,
): void {
  if (value !== undefined && !allowed.includes(value))
    bad(`${where}: expected one of ${allowed.join(", ")}, got ${JSON.stringify(value)}`);
}

/** An expression becomes a part of the table's definition, which takes no parameters. */
function requirePlain(where: string, sql: Sql | undefined, bad: (message: string) => void): void {
  if (sql === undefined) return;
  // Reached from plain JavaScript, where it may be a text.
  if ((sql as Partial<Sql>).values?.length !== 0) bad(`${where}: expected sql\`…\` without \${…}`);
}
