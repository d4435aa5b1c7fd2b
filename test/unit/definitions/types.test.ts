// The compiler holds these promises: `npm run check` fails on an expected error that does not occur.
import { expect, expectTypeOf, test } from "vitest";
import {
  acceptedValues,
  allow,
  between,
  average,
  copy,
  countDistinct,
  daily,
  date,
  type Decimal,
  decimal,
  defineAsset,
  dynamicKeys,
  formula,
  int64,
  json,
  keepFailedRows,
  matches,
  materializedView,
  notNull,
  nullRateDrift,
  parquet,
  type PlainDate,
  postgresTable,
  query,
  recent,
  references,
  type Row,
  rowCount,
  sameSum,
  self,
  sql,
  sqlCheck,
  staticKeys,
  sum,
  textLength,
  timestamp,
  twoDimensional,
  unique,
  warn,
  within,
  z,
} from "../../../definitions/index.ts";

const columns = z.strictObject({
  id: z.string(),
  count: z.int().nullable(),
  big: int64(),
  price: decimal(12, 2),
  at: timestamp(),
  day: date(),
  maybe_at: timestamp().nullable(),
  extra: json(z.object({ a: z.number() })),
});
const base = { description: "x", columns } as const;
const rows = { async *rows() {} } as const;
const other = defineAsset("a/other", {
  description: "x",
  columns: z.strictObject({ other_id: z.string() }),
  body: rows,
});

test("a row has the types of its columns", () => {
  expectTypeOf<Row<typeof columns.shape>>().toEqualTypeOf<{
    id: string;
    count: number | null;
    big: bigint;
    price: string;
    at: Date;
    day: string;
    maybe_at: Date | null;
    extra: { a: number };
  }>();
  expectTypeOf<z.output<typeof columns>["price"]>().toEqualTypeOf<Decimal>();
  expectTypeOf<z.output<typeof columns>["day"]>().toEqualTypeOf<PlainDate>();
});

test("a wrong column in the key, a check, the partitions or a copy is a compile error", () => {
  const all = [
    // @ts-expect-error -- no such column
    defineAsset("a/x", { ...base, key: ["idd"], body: rows }),
    // @ts-expect-error -- no such column
    defineAsset("a/x", { ...base, checks: [unique("idd")], body: rows }),
    // @ts-expect-error -- no such column
    defineAsset("a/x", { ...base, checks: [unique("id", "idd")], body: rows }),
    // @ts-expect-error -- no such column
    defineAsset("a/x", { ...base, checks: [notNull("idd")], body: rows }),
    // @ts-expect-error -- no such column
    defineAsset("a/x", { ...base, checks: [warn(between("pricee", { min: 1 }))], body: rows }),
    // @ts-expect-error -- no such column
    defineAsset("a/x", { ...base, checks: [acceptedValues("idd", ["a"])], body: rows }),
    // @ts-expect-error -- no such column
    defineAsset("a/x", { ...base, checks: [matches("idd", "a")], body: rows }),
    // @ts-expect-error -- no such column here
    defineAsset("a/x", { ...base, checks: [references("other_id", other, "other_id")], body: rows }),
    // @ts-expect-error -- no such column there
    defineAsset("a/x", { ...base, checks: [references("id", other, "id")], body: rows }),
    // @ts-expect-error -- no such column
    defineAsset("a/x", { ...base, checks: [textLength("idd", { min: 1 })], body: rows }),
    // @ts-expect-error -- no such column
    defineAsset("a/x", { ...base, checks: [allow(0.1, recent("att", "1h"))], body: rows }),
    // @ts-expect-error -- no such column
    defineAsset("a/x", { ...base, checks: [keepFailedRows(nullRateDrift("idd", { max: 1 }))], body: rows }),
    // @ts-expect-error -- no such column here
    defineAsset("a/x", { ...base, checks: [sameSum("other_id", other, "other_id")], body: rows }),
    // @ts-expect-error -- no such column there
    defineAsset("a/x", { ...base, checks: [sameSum("count", other, "count")], body: rows }),
    // @ts-expect-error -- no such unit
    defineAsset("a/x", { ...base, checks: [recent("at", "1w")], body: rows }),
    // @ts-expect-error -- a copy fills only the asset's own columns
    defineAsset("a/x", { ...base, body: copy(parquet("x.parquet"), { columns: { idd: "x" } }) }),
    // @ts-expect-error -- no such column
    defineAsset("a/x", { ...base, storage: { postgres: { indexes: [{ columns: ["idd"] }] } }, body: rows }),
    defineAsset("a/x", {
      ...base,
      // @ts-expect-error -- no such column
      storage: { postgres: { partitionBy: { column: "att", every: "day" } } },
      body: rows,
    }),
    // @ts-expect-error -- no such column
    defineAsset("a/x", { ...base, storage: { clickhouse: { orderBy: ["id", "idd"] } }, body: rows }),
    // @ts-expect-error -- no such column
    defineAsset("a/x", { ...base, storage: { clickhouse: { codecs: { idd: "ZSTD(3)" } } }, body: rows }),
    // @ts-expect-error -- no such column
    defineAsset("a/x", { ...base, partitions: daily("att", { start: "2017-01-01" }), body: rows }),
  ];
  expect(all).toHaveLength(21);
});

test("time partitions take a timestamp or a date that is never null, key partitions a string", () => {
  defineAsset("a/x", { ...base, partitions: daily("at", { start: "2017-01-01" }), body: rows });
  defineAsset("a/x", { ...base, partitions: daily("day", { start: "2017-01-01" }), body: rows });
  defineAsset("a/x", { ...base, partitions: staticKeys("id", ["a"]), body: rows });
  // @ts-expect-error -- text is no time
  defineAsset("a/x", { ...base, partitions: daily("id", { start: "2017-01-01" }), body: rows });
  // @ts-expect-error -- a row without time is in no partition
  defineAsset("a/x", { ...base, partitions: daily("maybe_at", { start: "2017-01-01" }), body: rows });
  // @ts-expect-error -- a number is no key
  defineAsset("a/x", { ...base, partitions: staticKeys("count", ["a"]), body: rows });
});

test("two dimensions are a time and keys, each by a column of its own kind", () => {
  const days = daily("at", { start: "2017-01-01" });
  defineAsset("a/x", { ...base, partitions: twoDimensional(days, staticKeys("id", ["a"])), body: rows });
  defineAsset("a/x", { ...base, partitions: twoDimensional(days, dynamicKeys("id", "ids")), body: rows });
  // @ts-expect-error -- no such column
  defineAsset("a/x", { ...base, partitions: twoDimensional(days, staticKeys("idd", ["a"])), body: rows });
  const days_by_text = daily("id", { start: "2017-01-01" });
  // @ts-expect-error -- text is no time
  defineAsset("a/x", { ...base, partitions: twoDimensional(days_by_text, staticKeys("id", ["a"])), body: rows });
  // @ts-expect-error -- two times
  expect(() => twoDimensional(days, days)).not.toThrow();
  // @ts-expect-error -- the time comes first
  expect(() => twoDimensional(staticKeys("id", ["a"]), days)).not.toThrow();
});

test("what is right compiles: all checks, all bodies, columns in templates", () => {
  const asset = defineAsset("a/x", {
    ...base,
    key: ["id", "at"],
    checks: [
      unique("id", "at"),
      warn(between("price", { min: "0.00" })),
      rowCount({ min: 1 }),
      references("id", other, "other_id"),
      sqlCheck("x", sql`SELECT ${other.c.other_id} FROM ${self}, ${other}`),
    ],
    freshness: within("25h", { warn: "24h" }),
    body: query("a/x.sql", { other }),
  });
  defineAsset("a/x", { ...base, body: copy(parquet("x.parquet")) });
  defineAsset("a/x", { ...base, body: copy(parquet("x.parquet"), { columns: { id: "ID" } }) });
  defineAsset("a/x", { ...base, body: copy(asset, { columns: { id: "ID" } }) });
  defineAsset("a/x", { ...base, body: copy(postgresTable("public.x", { url: "OTHER_URL" })) });
  defineAsset("a/x", { ...base, body: sql`SELECT * FROM ${asset}` });
  defineAsset("a/x", {
    ...base,
    storage: {
      postgres: {
        indexes: [{ columns: ["id"], unique: true, include: ["price"], where: sql`price > 0`, method: "btree" }],
        partitionBy: { column: "at", every: "month" },
      },
      clickhouse: {
        orderBy: ["id", "at"],
        primaryKey: ["id"],
        codecs: { price: "ZSTD(3)" },
        ttl: sql`at + INTERVAL 1 DAY`,
      },
    },
    body: materializedView(query("a/x.sql", { other }), { refresh: "incremental" }),
  });
  defineAsset("a/x", { description: "x", body: { task: () => Promise.resolve({ metadata: { rows: 1 } }) } });
  expectTypeOf(asset.c).toHaveProperty("price");
  // @ts-expect-error -- no such column
  expect(asset.c.pricee).toBeUndefined();
});

test("row() puts the error on the property, also for a surplus one", () => {
  defineAsset("a/x", {
    description: "x",
    columns: z.strictObject({ id: z.string(), count: z.int().nullable() }),
    body: {
      async *rows({ row }) {
        yield await Promise.resolve(row({ id: "a", count: null }));
        // @ts-expect-error -- a number is no string
        yield row({ id: 1, count: null });
        // @ts-expect-error -- a column is missing
        yield row({ id: "a" });
        // @ts-expect-error -- null is for nullable columns
        yield row({ id: null, count: 1 });
        // @ts-expect-error -- there is no such column
        yield row({ id: "a", count: 1, more: 2 });
        yield [{ id: "a", count: 1 }];
      },
    },
  });
  defineAsset("a/x", {
    description: "x",
    columns: z.strictObject({ id: z.string() }),
    body: {
      // @ts-expect-error -- a bare row is held to the contract too
      async *rows() {
        yield await Promise.resolve({ id: 1 });
      },
    },
  });
});

test("a duration without unit a task's wrong metadata and a list in a template are errors", () => {
  // @ts-expect-error -- of what unit?
  defineAsset("a/x", { ...base, timeout: "90", body: rows });
  // @ts-expect-error -- metadata holds text, numbers and booleans
  defineAsset("a/x", { description: "x", body: { task: () => Promise.resolve({ metadata: { x: [1] } }) } });
  // @ts-expect-error -- an array is no value of a template
  expect(sql`SELECT ${[1, 2]}`.values).toHaveLength(1);
});

test("an asset carries the names of its metrics, and a wrong column of its dataset is a compile error", () => {
  const asset = defineAsset("a/x", {
    ...base,
    superset: {
      metrics: {
        turnover: sum("price"),
        ids: countDistinct("id"),
        mean: average("count"),
        each: formula`1 / ${"big"}`,
      },
      timeColumn: "maybe_at",
      columns: { id: { label: "Number" } },
    },
    body: rows,
  });
  expectTypeOf(asset.metrics).toEqualTypeOf<readonly ("turnover" | "ids" | "mean" | "each")[]>();
  expect(asset.metrics).toEqual(["turnover", "ids", "mean", "each"]);
  expectTypeOf(other.metrics).toEqualTypeOf<readonly never[]>();
  const wrong = [
    // @ts-expect-error -- no such column
    defineAsset("a/x", { ...base, superset: { metrics: { x: sum("pricee") } }, body: rows }),
    // @ts-expect-error -- text has no sum
    defineAsset("a/x", { ...base, superset: { metrics: { x: sum("id") } }, body: rows }),
    // @ts-expect-error -- no such column
    defineAsset("a/x", { ...base, superset: { metrics: { x: formula`SUM(${"pricee"})` } }, body: rows }),
    // @ts-expect-error -- text is no time
    defineAsset("a/x", { ...base, superset: { timeColumn: "id" }, body: rows }),
    // @ts-expect-error -- no such column
    defineAsset("a/x", { ...base, superset: { columns: { idd: { label: "x" } } }, body: rows }),
    // @ts-expect-error -- no such way
    defineAsset("a/x", { ...base, superset: { onConflict: "merge" }, body: rows }),
  ];
  expect(wrong).toHaveLength(6);
});
