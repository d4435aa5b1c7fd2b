import { expect, test } from "vitest";
import type { AssetOptions, Shape } from "../../../definitions/asset.ts";
import type { FaultCode } from "../../../definitions/fault.ts";
import {
  acceptedValues,
  allow,
  append,
  between,
  by,
  copy,
  daily,
  date,
  decimal,
  defineAsset,
  dynamicKeys,
  hourly,
  keepFailedRows,
  matches,
  merge,
  named,
  notNull,
  nullRateDrift,
  offsetOf,
  onCron,
  parquet,
  postgresTable,
  recent,
  rowCount,
  rowCountDrift,
  sameSum,
  self,
  sql,
  sqlCheck,
  staticKeys,
  textLength,
  timestamp,
  tsCheck,
  twoDimensional,
  unique,
  within,
  z,
} from "../../../definitions/index.ts";
import { definedAssets } from "../../../definitions/registry.ts";

const columns = z.strictObject({
  id: z.string(),
  n: z.int32(),
  f: z.number().nullable(),
  price: decimal(12, 2),
  at: timestamp(),
  day: date(),
  maybe: timestamp().nullable(),
});
const rows = { async *rows() {} };
const good = { description: "A test.", columns, body: rows };

const byDay = { partitions: daily("at", { start: "2017-01-01" }) };
const days = byDay.partitions;
const ids = staticKeys("id", ["a"]);
const other = { kind: "table", assetKey: "a/other" } as const;
const sums = defineAsset("a/sums", { ...good, columns: z.strictObject({ n: z.int(), t: z.string() }) });
const i = (name: string): object => ({ columns: ["id"], name });

/** The faults of a definition, as `code: message`. Its options may be anything, as plain JavaScript allows. */
function faultsOf(options: object, key = "a/x"): string[] {
  expect(() => defineAsset(key, options as AssetOptions<Shape>)).not.toThrow();
  return (definedAssets().at(-1)?.faults ?? []).map(({ code, message }) => `${code}: ${message}`);
}

test("a right definition has no fault", () => {
  expect(faultsOf(good)).toEqual([]);
});

test.each<[string, FaultCode, RegExp]>([
  ["", "bad_key", /schema\/table/],
  ["x", "bad_key", /schema\/table/],
  ["a/b/c", "bad_key", /schema\/table/],
  ["a/b-c", "bad_key", /schema\/table/],
  ["a/1b", "bad_key", /schema\/table/],
  ["_a/b", "bad_key", /schema\/table/],
  ["a/é", "bad_key", /schema\/table/],
  [`a/x"; DROP TABLE y; --`, "bad_key", /schema\/table/],
  [`a/${"x".repeat(64)}`, "bad_key", /63|62/],
  ["a/b\n", "bad_key", /schema\/table/],
  ["temp/x", "bad_key", /themselves/],
  ["System/x", "bad_key", /themselves/],
  ["information_schema/x", "bad_key", /themselves/],
])("key %j: %s", (key, code, message) => {
  const [fault, ...others] = faultsOf(good, key);
  expect(fault).toMatch(new RegExp(`^${code}`));
  expect(fault).toMatch(message);
  expect(others).toEqual([]);
});

test.each<[string, object, FaultCode, RegExp]>([
  ["no columns", { columns: undefined }, "bad_column", /z\.strictObject/],
  ["empty columns", { columns: z.strictObject({}) }, "bad_column", /at least one column/],
  ["a loose object", { columns: z.object({ id: z.string() }) }, "bad_column", /strictObject/],
  ["columns of a task", { body: { task: () => undefined } }, "bad_column", /task/],
  ["twins", { columns: z.strictObject({ Id: z.string(), id: z.string() }) }, "bad_column", /differ only in case/],
  ["a bad type", { columns: z.strictObject({ id: z.bigint() }) }, "bad_column_type", /"id"/],
  ["key", { key: ["idd"] }, "unknown_column", /key names column "idd"; expected one of id, n/],
  ["check", { checks: [unique("idd")] }, "unknown_column", /unique_idd/],
  ["partitions", { partitions: daily("idd", { start: "2017-01-01" }) }, "unknown_column", /partitions/],
  ["copy", { body: copy(parquet("x"), { columns: { idd: "x" } }) }, "unknown_column", /copy/],
  ["two checks of a name", { checks: [unique("id"), unique("id")] }, "duplicate_check", /named\(/],
  ["no description", { description: " " }, "bad_option", /description/],
  ["NUL in the description", { description: "a\0b" }, "bad_option", /NUL/],
  ["description of no text", { description: 1 }, "bad_option", /description/],
  ["owner", { owners: ["nobody"] }, "bad_option", /owner "nobody"/],
  ["tag key", { tags: { "a b": "x" } }, "bad_option", /tag "a b"/],
  ["tag value", { tags: { a: "x y" } }, "bad_option", /"x y"/],
  ["group", { group: "a b" }, "bad_option", /group/],
  ["pool", { pool: "a b" }, "bad_option", /pool/],
  ["cron", { automation: onCron("every day") }, "bad_option", /cron/],
  ["cron out of range", { automation: onCron("99 6 * * *") }, "bad_option", /cron/],
  ["cron of four fields", { automation: onCron("6 * * *") }, "bad_option", /cron/],
  ["cron zone", { automation: onCron("0 6 * * *", { timezone: "Mars/Phobos" }) }, "bad_option", /time zone/],
  ["freshness cron", { freshness: by("nope", { lowerBound: "1h" }) }, "bad_option", /cron/],
  [
    "freshness bound",
    { freshness: { kind: "cron", deadlineCron: "0 6 * * *", timezone: "UTC", lowerBound: "1" } },
    "bad_option",
    /lowerBound/,
  ],
  ["freshness", { freshness: within("0h") }, "bad_option", /duration/],
  ["freshness order", { freshness: within("1h", { warn: "2h" }) }, "bad_option", /shorter/],
  ["timeout", { timeout: "1 hour" }, "bad_option", /timeout/],
  ["quarantine", { quarantine: { maxRows: -1 } }, "bad_option", /quarantine/],
  ["retries", { retry: { maxRetries: 0.5 } }, "bad_option", /maxRetries/],
  ["delay", { retry: { maxRetries: 1, delaySeconds: Number.NaN } }, "bad_option", /delaySeconds/],
  ["partition keys twice", { partitions: staticKeys("id", ["a", "a"]) }, "bad_option", /twice/],
  ["no partition keys", { partitions: staticKeys("id", []) }, "bad_option", /at least one/],
  ["no list", { partitions: dynamicKeys("id", "") }, "bad_option", /name of the list/],
  ["partitions by text", { partitions: daily("id", { start: "2017-01-01" }) }, "bad_option", /timestamp or date/],
  ["partitions by null", { partitions: daily("maybe", { start: "2017-01-01" }) }, "bad_option", /never null/],
  ["keys by number", { partitions: staticKeys("n", ["1"]) }, "bad_option", /a string/],
  ["no day", { partitions: daily("at", { start: "2017-02-30" }) }, "bad_option", /start "2017-02-30"/],
  ["no date", { partitions: daily("at", { start: "0" }) }, "bad_option", /YYYY-MM-DD/],
  ["no hour", { partitions: hourly("at", { start: "2017-01-01" }) }, "bad_option", /hour/],
  [
    "end before start",
    { partitions: daily("at", { start: "2017-01-02", end: "2017-01-02" }) },
    "bad_option",
    /not after/,
  ],
  ["zone", { partitions: daily("at", { start: "2017-01-01", timezone: "x" }) }, "bad_option", /time zone/],
  ["an empty key", { partitions: staticKeys("id", [""]) }, "bad_option", /key "": expected some text/],
  ["a range as a key", { partitions: staticKeys("id", ["a...b"]) }, "bad_option", /Dagster takes no "\.\.\."/],
  ["a key with a line end", { partitions: staticKeys("id", ["a\nb"]) }, "bad_option", /key "a\\nb": .*line ends/],
  ["a key of two", { partitions: twoDimensional(days, staticKeys("id", ["a|b"])) }, "bad_option", /takes no \|/],
  ["a list in a key of two", { partitions: twoDimensional(days, staticKeys("id", ["[a"])) }, "bad_option", /\[ and \]/],
  ["two times", { partitions: twoDimensional(days, days as never) }, "bad_option", /expected a time and keys/],
  ["no time", { partitions: twoDimensional(ids as never, ids) }, "bad_option", /expected a time and keys/],
  ["keys of no column", { partitions: twoDimensional(days, staticKeys("idd", ["a"])) }, "unknown_column", /"idd"/],
  [
    "a time of no column",
    { partitions: twoDimensional(daily("att", { start: "2017-01-01" }), ids) },
    "unknown_column",
    /"att"/,
  ],
  [
    "two dimensions by null",
    { partitions: twoDimensional(daily("maybe", { start: "2017-01-01" }), ids) },
    "bad_option",
    /"maybe" must be a timestamp or date, never null/,
  ],
  ["half of two dimensions", { partitions: twoDimensional(days, undefined as never) }, "bad_option", /cannot read/],
  ["between nothing", { checks: [between("n", {})] }, "bad_option", /min, max or both/],
  ["between backwards", { checks: [between("n", { min: 2, max: 1 })] }, "bad_option", /above/],
  ["between text", { checks: [between("n", { min: "abc" })] }, "bad_option", /"abc" is no value of column n/],
  ["between rounded", { checks: [between("n", { min: 0.5 })] }, "bad_option", /0\.5 is no value/],
  ["between NaN", { checks: [between("f", { min: Number.NaN })] }, "bad_option", /is no value/],
  ["money rounded", { checks: [between("price", { max: "1.005" })] }, "bad_option", /decimal\(12, 2\)/],
  ["money too large", { checks: [between("price", { max: "12345678901" })] }, "bad_option", /is no value/],
  ["no instant", { checks: [between("at", { min: "yesterday" })] }, "bad_option", /timestamp/],
  ["no such day", { checks: [between("day", { min: "2017-02-29" })] }, "bad_option", /date/],
  ["no values", { checks: [acceptedValues("id", [])] }, "bad_option", /at least one/],
  ["a wrong value", { checks: [acceptedValues("n", ["a"])] }, "bad_option", /"a" is no value/],
  ["half a row", { checks: [rowCount({ min: 0.5 })] }, "bad_option", /whole/],
  ["less than no row", { checks: [rowCount({ max: -1 })] }, "bad_option", /whole/],
  ["no count", { checks: [rowCount({})] }, "bad_option", /min, max or both/],
  ["NUL in a pattern", { checks: [matches("id", "\0")] }, "bad_option", /NUL/],
  ["a share of more than all", { checks: [allow(1.5, notNull("id"))] }, "bad_option", /from 0 to 1/],
  ["a share of a table", { checks: [allow(0.5, rowCount({ min: 1 }))] }, "bad_option", /all rows together/],
  ["too many kept rows", { checks: [keepFailedRows(notNull("id"), { maxRows: 10_001 })] }, "bad_option", /10000/],
  ["kept rows of none", { checks: [keepFailedRows(rowCount({ min: 1 }))] }, "bad_option", /no row fails it/],
  ["length of a number", { checks: [textLength("n", { min: 1 })] }, "bad_option", /column n is int32, expected text/],
  ["no length", { checks: [textLength("id", {})] }, "bad_option", /min, max or both/],
  ["a drift of less than nothing", { checks: [rowCountDrift({ max: -1 })] }, "bad_option", /share of 0 or more/],
  ["a drift from no publish", { checks: [nullRateDrift("f", { max: 1, last: 0 })] }, "bad_option", /1 to 100/],
  ["an age of a text", { checks: [recent("id", "1h")] }, "bad_option", /expected a timestamp or date/],
  ["an age without unit", { checks: [recent("at", "1" as "1h")] }, "bad_option", /"15m"/],
  ["a sum of texts", { checks: [sameSum("id", sums, "n")] }, "bad_option", /expected a number/],
  ["a sum of their texts", { checks: [sameSum("n", sums, "t")] }, "bad_option", /a\/sums\.t is string/],
  ["a tolerance of less", { checks: [sameSum("n", sums, "n", { tolerance: -1 })] }, "bad_option", /tolerance of 0/],
  ["a sum of all for some", { ...byDay, checks: [sameSum("n", sums, "n")] }, "bad_option", /as where/],
  ["a sum of what is added", { write: append(), checks: [sameSum("n", sums, "n")] }, "bad_option", /adds to the table/],
  ["a sum of all for some keys", { partitions: ids, checks: [sameSum("n", sums, "n")] }, "bad_option", /as where/],
  ["no function", { checks: [tsCheck("x", undefined as never)] }, "bad_option", /expected a function/],
  ["check name", { checks: [named("a b", notNull("id"))] }, "bad_option", /letters/],
  ["check name of SQL", { checks: [sqlCheck(`x"; --`, sql`SELECT * FROM ${self}`)] }, "bad_option", /letters/],
  ["merge without key", { write: merge() }, "bad_option", /merge needs key/],
  ["a cursor that is not there", { write: append({ cursor: "idd" }) }, "unknown_column", /cursor names column "idd"/],
  ["a cursor that may be null", { write: append({ cursor: "maybe" }) }, "bad_option", /never null/],
  ["a cursor of text", { write: append({ cursor: "id" }) }, "bad_option", /timestamp, a date or an integer/],
  ["a lag of days", { key: ["id"], write: merge({ cursor: "day", lag: "1d" }) }, "bad_option", /lag needs/],
  ["a lag of nothing", { key: ["id"], write: merge({ lag: "1d" }) }, "bad_option", /lag is about a cursor/],
  ["a lag without unit", { key: ["id"], write: merge({ cursor: "at", lag: "1" as "1s" }) }, "bad_option", /"15m"/],
  ["a copy that is added", { write: append(), body: copy(parquet("x")) }, "bad_option", /add once more/],
  [
    "additions to partitions",
    { write: append(), partitions: daily("at", { start: "2017-01-01" }) },
    "bad_option",
    /leave out write/,
  ],
  ["a cut of nothing", { maxPartitionsPerRun: 3 }, "bad_option", /no partitions/],
  ["a cut to nothing", { ...byDay, maxPartitionsPerRun: 0 }, "bad_option", /1 or more/],
  ["an offset backwards", { partitionMappings: [offsetOf(other, { start: 1 })] }, "bad_option", /start not after end/],
  ["index of nothing", { storage: { postgres: { indexes: [{ columns: [] }] } } }, "bad_option", /at least one column/],
  ["index", { storage: { postgres: { indexes: [{ columns: ["idd"] }] } } }, "unknown_column", /indexes\[0\].*"idd"/],
  ["index twice", { storage: { postgres: { indexes: [i("x"), i("x")] } } }, "bad_option", /two indexes are called x/],
  ["index name", { storage: { postgres: { indexes: [i("a b")] } } }, "bad_option", /"a b" is no name/],
  [
    "a value in a condition",
    { storage: { postgres: { indexes: [{ columns: ["id"], where: sql`n > ${1}` }] } } },
    "bad_option",
    /where: expected sql/,
  ],
  [
    "native partitions by null",
    { storage: { postgres: { partitionBy: { column: "maybe", every: "day" } } } },
    "bad_option",
    /never null/,
  ],
  [
    "an unknown method of an index",
    { storage: { postgres: { indexes: [{ columns: ["id"], method: "btree (id); --" }] } } },
    "bad_option",
    /method: expected one of btree/,
  ],
  [
    "native partitions by an unknown period",
    { storage: { postgres: { partitionBy: { column: "at", every: "days" } } } },
    "bad_option",
    /every: expected one of day/,
  ],
  [
    "an unknown way to replace partitions",
    { storage: { clickhouse: { partitionBy: sql`n`, replacePartitions: "none" } } },
    "bad_option",
    /replacePartitions: expected one of atOnce/,
  ],
  ["an option with a slip", { chekcs: [] }, "bad_option", /no option is called "chekcs"; expected .*checks/],
  ["storage of no form", { storage: "fast" }, "bad_option", /storage: expected options, .*got "fast"/],
  ["a store with a slip", { storage: { postgress: {} } }, "bad_option", /storage: no option is called "postgress"/],
  ["indexes with a slip", { storage: { postgres: { index: [] } } }, "bad_option", /"index"; expected indexes/],
  [
    "an option of an index",
    { storage: { postgres: { indexes: [{ ...i("x"), uniqe: true }] } } },
    "bad_option",
    /"uniqe"/,
  ],
  ["a layout with a slip", { storage: { clickhouse: { order: ["id"] } } }, "bad_option", /"order"; expected orderBy/],
  ["a ttl of text", { storage: { clickhouse: { ttl: "n + 1" } } }, "bad_option", /ttl: expected sql/],
  ["interrupt of no form", { storage: { hyper: { interruptReaders: "no" } } }, "bad_option", /interruptReaders.*"no"/],
  ["order", { storage: { clickhouse: { orderBy: ["idd"] } } }, "unknown_column", /"idd"/],
  ["order by null", { storage: { clickhouse: { orderBy: ["maybe"] } } }, "bad_option", /may be null/],
  ["primary key", { storage: { clickhouse: { orderBy: ["id"], primaryKey: ["n"] } } }, "bad_option", /first columns/],
  ["codec", { storage: { clickhouse: { codecs: { n: "ZSTD); DROP" } } } }, "bad_option", /codec of n/],
  ["ttl", { storage: { clickhouse: { ttl: sql`${new Date()}` } } }, "bad_option", /ttl: expected/],
  [
    "type of an index",
    { storage: { clickhouse: { indexes: [{ name: "x", expression: sql`n`, type: "minmax; --" }] } } },
    "bad_option",
    /no type/,
  ],
  ["one by one", { storage: { clickhouse: { replacePartitions: "oneByOne" } } }, "bad_option", /partitionBy/],
  ["a copy of nothing", { body: copy(undefined as never) }, "unknown_reference", /source is undefined/],
  ["a table without schema", { body: copy(postgresTable("orders")) }, "bad_option", /schema\.table/],
  ["a table with a database", { body: copy(postgresTable("db.s.orders")) }, "bad_option", /got "db\.s\.orders"/],
  ["an unknown contract", { contract: "loose", body: copy(parquet("x")) }, "bad_option", /"evolve" or "warn"/],
  ["a contract of a query", { contract: "warn", body: sql`SELECT 1` }, "bad_option", /only rows and copies/],
  [
    "partitions that evolve side by side",
    {
      ...{ contract: "evolve", each: { concurrency: 2 }, body: copy(parquet("x")) },
      partitions: daily("at", { start: "2024-01-01" }),
    },
    "bad_option",
    /side by side/,
  ],
  ["what it copies ignored", { body: copy(parquet("x"), { ignore: ["id"] }) }, "bad_option", /ignore names "id"/],
  ["unknown body", { body: { kind: "magic" } }, "bad_option", /body/],
])("%s: %s %s", (_name, options, code, message) => {
  const faults = faultsOf({ ...good, ...options });
  expect(faults).toHaveLength(1);
  expect(faults[0]).toMatch(new RegExp(`^${code}: `));
  expect(faults[0]).toMatch(message);
});

test("one column is no two dimensions, and all that is wrong with two is said at once", () => {
  const faults = faultsOf({
    ...good,
    partitions: twoDimensional(daily("day", { start: "2017-02-30" }), staticKeys("day", ["a,b", "a,b"])),
    each: { concurrency: 0 },
  });
  expect(faults).toEqual([
    expect.stringMatching(/column "day" is both dimensions/),
    expect.stringMatching(/column "day" must be a string/),
    expect.stringMatching(/a key stands twice/),
    ...["a,b", "a,b"].map((key) => expect.stringMatching(`key "${key}": Dagster takes no |`) as string),
    expect.stringMatching(/start "2017-02-30" is no day/),
    expect.stringMatching(/each: expected/),
  ]);
});

test("keys may hold what Dagster and SQL take", () => {
  const keys = ["o'hare", 'a"b', "röm=1", "a b", "--", "%", "\\", "日本"];
  expect(faultsOf({ ...good, partitions: twoDimensional(days, staticKeys("id", keys)) })).toEqual([]);
  expect(faultsOf({ ...good, partitions: staticKeys("id", [...keys, "a|b", "[a,b]"]) })).toEqual([]);
});

test("a task that declares checks is told that nothing would run them", () => {
  expect(faultsOf({ description: "x", checks: [rowCount({ min: 1 })], body: { task: () => undefined } })).toEqual([
    expect.stringMatching(/bad_option: checks: a task/),
  ]);
});

test("all the faults of a definition are collected, not only the first", () => {
  const faults = faultsOf({ description: "", columns: z.object({ a: z.bigint() }), key: ["b"], body: rows }, "nokey");
  expect(faults.map((fault) => fault.split(":")[0])).toEqual(
    expect.arrayContaining(["bad_key", "bad_column", "bad_column_type", "unknown_column", "bad_option"]),
  );
});

test.each<[string, unknown]>([
  ["undefined", undefined],
  ["null", null],
  ["a number", 1],
  ["no body", { description: "x", columns }],
  ["a body of null", { description: "x", columns, body: null }],
  ["columns of no zod", { description: "x", columns: { id: "string" }, body: rows }],
  ["checks of undefined", { ...good, checks: [undefined] }],
  ["checks of no list", { ...good, checks: 1 }],
  [
    "a getter that throws",
    {
      get description() {
        throw new Error("getter");
      },
    },
  ],
])("options that are %s become a fault: defineAsset never throws, and its handle can be used", (_name, options) => {
  const asset = defineAsset("a/x", options as AssetOptions<Shape>);
  expect(definedAssets().at(-1)?.faults).toMatchObject([{ code: "bad_option" }]);
  expect(asset.assetKey).toBe("a/x");
  expect(sql`SELECT ${asset.c["id"] ?? 1} FROM ${asset}`.values).toHaveLength(2);
});

test("a key that is no text becomes a fault", () => {
  for (const key of [undefined, null, 1, {}]) {
    defineAsset(key as string, good);
    expect(definedAssets().at(-1)?.faults).toMatchObject([{ code: "bad_key" }]);
  }
});

test("good schedules, bounds and names are taken", () => {
  for (const cron of ["0 6 * * *", "*/5 0-6,8 1 JAN-MAR mon", "@daily", "0 0 L * 7"])
    expect(faultsOf({ ...good, automation: onCron(cron, { timezone: "America/New_York" }) }), cron).toEqual([]);
  expect(
    faultsOf({
      ...good,
      partitions: hourly("at", { start: "2017-01-01-00:00", end: "2017-01-02-00:00" }),
      owners: ["team:a", "a@example.org"],
      tags: { "dom/ain": "", a: "b" },
      checks: [
        between("f", { min: "-1e3", max: 1.5 }),
        between("price", { min: -1, max: "0001.500" }),
        between("at", { min: "2017-01-01", max: "2017-01-01T00:00:00.123456+02:00" }),
        acceptedValues("id", ["O'Neill", `"; DROP TABLE x; --`]),
        rowCount({ min: 0 }),
      ],
    }),
  ).toEqual([]);
});
