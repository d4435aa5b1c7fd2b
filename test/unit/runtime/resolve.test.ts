import { describe, expect, test } from "vitest";
import type { AssetOptions, Shape } from "../../../definitions/asset.ts";
import {
  allOf,
  archive,
  type Asset,
  copy,
  daily,
  defineAsset,
  dynamicKeys,
  keys,
  materializedView,
  notNull,
  self,
  sql,
  sqlCheck,
  staticKeys,
  timestamp,
  twoDimensional,
  warn,
  window,
  z,
} from "../../../definitions/index.ts";
import { definedAssets } from "../../../definitions/registry.ts";
import { resolveAsset } from "../../../runtime/resolve.ts";

const columns = z.strictObject({ id: z.string(), at: timestamp() });
const from = defineAsset("a/from", { description: "x", columns, store: "postgres", body: { async *rows() {} } });

type Store = NonNullable<AssetOptions<Shape>["store"]>;

/** The faults of an asset, its definition's included. */
function faultsOf(options: object): string[] {
  defineAsset("a/x", { description: "x", columns, ...options } as unknown as AssetOptions<Shape>);
  const defined = definedAssets().at(-1);
  if (defined === undefined) throw new TypeError("nothing was defined");
  return resolveAsset(defined, process.cwd(), new Set()).faults.map(({ message }) => message);
}

describe("a materialised view", () => {
  const partitions = daily("at", { start: "2017-01-01" });

  test.each<[string, Store, object, RegExp | null]>([
    ["a key and blocking checks", "postgres", { key: ["id"], checks: [notNull("id")] }, null],
    ["no key", "postgres", {}, /expected key/],
    ["partitions", "postgres", { key: ["id"], partitions }, /leave out partitions/],
    ["incremental refresh", "postgres", { key: ["id"], refresh: "incremental" }, /refreshes a view whole/],
    ["blocking checks", "clickhouse", { key: ["id"], checks: [notNull("id")] }, null],
    ["partitions", "clickhouse", { key: ["id"], partitions }, /leave out partitions/],
    ["incremental refresh", "clickhouse", { key: ["id"], refresh: "incremental" }, null],
    ["incremental refresh without key", "clickhouse", { refresh: "incremental" }, /expected key/],
    ["a warning on incremental refresh", "clickhouse", { key: ["id"], refresh: "incremental", checks: [warn(notNull("id"))] }, null], // prettier-ignore
    ["a blocking check on incremental refresh", "clickhouse", { key: ["id"], refresh: "incremental", checks: [notNull("id")] }, /nothing can block them: write warn.* not_null_id/], // prettier-ignore
    ["full refresh", "duckdb", { partitions }, null],
    ["incremental refresh of partitions", "duckdb", { partitions, refresh: "incremental" }, null],
    ["incremental refresh of nothing", "duckdb", { refresh: "incremental" }, /expected partitions/],
    ["incremental refresh of partitions", "hyper", { partitions, refresh: "incremental" }, null],
    ["incremental refresh of nothing", "hyper", { refresh: "incremental" }, /expected partitions/],
  ])("with %s in %s: %o", (_name, store, { refresh, ...options }: { refresh?: "full" | "incremental" }, fault) => {
    const source = defineAsset(`a/in_${store}`, { description: "x", columns, store, body: { async *rows() {} } });
    const body = materializedView(sql`SELECT * FROM ${source}`, refresh === undefined ? {} : { refresh });
    const faults = faultsOf({ store, body, ...options });
    if (fault === null) expect(faults).toEqual([]);
    else expect(faults).toEqual([expect.stringMatching(fault)]);
  });
});

test("a partition reads partitions of what the asset reads, and of nothing else", () => {
  const body = sql`SELECT id, at FROM ${from}`;
  expect(faultsOf({ store: "postgres", body, partitionMappings: [allOf(from)] })).toEqual([]);
  const stranger = { kind: "table", assetKey: "a/stranger" } as const;
  expect(faultsOf({ store: "postgres", body, partitionMappings: [allOf(stranger)] })).toEqual([
    "partitionMappings: the asset does not read a/stranger",
  ]);
});

test("keys are for the body of an asset whose partitions have some", () => {
  const body = sql`SELECT id, at FROM ${from} WHERE id IN ${keys}`;
  const days = daily("at", { start: "2017-01-01" });
  const ids = staticKeys("id", ["a"]);
  const faults = (options: object): string[] => faultsOf({ store: "postgres", body, ...options });
  for (const partitions of [ids, dynamicKeys("id", "ids"), twoDimensional(days, ids)])
    expect(faults({ partitions })).toEqual([]);
  for (const partitions of [undefined, days])
    expect(faults({ partitions })).toEqual([expect.stringMatching(/keys is for the body/)]);
});

test("checks say the window and the keys that the asset's partitions have", () => {
  const body = sql`SELECT id, at FROM ${from}`;
  const days = daily("at", { start: "2017-01-01" });
  const ids = staticKeys("id", ["a"]);
  const checks = [
    sqlCheck("x", sql`SELECT * FROM ${self} WHERE at >= ${window.start} AND at < ${window.end} AND id IN ${keys}`),
  ];
  const faults = (partitions: object | undefined): string[] =>
    faultsOf({ store: "postgres", body, checks, ...(partitions === undefined ? {} : { partitions }) });
  const [noWindow, noKeys] = [/check x: window is for/, /check x: keys is for/].map(
    (pattern) => expect.stringMatching(pattern) as unknown,
  );
  expect(faults(twoDimensional(days, ids))).toEqual([]);
  expect(faults(days)).toEqual([noKeys]);
  expect(faults(ids)).toEqual([noWindow, noWindow]);
  expect(faults(undefined)).toEqual([noWindow, noWindow, noKeys]);
});

describe("a copy", () => {
  test("of an asset in another store depends on it, and knows its table", () => {
    expect(faultsOf({ store: "duckdb", body: copy(from) })).toEqual([]);
    const defined = definedAssets().at(-1);
    const { deps, sqlDeps, body } = resolveAsset(defined as NonNullable<typeof defined>, process.cwd(), new Set());
    expect(deps).toEqual(["a/from"]);
    expect(sqlDeps.size).toBe(0);
    expect(body).toMatchObject({ kind: "copy", source: { format: "asset", target: { table: "from" } } });
  });

  test("of columns that the other asset has not says which, and how to name them", () => {
    const other = defineAsset("a/elsewhere", {
      ...{ description: "x", store: "clickhouse", body: { async *rows() {} } },
      columns: z.strictObject({ number: z.int() }),
    });
    expect(faultsOf({ store: "duckdb", body: copy(other) })).toEqual([
      expect.stringMatching(/^copy: a\/elsewhere has no column .*"id".*columns: \{ mine: theirs \}/),
    ]);
  });

  test("of an asset in the same store is told to be a query", () => {
    expect(faultsOf({ store: "postgres", body: copy(from) })).toEqual([expect.stringMatching(/write a query/)]);
  });

  test("of a table without a name is a fault", () => {
    expect(faultsOf({ body: copy({ kind: "table" } as Asset) })).toEqual([expect.stringMatching(/is no asset/)]);
  });
});

describe("an archive", () => {
  const at = { partitions: daily("at", { start: "2017-01-01" }) };
  const body = { async *rows() {} };
  const days = defineAsset("a/days", { description: "x", columns, ...at, store: "duckdb", body });
  const whole = defineAsset("a/whole", { description: "x", columns, store: "duckdb", body });
  const to = { olderThan: "90d", to: "data/archive/days" } as const;
  const other = z.strictObject({ id: z.string().nullable(), at: timestamp() });

  test.each<[string, object, RegExp | null]>([
    ["a folder", {}, null],
    ["a bucket", { body: archive(days, { ...to, to: "s3://bucket/prefix" }) }, null],
    ["PostgreSQL", { store: "postgres" }, /in postgres: PostgreSQL reads no Parquet files/],
    ["Hyper", { store: "hyper" }, /in hyper: Hyper has no views/],
    ["another store", { store: "clickhouse" }, /a\/days is in duckdb, and a view reads its own store only/],
    ["no partitions", { body: archive(whole, to) }, /a\/whole has no partitions by time/],
    ["other columns", { columns: other }, /the columns are not those of a\/days: write columns: days.columns/],
    ["no asset", { body: archive(undefined as unknown as typeof days, to) }, /the asset is undefined/],
    ["no duration", { body: archive(days, { ...to, olderThan: "soon" as "1d" }) }, /olderThan: expected a duration/],
    ["no folder", { body: archive(days, { ...to, to: " " }) }, /to: expected a folder/],
    ["another protocol", { body: archive(days, { ...to, to: "gs://bucket/x" }) }, /to: expected a folder/],
    ["a pattern", { body: archive(days, { ...to, to: "data/*" }) }, /takes for a pattern/],
    ["partitions", at, /partitions belongs to the asset that is archived/],
    ["checks", { checks: [notNull("id")] }, /checks: no row is new here/],
  ])("with %s", (_name, options, fault) => {
    const faults = faultsOf({ store: "duckdb", body: archive(days, to), ...options });
    if (fault === null) expect(faults).toEqual([]);
    else
      expect(
        faults.some((message) => fault.test(message)),
        faults.join("\n"),
      ).toBe(true);
  });
});
