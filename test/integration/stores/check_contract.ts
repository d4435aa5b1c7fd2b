import { describe, expect, it } from "vitest";
import type { Check } from "../../../definitions/check.ts";
import type { ColumnType } from "../../../definitions/column_type.ts";
import {
  acceptedValues,
  allow,
  between,
  daily,
  date,
  decimal,
  dynamicKeys,
  int64,
  keepFailedRows,
  keys,
  matches,
  named,
  notNull,
  nullRateDrift,
  recent,
  references,
  rowCount,
  rowCountDrift,
  sameSum,
  self,
  sql,
  sqlCheck,
  textLength,
  timestamp,
  tsCheck,
  twoDimensional,
  unique,
  warn,
  window as run,
  z,
} from "../../../definitions/index.ts";
import { contextOf } from "../../../resources/checks.ts";
import type {
  Attempt,
  CheckContext,
  CheckOutcome,
  EarlierPublish,
  PartitionSet,
  Staged,
  Target,
} from "../../../resources/store.ts";
import { bindCheck, listOf } from "../../../runtime/bind_sql.ts";
import { bindChecks } from "../../../runtime/check_bounds.ts";
import type { ResolvedAsset } from "../../../runtime/resolve.ts";
import type { StoreHarness } from "./contract.ts";
import { attempt } from "./attempt.ts";

type Row = Readonly<Record<string, unknown>>;

/** What the contract suite lends. */
export interface CheckTools {
  readonly harness: StoreHarness;
  readonly target: (shape?: Readonly<Record<string, z.ZodType>>) => Target;
  readonly stageRows: (to: Target, rows: readonly Row[], given?: Attempt) => Promise<Staged>;
  readonly write: (to: Target, rows: readonly Row[], given?: Attempt) => Promise<void>;
}

const WIDE = {
  id: z.int().nullable(),
  t: z.string().nullable(),
  price: decimal(12, 2).nullable(),
  big: decimal(38, 2).nullable(),
  f: z.number().nullable(),
  n: int64().nullable(),
  at: timestamp().nullable(),
  day: date().nullable(),
};
const EMPTY = { id: null, t: null, price: null, big: null, f: null, n: null, at: null, day: null };
const NOW = new Date("2024-03-01T12:00:00Z");

/** The promises of checks that every store keeps. */
export function describeChecks(tools: () => CheckTools): void {
  const check = async (
    to: Target,
    rows: readonly Row[],
    checks: readonly Check[],
    context: Partial<CheckContext> = {},
  ): Promise<readonly CheckOutcome[]> => {
    const { harness, stageRows } = tools();
    const staged = await stageRows(to, rows);
    try {
      return await staged.check(checks, contextOf({ now: NOW, ...context }));
    } finally {
      await staged.discard();
      await harness.store.close();
    }
  };
  const failing = async (...args: Parameters<typeof check>): Promise<readonly bigint[]> =>
    (await check(...args)).map(({ failedRows, error, passed }) => {
      expect(error).toBeNull();
      expect(passed).toBe(failedRows === 0n);
      return failedRows;
    });

  describe("checks", () => {
    it("count the characters of a text as people write them down, not its bytes", async () => {
      const rows = ["", "né", "ne\u0301", "😀", "abcde"].map((t) => ({ ...EMPTY, t }));
      const found = await failing(tools().target(WIDE), [...rows, EMPTY], [
        textLength("t", { min: 1 }),
        named("two", textLength("t", { max: 2 })),
        named("one", textLength("t", { min: 1, max: 1 })),
      ]); // prettier-ignore
      // The second é is a letter and an accent; NULL passes.
      expect(found).toEqual([1n, 2n, 4n]);
    });

    it("take the same letters in another Unicode normal form for other values", async () => {
      const rows = ["\u00e9", "e\u0301"].map((t) => ({ ...EMPTY, t }));
      const checks = [unique("t"), acceptedValues("t", ["\u00e9"]), matches("t", "\u00e9")];
      expect(await failing(tools().target(WIDE), rows, checks)).toEqual([0n, 1n, 1n]);
    });

    it("hold the latest value against now, whatever is in the future, and find none in nothing", async () => {
      const at = (text: string): Row => ({ ...EMPTY, at: new Date(text), day: text.slice(0, 10) });
      const rows = [at("2024-03-01T10:00:00Z"), at("2024-02-01T00:00:00Z"), at("2024-03-09T00:00:00Z"), EMPTY];
      const to = tools().target(WIDE);
      expect(await failing(to, rows, [recent("at", "2h"), recent("at", "119m"), recent("day", "12h")])).toEqual([
        ...[0n, 1n, 0n],
      ]);
      expect(await failing(to, [EMPTY], [recent("at", "7d"), recent("day", "7d")])).toEqual([1n, 1n]);
      const [outcome] = await check(to, [], [recent("at", "7d")]);
      expect(outcome).toMatchObject({ passed: false, measured: expect.stringContaining("no value") as unknown });
    });

    it("tell an instant whatever zone it is written in", async () => {
      const rows = ["2024-03-01T12:00:00+05:30", "2024-03-01T06:30:00Z"].map((t) => ({ ...EMPTY, at: new Date(t) }));
      const only = { min: "2024-03-01T06:30:00Z", max: "2024-03-01T01:30:00-05:00" };
      expect(await failing(tools().target(WIDE), rows, [between("at", only), unique("at")])).toEqual([0n, 1n]);
    });

    it("compare decimals exactly, with doubles within a tolerance, and nothing with NaN", async () => {
      const { harness, target, write } = tools();
      const lines = target({ price: decimal(12, 2), f: z.number(), big: decimal(38, 2), n: int64().nullable() });
      const large = "999999999999999999999999999999999.99";
      await write(lines, [
        { price: "0.10", f: 0.1, big: large, n: 9_007_199_254_740_993n },
        { price: "0.20", f: 0.2, big: "0.01", n: null },
      ]);
      const other = { ...sql``, kind: "table", assetKey: lines.assetKey, c: { price: 0, f: 0, big: 0, n: 0 } } as const;
      const typed = (inner: Check, type: ColumnType): Check =>
        inner.rule.kind === "same_sum" ? { ...inner, rule: { ...inner.rule, type } } : inner;
      const cents: ColumnType = { kind: "decimal", precision: 12, scale: 2 };
      const huge: ColumnType = { kind: "decimal", precision: 38, scale: 2 };
      const checks = [
        typed(sameSum("price", other, "price"), cents),
        typed(sameSum("f", other, "price", { tolerance: "0.000001" }), cents),
        typed(named("exact", sameSum("f", other, "f")), { kind: "float64" }),
        typed(sameSum("big", other, "big"), huge),
        typed(named("near", sameSum("big", other, "big", { tolerance: "0.01" })), huge),
        typed(sameSum("n", other, "n"), { kind: "int64" }),
        typed(named("part", sameSum("price", other, "price", { where: sql`price < ${"0.15"}` })), cents),
      ];
      const rows = [{ ...EMPTY, price: "0.30", f: 0.3, big: large, n: 9_007_199_254_740_993n }, EMPTY];
      const found = await failing(target(WIDE), rows, checks);
      // 0.1 + 0.2 is not 0.3 in doubles; the sums of big are a cent apart; 0.30 is not 0.10.
      expect(found).toEqual([0n, 0n, 1n, 1n, 0n, 0n, 1n]);
      expect(await failing(target(WIDE), [], [typed(sameSum("price", other, "price"), cents)])).toEqual([1n]);
      await harness.store.close();
    });

    it("take NaN and infinities for values, which differ from all others and make a sum that is none", async () => {
      const { target, write } = tools();
      const odd = [NaN, NaN, Infinity, -Infinity, 1, 0, -0, null].map((f) => ({ ...EMPTY, f }));
      const lines = target({ f: z.number() });
      await write(lines, [{ f: 1 }]);
      const other = { kind: "table", assetKey: lines.assetKey, c: { f: 0 } } as const;
      const sum = sameSum("f", other, "f", { tolerance: "1000000" });
      const checks = [
        ...[unique("f"), notNull("f"), between("f", { min: -2, max: 2 }), nullRateDrift("f", { max: 0.1 })],
        named("zero", acceptedValues("f", [0])),
        { ...sum, rule: { ...sum.rule, type: { kind: "float64" } } } as Check,
      ];
      const history: EarlierPublish[] = [{ rowCount: 6, nullShares: new Map([["f", 1 / 8]]) }];
      // Two NaN are one value twice, and so are 0 and -0; only NULL is NULL; NaN and both infinities are out of bounds.
      expect(await failing(target(WIDE), odd, checks, { history })).toEqual([2n, 1n, 4n, 0n, 5n, 1n]);
    });

    it("never overflow in silence when they add up", async () => {
      const { target, write } = tools();
      const lines = target({ n: int64() });
      await write(lines, [{ n: 2n ** 63n - 1n }, { n: 2n ** 63n - 1n }]);
      const other = { kind: "table", assetKey: lines.assetKey, c: { n: 0 } } as const;
      const sum = sameSum("n", other, "n");
      const wide = { ...sum, rule: { ...sum.rule, type: { kind: "int64" } } } as Check;
      // Around the corner of 64 bits they would be the same as -2.
      expect(await failing(target(WIDE), [{ ...EMPTY, n: -2n }], [wide])).toEqual([1n]);
    });

    it("compare numbers of rows and of NULL with the publishes before, and pass without any", async () => {
      const to = tools().target(WIDE);
      const rows = [1, 2, 3, null].map((id) => ({ ...EMPTY, id }));
      const was = (rowCount: number, share: number): EarlierPublish => ({ rowCount, nullShares: new Map([["id", share]]) }); // prettier-ignore
      const drifts = [rowCountDrift({ max: 0.5, last: 3 }), nullRateDrift("id", { max: 0.05, last: 3 })];
      expect(await failing(to, rows, drifts)).toEqual([0n, 0n]);
      const usual = [was(4, 0.25), was(1_000_000, 1), was(5, 0.21), was(0, 0), was(0, 0)];
      expect(await failing(to, rows, drifts, { history: usual })).toEqual([0n, 0n]);
      const [count, nulls] = await check(to, rows, drifts, { history: [was(100, 0.9), was(100, 0.9)] });
      expect(count).toMatchObject({ passed: false, failedRows: 1n, measured: "4 rows; median of 2: 100" });
      expect(nulls).toMatchObject({ passed: false, measured: "25 % NULL; median of 2: 90 %" });
      expect(nulls?.counts).toMatchObject({ failedRows: 1n, checkedRows: 4n });
      expect(await failing(to, [], drifts, { history: [was(10, 0)] })).toEqual([1n, 0n]);
    });

    it("allow a share of the rows to fail, when they are told so", async () => {
      const rows = [1, 2, 3, null].map((id) => ({ ...EMPTY, id }));
      const checks = [allow(0.25, notNull("id")), named("less", allow(0.2, notNull("id")))];
      const outcomes = await check(tools().target(WIDE), rows, checks);
      expect(outcomes.map(({ passed, failedRows }) => [passed, failedRows])).toEqual([[true, 1n], [false, 1n]]); // prettier-ignore
    });

    it("in TypeScript read the rows by queries, and show the bad ones that they return", async () => {
      const rows = [1, 2, 3].map((id) => ({ ...EMPTY, id, price: "1.50" }));
      const even = tsCheck("even", async ({ query }) => {
        const [[sum], ids] = await Promise.all([
          query(sql`SELECT CAST(sum(price) AS DECIMAL(12, 2)) AS total FROM ${self} WHERE id > ${0}`),
          query(sql`SELECT id FROM ${self} ORDER BY id`),
        ]);
        expect(Number(sum?.["total"])).toBe(4.5);
        return ids.filter(({ id }) => Number(id) % 2 === 1).map(({ id }) => ({ id, big: 1n, nested: { a: [1n] } }));
      });
      const [outcome] = await check(tools().target(WIDE), rows, [even]);
      expect(outcome).toMatchObject({ passed: false, failedRows: 2n, checkedRows: 3n, error: null, buckets: null });
      expect(outcome?.sample).toEqual({
        columns: ["id", "big", "nested"],
        rows: [["1", "1", '{"a":["1"]}'], ["3", "1", '{"a":["1"]}']], // prettier-ignore
      });
    });

    it("in TypeScript can write nothing, read nothing undeclared, and hide no fault", async () => {
      const { harness, target, write } = tools();
      const other = target({ id: z.int() });
      await write(other, [{ id: 1 }]);
      const table = { kind: "table", assetKey: other.assetKey } as const;
      const name = harness.table(other.assetKey);
      const raw = (text: string) => ({ kind: "sql", strings: [text], values: [] }) as const;
      let late: (() => Promise<unknown>) | undefined;
      const checks = [
        tsCheck("throws", () => Promise.reject(new RangeError("boom"))),
        tsCheck("undeclared", async ({ query }) => await query(sql`SELECT * FROM ${table}`)),
        tsCheck("declared", async ({ query }) => (await query(sql`SELECT id FROM ${table} WHERE id > ${9}`)), { reads: [table] }), // prettier-ignore
        tsCheck("deletes", async ({ query }) => await query(raw(`DELETE FROM ${name}`)), { reads: [table] }),
        tsCheck("drops", async ({ query }) => await query(raw(`SELECT 1); DROP TABLE ${name}; SELECT (1`)), { reads: [table] }), // prettier-ignore
        tsCheck("catches", async ({ query }) => {
          await query(sql`SELECT no_such_column FROM ${self}`).catch(() => undefined);
          return [];
        }),
        tsCheck("no rows", () => undefined as never),
        tsCheck("late", ({ query }) => {
          late = () => query(sql`SELECT 1 AS one`);
          return [];
        }),
      ].map((one) => named(one.name.replace(" ", "_"), one));
      const outcomes = await check(target(WIDE), [{ ...EMPTY, id: 1 }], checks);
      expect(outcomes.map(({ check: { name: title }, passed }) => [title, passed])).toEqual([
        ...[["throws", false], ["undeclared", false], ["declared", true], ["deletes", false]],
        ...[["drops", false], ["catches", false], ["no_rows", false], ["late", true]],
      ]); // prettier-ignore
      expect(outcomes[0]?.error).toBe("boom");
      expect(outcomes[1]?.error).toMatch(/no declared reference/);
      expect(await harness.query(`SELECT id FROM ${name}`)).toEqual([["1"]]);
      await expect(late?.()).rejects.toThrow(/after its function had returned/);
    });

    it("that fail with an error are failed checks, and those beside them have their verdicts", async () => {
      const { harness, target, stageRows } = tools();
      const staged = await stageRows(target({ id: z.int().nullable(), t: z.string() }), [
        { id: 1, t: "x" },
        { id: null, t: "y" },
      ]);
      const type = harness.kind.typeName({ kind: "int32" });
      const broken = sqlCheck("broken", sql`SELECT * FROM ${self} WHERE id = CAST(t AS ${{ kind: "sql", strings: [type], values: [] }})`); // prettier-ignore
      const outcomes = await staged.check([
        broken,
        notNull("id"),
        warn(between("id", { max: 0 })),
        rowCount({ min: 2 }),
      ]);
      await staged.discard();
      await harness.store.close();
      expect(outcomes.map(({ passed, failedRows }) => [passed, failedRows])).toEqual([
        ...[[false, 0n], [false, 1n], [false, 1n], [true, 0n]],
      ]); // prettier-ignore
      expect(outcomes.map(({ error }) => error === null)).toEqual([false, true, true, true]);
    });

    it("of a query that fails with an error leave the rows publishable, or say that they are not", async () => {
      const { harness, target, write } = tools();
      const from = target({ id: z.int(), t: z.string() });
      await write(from, [{ id: 1, t: "x" }]);
      const to = target({ id: z.int() });
      const given = { ...attempt() };
      const table = { kind: "table", assetKey: from.assetKey } as const;
      const staged = await harness.store.stageQuery(to, sql`SELECT id FROM ${table}`, null, given);
      const type = { kind: "sql", strings: [harness.kind.typeName({ kind: "int32" })], values: [] } as const;
      const broken = sqlCheck("broken", sql`SELECT id FROM ${table} WHERE CAST(t AS ${type}) = id`);
      const after = named("after", sqlCheck("after", sql`SELECT * FROM ${self} WHERE id < ${0}`));
      const [first, second, third] = await staged.check([warn(broken), after, notNull("id")]);
      expect(first).toMatchObject({ passed: false, error: expect.any(String) as unknown });
      expect(third).toMatchObject({ passed: true });
      if (staged.isSpoilt === true)
        expect(second).toMatchObject({ passed: false, error: expect.any(String) as unknown });
      else expect(second).toMatchObject({ passed: true });
      if (staged.isSpoilt !== true) expect((await staged.facts()).rowCount).toBe(1n);
      await staged.discard();
      await harness.store.close();
    });

    it("pass an empty table and a column of NULL only, but for what wants rows or values", async () => {
      const to = tools().target(WIDE);
      const checks = [
        ...[unique("t"), between("f", { min: 0 }), acceptedValues("t", ["a"]), matches("t", "a")],
        ...[textLength("t", { min: 1 }), allow(0.5, notNull("id")), recent("at", "1h"), rowCount({ min: 1 })],
        sqlCheck("own", sql`SELECT * FROM ${self} WHERE id > ${0}`),
      ];
      const passed = async (rows: readonly Row[]): Promise<boolean[]> =>
        (await check(to, rows, checks)).map((outcome) => outcome.passed);
      expect(await passed([])).toEqual([true, true, true, true, true, true, false, false, true]);
      expect(await passed([EMPTY, EMPTY])).toEqual([true, true, true, true, true, false, false, true, true]);
    });

    it("are as many as a table has columns, a thousand of them", async () => {
      const columns = Array.from({ length: 1_000 }, (_, index) => `c${index}`);
      const to = tools().target(Object.fromEntries(columns.map((name) => [name, z.int32().nullable()])));
      const row = Object.fromEntries(columns.map((name, index) => [name, index === 700 ? null : index]));
      const found = await failing(
        to,
        [row],
        columns.map((name) => notNull(name)),
      );
      expect(found.flatMap((failed, index) => (failed === 0n ? [] : [index]))).toEqual([700]);
    });

    it("keep the rows that fail them apart, those of the last run only", async () => {
      const { harness, target } = tools();
      const to = target(WIDE);
      const rows = Array.from({ length: 600 }, (_, id) => ({ ...EMPTY, id, t: `it's "${id}"\n` }));
      const [outcome] = await check(to, rows, [keepFailedRows(between("id", { min: 350 }), { maxRows: 300 })]);
      expect(outcome?.sample?.rows).toHaveLength(5);
      expect(outcome?.kept?.rows).toHaveLength(300);
      const own = harness.table("_dagster_typescript/failed_rows");
      const list = async (): Promise<(string | null)[][]> => {
        await harness.store.close();
        return await harness.query(
          `SELECT run_id, check_name, value FROM ${own} WHERE asset_key = '${to.assetKey}' ORDER BY run_id, value`,
        );
      };
      const failed = (count: number): { checkName: string; value: string }[] =>
        Array.from({ length: count }, (_, n) => ({ checkName: "c", value: `{"t":"it's ${n}\\n😀"}` }));
      await harness.store.keepFailedRows(to, attempt({ runId: "first" }), failed(450));
      expect(await list()).toHaveLength(450);
      await harness.store.keepFailedRows(to, { ...attempt({ runId: "second" }), partitionKeys: ["a"] }, failed(2));
      await harness.store.keepFailedRows(to, { ...attempt({ runId: "second" }), partitionKeys: ["b"] }, failed(1));
      await harness.store.keepFailedRows(to, { ...attempt({ runId: "second" }), partitionKeys: ["a"] }, failed(1));
      expect(await list()).toEqual(Array(2).fill(["second", "c", `{"t":"it's 0\\n😀"}`]));
      await harness.store.keepFailedRows(to, attempt({ runId: "third" }), []);
      expect(await list()).toEqual([]);
    });

    it("remember the last publishes, of partitions apart from others", async () => {
      const { harness, target, write } = tools();
      const to = target({ id: z.int() });
      const options = { limit: 2, ofPartitions: false };
      expect(await harness.store.recentPublishes(to, attempt(), options)).toEqual([]);
      for (const count of [1, 2, 3])
        await write(
          to,
          Array.from({ length: count }, (_, id) => ({ id })),
        );
      const entries = await harness.store.recentPublishes(to, attempt(), options);
      expect(entries.map(({ rowCount: rows, report }) => [rows, report.includes("rows")])).toEqual([
        ...[[3n, true], [2n, true]],
      ]); // prettier-ignore
      expect(await harness.store.recentPublishes(to, attempt(), { ...options, ofPartitions: true })).toEqual([]);
      const all = await harness.store.recentPublishes(to, attempt(), { ...options, ofPartitions: null });
      expect(all).toEqual(entries);
      await harness.store.close();
    });

    it("look at the published rows alone, of all partitions or some, and change nothing", async () => {
      const { harness, target, write } = tools();
      const to = target({ id: z.int(), day: date(), at: timestamp(), k: z.string() });
      const row = (id: number, text: string, k: string): Row => ({ id, day: text.slice(0, 10), at: new Date(text), k });
      const rows = [
        ...[row(1, "2024-01-01T00:00:00Z", "it's"), row(1, "2024-01-02T00:00:00Z", "b"), row(3, "2024-01-02T23:59:59Z", "b")],
      ]; // prettier-ignore
      await write(to, rows);
      const checks = [
        ...[unique("id"), rowCount({ min: 3 }), between("id", { max: 1 })],
        ...[sqlCheck("own", sql`SELECT id FROM ${self} AS s WHERE s.id > ${1}`), references("id", { kind: "table", assetKey: to.assetKey, c: { id: 0 } }, "id")],
        tsCheck("ts", async ({ query }) => await query(sql`SELECT id FROM ${self} WHERE id = ${3}`)),
      ]; // prettier-ignore
      const look = async (scope: PartitionSet | null): Promise<readonly (bigint | string)[]> => {
        const context = contextOf({ now: NOW });
        const outcomes = await harness.store.checkPublished(to, scope, checks, context, attempt());
        return outcomes.map(({ failedRows, error }) => error ?? failedRows);
      };
      expect(await look(null)).toEqual([1n, 0n, 1n, 1n, 0n, 1n]);
      const start = new Date("2024-01-02T00:00:00Z");
      const second = { kind: "window", start, end: new Date("2024-01-03T00:00:00Z") } as const;
      expect(await look({ ...second, column: "day" })).toEqual([0n, 1n, 1n, 1n, 0n, 1n]);
      expect(await look({ ...second, column: "at" })).toEqual([0n, 1n, 1n, 1n, 0n, 1n]);
      expect(await look({ kind: "keys", column: "k", keys: ["it's", "x"] })).toEqual([0n, 1n, 0n, 0n, 0n, 0n]);
      await harness.store.close();
      expect(await harness.query(`SELECT count(*) FROM ${harness.table(to.assetKey)}`)).toEqual([["3"]]);
    });

    it("count each cell of two dimensions for itself, on the staged rows and on the published ones", async () => {
      const { harness, target, stageRows, write } = tools();
      const start = new Date("2024-01-01T00:00:00Z");
      const bucketings = [
        { kind: "time", column: "at", origin: start, seconds: 86_400 },
        { kind: "value", column: "shop" },
      ] as const;
      const to = { ...target({ at: timestamp(), shop: z.string(), n: z.int() }), buckets: { kind: "both", bucketings } } as const; // prettier-ignore
      const row = (text: string, shop: string, n: number): Row => ({ at: new Date(text), shop, n });
      const rows = [
        ...[row("2024-01-01T01:00:00Z", "a", 1), row("2024-01-01T02:00:00Z", "it's", 2), row("2024-01-02T23:00:00Z", "a", 2)],
        row("2024-01-02T12:00:00Z", "it's", 2),
      ]; // prettier-ignore
      const checks = [unique("n", "shop"), textLength("shop", { max: 1 }), recent("at", "1h"), rowCount({ min: 1 })];
      const countsOf = (outcomes: readonly CheckOutcome[]): unknown[] =>
        outcomes.map(({ buckets }) =>
          [...(buckets ?? [])]
            .map(([name, { failedRows, checkedRows, newest }]) => [name, failedRows, checkedRows, newest])
            .sort(),
        );
      const at = (text: string): number => Date.parse(text) / 1000;
      const staged = await stageRows(to, rows);
      expect(countsOf(await staged.check(checks, contextOf({ now: NOW })))).toEqual([
        [["0|a", 0n, 1n, null], ["0|it's", 1n, 1n, null], ["1|a", 0n, 1n, null], ["1|it's", 0n, 1n, null]],
        [["0|a", 0n, 1n, null], ["0|it's", 1n, 1n, null], ["1|a", 0n, 1n, null], ["1|it's", 1n, 1n, null]],
        [["0|a", 0n, 1n, at("2024-01-01T01:00:00Z")], ["0|it's", 0n, 1n, at("2024-01-01T02:00:00Z")],
         ["1|a", 0n, 1n, at("2024-01-02T23:00:00Z")], ["1|it's", 0n, 1n, at("2024-01-02T12:00:00Z")]],
        [["0|a", 0n, 1n, null], ["0|it's", 0n, 1n, null], ["1|a", 0n, 1n, null], ["1|it's", 0n, 1n, null]],
      ]); // prettier-ignore
      await staged.discard();
      await harness.store.close();
      await write(to, rows);
      const cells: PartitionSet = {
        kind: "both",
        conditions: [
          { kind: "window", column: "at", start, end: new Date("2024-01-02T00:00:00Z") },
          { kind: "keys", column: "shop", keys: ["it's", "b"] },
        ],
      };
      const found = await harness.store.checkPublished(to, cells, checks, contextOf({ now: NOW }), attempt());
      await harness.store.close();
      expect(found.map(({ failedRows, checkedRows }) => [failedRows, checkedRows])).toEqual([
        ...[[0n, 1n], [1n, 1n], [1n, 1n], [0n, 1n]],
      ]); // prettier-ignore
      expect(countsOf(found)[1]).toEqual([["0|it's", 1n, 1n, null]]);
    });

    it("in SQL say the window and the keys of the run, on the staged rows and on the published ones", async () => {
      const { harness, target, stageRows, write } = tools();
      const lines = target({ sold_at: timestamp(), shop: z.string(), amount: decimal(12, 2) });
      const to = target({ day: date(), shop: z.string(), amount: decimal(12, 2) });
      const line = (text: string, shop: string): Row => ({ sold_at: new Date(text), shop, amount: "1.25" });
      await write(lines, [
        ...[line("2024-01-01T23:59:59.999999Z", "it's"), line("2024-01-02T00:00:00Z", "it's"), line("2024-01-02T12:00:00Z", "a")],
        ...[line("2024-01-02T23:59:59.999Z", "it's"), line("2024-01-03T00:00:00Z", "it's"), line("2024-01-03T00:00:00Z", "b")],
      ]); // prettier-ignore
      const table = { kind: "table", assetKey: lines.assetKey, c: { amount: 0 } } as const;
      const inRun = sql`sold_at >= ${run.start} AND sold_at < ${run.end} AND shop IN ${keys}`;
      const sums = sqlCheck(
        "adds_up",
        sql`
          SELECT own.amount AS own, theirs.amount AS theirs
          FROM (SELECT coalesce(sum(amount), 0) AS amount FROM ${self}) AS own
          CROSS JOIN (SELECT coalesce(sum(amount), 0) AS amount FROM ${table} WHERE ${inRun}) AS theirs
          WHERE own.amount <> theirs.amount`,
      );
      const same = sameSum("amount", table, "amount", { where: inRun });
      const typed = { ...same, rule: { ...same.rule, type: { kind: "decimal", precision: 12, scale: 2 } } } as Check;
      const bind = (values: readonly string[]): Check[] =>
        [sums, typed].map((check) => bindCheck(check, listOf(values, harness.kind)));
      const claims = [
        { target: lines, deps: [], sql: null, checks: [] },
        { target: to, deps: [lines.assetKey], sql: null, checks: bind(["a key"]) },
      ];
      expect(await harness.kind.prove(claims, process.cwd(), process.env)).toEqual([]);

      const second = { start: new Date("2024-01-02T00:00:00Z"), end: new Date("2024-01-03T00:00:00Z") };
      const failedOf = (outcomes: readonly CheckOutcome[]): unknown =>
        outcomes.map(({ failedRows, error }) => error ?? failedRows);
      const rows = [{ day: "2024-01-02", shop: "it's", amount: "2.50" }];
      const staged = await stageRows(to, rows);
      const against = (window: CheckContext["window"]): CheckContext => contextOf({ now: NOW, window });
      expect(failedOf(await staged.check(bind(["it's"]), against(second)))).toEqual([0n, 0n]);
      await staged.discard();
      await harness.store.close();
      const more = await stageRows(to, rows);
      expect(failedOf(await more.check(bind(["it's", "a"]), against(second)))).toEqual([1n, 1n]);
      await more.discard();
      await harness.store.close();

      await write(to, [...rows, { day: "2024-01-03", shop: "b", amount: "1.25" }]);
      const look = async (scope: PartitionSet | null, window: CheckContext["window"], ...values: string[]) =>
        failedOf(await harness.store.checkPublished(to, scope, bind(values), against(window), attempt()));
      const scope: PartitionSet = {
        kind: "both",
        conditions: [
          { kind: "window", column: "day", ...second },
          { kind: "keys", column: "shop", keys: ["it's"] },
        ],
      };
      expect(await look(scope, second, "it's")).toEqual([0n, 0n]);
      expect(await look(scope, { ...second, start: new Date("2024-01-01T00:00:00Z") }, "it's")).toEqual([1n, 1n]);
      expect(await look(null, { ...second, end: new Date("2024-01-04T00:00:00Z") }, "it's", "b")).toEqual([1n, 1n]);
      expect(await look(null, { ...second, end: new Date("2024-01-03T00:00:00.001Z") }, "b", "a")).toEqual([1n, 1n]);
      await write(to, [...rows, { day: "2024-01-03", shop: "it's", amount: "1.25" }]);
      expect(await look(null, { ...second, end: new Date("2024-01-04T00:00:00Z") }, "it's")).toEqual([0n, 0n]);
      // Of a list that grows, the whole table has the keys of its rows.
      const partitions = twoDimensional(
        daily("day", { start: "2024-01-02", end: "2024-01-04" }),
        dynamicKeys("shop", "shops"),
      );
      const asset = { defined: { options: { partitions } }, store: harness.kind } as unknown as ResolvedAsset;
      const whole = bindChecks(asset, [sums, typed], { window: null, keys: null }, NOW);
      const all = await harness.store.checkPublished(to, null, whole.checks, against(whole.window), attempt());
      expect(failedOf(all)).toEqual([0n, 0n]);
      await harness.store.close();
    });
  });
}
