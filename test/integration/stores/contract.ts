import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Check } from "../../../definitions/check.ts";
import { type Column, readColumn } from "../../../definitions/column_type.ts";
import {
  append,
  between,
  cursor,
  date,
  decimal,
  int64,
  json,
  keys,
  notNull,
  rowCount,
  self,
  sql,
  sqlCheck,
  timestamp,
  unique,
  window as run,
  z,
} from "../../../definitions/index.ts";
import type { Sql } from "../../../definitions/sql.ts";
import type { Storage } from "../../../definitions/storage.ts";
import type { Arrivals, ArrivalsQuery } from "../../../definitions/tick.ts";
import { ContractError } from "../../../resources/errors.ts";
import { LATEST } from "../../../resources/ledger_entry.ts";
import { bindKeys } from "../../../runtime/bind_sql.ts";
import { bindCursor } from "../../../runtime/cursor.ts";
import type {
  LedgerEntry,
  PartitionCondition,
  PartitionSet,
  Staged,
  Store,
  StoreKind,
  Target,
  WriteStrategy,
} from "../../../resources/store.ts";

import { describeChecks } from "./check_contract.ts";
import { describeEvolution } from "./evolution_contract.ts";
import { describeRuns } from "./run_contract.ts";
import { attempt } from "./attempt.ts";

/** A store for tests, and a way to read it that is not the store's own. */
export interface StoreHarness {
  readonly kind: StoreKind;
  readonly store: Store;
  /** Runs SQL as another client would; values as text, NULL as `null`. */
  query(text: string): Promise<(string | null)[][]>;
  /** The same in another process, for a file that one instance in a process may open. */
  queryApart?(text: string): Promise<(string | null)[][]>;
  /** The quoted name of an asset's table. */
  table(assetKey: string): string;
  quote(name: string): string;
  /** How tables are laid out; by default as the store likes. */
  storage?(columns: readonly Column[]): Storage;
  close(): Promise<void>;
}

type Row = Readonly<Record<string, unknown>>;

const LINES = { id: z.int(), day: timestamp(), amount: decimal(12, 2), note: z.string().nullable() };
const DAY = { start: new Date("2017-01-02T00:00:00Z"), end: new Date("2017-01-03T00:00:00Z") };

/** The promises that every store keeps: one suite, looped over all of them against the real engines. */
export function describeStore(name: string, open: () => Promise<StoreHarness>): void {
  describe(`the ${name} store`, () => {
    let harness: StoreHarness;
    beforeAll(async () => {
      harness = await open();
    });
    afterAll(async () => {
      await harness.close();
    });

    /** A table that no other test writes. */
    const target = (
      shape: Readonly<Record<string, z.ZodType>> = LINES,
      strategy: WriteStrategy = { kind: "replace" },
      key = `t_${randomUUID().replaceAll("-", "").slice(0, 12)}/x`,
    ): Target => {
      const [schema = "", table = ""] = key.split("/");
      const columns = columnsOf(shape);
      return {
        assetKey: key,
        schema,
        table,
        description: "A test.",
        columns,
        key: [],
        storage: harness.storage?.(columns) ?? {},
        strategy,
      };
    };

    const stageRows = async (to: Target, rows: readonly Row[], given = attempt()): Promise<Staged> => {
      const writer = await harness.store.stageRows(to, given);
      await writer.append(rows);
      return await writer.finish();
    };
    const enter = async (
      staged: Staged,
      to: Target,
      given = attempt(),
      end: string | null = null,
      after?: string | null,
      partitionKeys: readonly string[] | null = null,
    ): Promise<LedgerEntry> => {
      const facts = await staged.facts();
      return await staged.publish({
        ...{ assetKey: to.assetKey, runId: given.runId, rootRunId: given.rootRunId, codeVersion: given.codeVersion },
        partitionKeys,
        rowCount: facts.rowCount,
        columns: to.columns.map(({ name: column, type, nullable }) => ({
          name: column,
          type: harness.kind.typeName(type),
          nullable,
        })),
        contentHash: facts.contentHash,
        startedAt: given.startedAt,
        cursor: end,
        after,
        report: JSON.stringify({ rows: String(facts.rowCount) }),
      });
    };
    const publish = async (...args: Parameters<typeof enter>): Promise<void> => {
      await enter(...args);
      await harness.store.close();
    };
    const write = async (
      to: Target,
      rows: readonly Row[],
      given = attempt(),
      end: string | null = null,
    ): Promise<void> => {
      await publish(await stageRows(to, rows, given), to, given, end);
    };
    const ids = async (to: Target): Promise<string[]> => {
      const rows = await harness.query(`SELECT id, amount, note FROM ${harness.table(to.assetKey)}`);
      return rows.map((row) => row.map((value) => value ?? "NULL").join(" ")).sort();
    };
    const failed = async (staged: Staged, checks: readonly Check[]): Promise<string[]> =>
      (await staged.check(checks)).filter(({ passed }) => !passed).map(({ check }) => check.name);

    describe("replace", () => {
      it("makes the staged rows the table, and again the next ones", async () => {
        const to = target();
        await write(to, [line(1), line(2)]);
        expect(await ids(to)).toEqual(["1 1.00 NULL", "2 2.00 NULL"]);
        await write(to, [line(3, { note: "x" })]);
        expect(await ids(to)).toEqual(["3 3.00 x"]);
      });

      it("publishes an empty result as an empty table", async () => {
        const to = target();
        await write(to, [line(1)]);
        await write(to, []);
        expect(await ids(to)).toEqual([]);
      });

      it("leaves the table as it was when the staged rows are discarded", async () => {
        const to = target();
        await write(to, [line(1)]);
        await (await stageRows(to, [line(2)])).discard();
        await harness.store.close();
        expect(await ids(to)).toEqual(["1 1.00 NULL"]);
      });

      it("takes columns of other types the next time", async () => {
        const to = target();
        await write(to, [line(1)]);
        const other = target({ id: z.string(), more: z.boolean() }, { kind: "replace" }, to.assetKey);
        await write(other, [{ id: "a", more: true }]);
        expect(await harness.query(`SELECT id FROM ${harness.table(to.assetKey)}`)).toEqual([["a"]]);
      });
    });

    describe("a query", () => {
      it("reads other assets and binds its values", async () => {
        const from = target();
        await write(from, [line(1), line(2), line(3)]);
        const to = target({ id: z.int(), note: z.string() });
        const given = attempt();
        const query = sql`
          SELECT id, CAST(${"it's $1"} AS ${typeOf("string")}) AS note
          FROM ${{ kind: "table", assetKey: from.assetKey }}
          WHERE id >= CAST(${2} AS ${typeOf("int64")})`;
        await publish(await harness.store.stageQuery(to, query, null, given), to, given);
        const rows = await harness.query(`SELECT id, note FROM ${harness.table(to.assetKey)} ORDER BY id`);
        expect(rows).toEqual([
          ["2", "it's $1"],
          ["3", "it's $1"],
        ]);
      });

      it("that does not yield its contract is refused with all the differences", async () => {
        const from = target();
        await write(from, [line(1)]);
        const to = target({ id: z.string(), missing: z.int() });
        const query = sql`SELECT id, note AS surplus FROM ${{ kind: "table", assetKey: from.assetKey }}`;
        const staging = harness.store.stageQuery(to, query, null, attempt());
        await expect(staging).rejects.toThrow(ContractError);
        await expect(staging).rejects.toThrow(/"id".*"missing".*"surplus"/s);
        await harness.store.close();
      });
    });

    describe("replacePartitions", () => {
      const window: PartitionCondition = { kind: "window", column: "day", ...DAY };

      it("replaces the rows of its window and no others", async () => {
        const to = target(LINES, { kind: "replacePartitions", partitions: window });
        await write({ ...to, strategy: { kind: "replace" } }, [
          line(1, { day: "01" }),
          line(2, { day: "02" }),
          line(3, { day: "03" }),
        ]);
        await write(to, [line(4, { day: "02" }), line(5, { day: "02" })]);
        expect(await ids(to)).toEqual(["1 1.00 NULL", "3 3.00 NULL", "4 4.00 NULL", "5 5.00 NULL"]);
      });

      it("leaves the same table when it runs twice", async () => {
        const to = target(LINES, { kind: "replacePartitions", partitions: window });
        await write(to, [line(1, { day: "02" })]);
        await write(to, [line(1, { day: "02" })]);
        expect(await ids(to)).toEqual(["1 1.00 NULL"]);
      });

      it("empties its window when nothing is staged", async () => {
        const to = target(LINES, { kind: "replacePartitions", partitions: window });
        await write({ ...to, strategy: { kind: "replace" } }, [line(1, { day: "01" }), line(2, { day: "02" })]);
        await write(to, []);
        expect(await ids(to)).toEqual(["1 1.00 NULL"]);
      });

      it("knows the latest publish of each partition, and when its run began", async () => {
        const to = target(LINES, { kind: "replacePartitions", partitions: window });
        const last = async (keys: readonly string[] | null): Promise<Record<string, string>> => {
          const found = await harness.store.lastPublishes(to, keys, attempt());
          return Object.fromEntries([...found].map(([key, { runId, startedAt }]) => [key, `${runId} ${startedAt}`]));
        };
        expect(await last(["2017-01-02"]), "without a publish").toEqual({});
        const made = async (
          at: string,
          keys: readonly string[] | null,
          change: Partial<Target> = {},
        ): Promise<string> => {
          const given = attempt({ startedAt: new Date(at) });
          const into = { ...to, ...change };
          await publish(await stageRows(into, [line(1, { day: "02" })], given), into, given, null, undefined, keys);
          return `${given.runId} ${at.replace("Z", "000Z")}`;
        };
        const first = await made("2017-03-01T00:00:00.123Z", ["2017-01-01", "2017-01-02", "2017-10-29-02:00+0100"]);
        // It began earlier and published later.
        const second = await made("2017-02-01T00:00:00.000Z", ["2017-01-02"]);
        expect(await last(["2017-01-02", "2017-01-03", "2017-10-29-02:00+0100"])).toEqual({
          ...{ "2017-01-02": second, "2017-10-29-02:00+0100": first },
        });
        const many = Array.from({ length: 2_000 }, (_, index) => `x ${index}`);
        expect(await last([...many, "2017-01-01", "2017-01-02"])).toMatchObject({
          ...{ "2017-01-01": first, "2017-01-02": second },
        });
        const whole = await made("2017-04-01T00:00:00.000Z", null, { strategy: { kind: "replace" } });
        expect(await last(null)).toEqual({ "": whole });
        expect(await last(["2017-01-02", "2017-01-03"]), "it has them all").toEqual({
          ...{ "2017-01-02": whole, "2017-01-03": whole },
        });
        const third = await made("2017-05-01T00:00:00.000Z", ["2017-01-02"]);
        expect(await last(["2017-01-02", "2017-01-03"])).toEqual({ "2017-01-02": third, "2017-01-03": whole });
        await harness.store.close();
      });

      it("takes keys of a text column", async () => {
        const injection = `"; DROP TABLE x; --`;
        const hostile = ["a'b", injection, "$1", "{p1:String}", "\\", "\\'", "ü\n,", "%", "A", " c"];
        const partitions: PartitionSet = { kind: "keys", column: "note", keys: [...hostile, "c"] };
        const to = target(LINES, { kind: "replacePartitions", partitions });
        await write({ ...to, strategy: { kind: "replace" } }, [
          ...hostile.map((note, index) => line(10 + index, { note })),
          ...[line(2, { note: "d" }), line(3), line(1, { note: "a" })],
        ]);
        await write(to, [line(4, { note: "c" }), line(5, { note: injection })]);
        expect(await ids(to)).toEqual(["1 1.00 a", "2 2.00 d", "3 3.00 NULL", "4 4.00 c", `5 5.00 ${injection}`]);
      });

      /** The second of January, of shops that try each store's quotes. */
      const cells: PartitionSet = {
        kind: "both",
        conditions: [window, { kind: "keys", column: "note", keys: ["a'b", '"|=é\\', "c"] }],
      };

      it("replaces the rows of its window with its keys and no others", async () => {
        const to = target(LINES, { kind: "replacePartitions", partitions: cells });
        await write({ ...to, strategy: { kind: "replace" } }, [
          line(1, { day: "01", note: "c" }),
          line(2, { day: "02", note: "a'b" }),
          line(3, { day: "02", note: "d" }),
          line(4, { day: "02", note: '"|=é\\' }),
          line(5, { day: "03", note: "a'b" }),
          line(6, { day: "02" }),
        ]);
        await write(to, [line(7, { day: "02", note: '"|=é\\' }), line(8, { day: "02", note: "c" })]);
        const left = ["1 1.00 c", "3 3.00 d", "5 5.00 a'b", "6 6.00 NULL"];
        expect(await ids(to)).toEqual([...left, '7 7.00 "|=é\\', "8 8.00 c"]);
        await write(to, []);
        expect(await ids(to)).toEqual(left);
      });

      it.each([
        ["of its window with another key", { day: "02", note: "d" }],
        ["of its keys at another time", { day: "03", note: "c" }],
        ["without a key", { day: "02" }],
      ])("refuses rows %s, and publishes nothing", async (_name, other) => {
        const to = target(LINES, { kind: "replacePartitions", partitions: cells });
        await write(to, [line(1, { day: "02", note: "c" })]);
        const staged = await stageRows(to, [line(2, { day: "02", note: "c" }), line(3, other)]);
        await expect(publish(staged, to)).rejects.toThrow(/1 rows lie outside.*by their column day and note/);
        await staged.discard();
        await harness.store.close();
        expect(await ids(to)).toEqual(["1 1.00 c"]);
      });

      it("binds the keys of a run in its SQL", async () => {
        const to = target(LINES);
        await write(to, [line(1, { note: "a'b" }), line(2, { note: "d" }), line(3, { note: '"|=é\\' })]);
        const copied = { ...target({ note: z.string() }), assetKey: to.assetKey.replace("/x", "/y"), table: "y" };
        const { schema } = to;
        const table = { kind: "table", assetKey: to.assetKey } as const;
        const query = sql`SELECT note AS note FROM ${table} WHERE note IN ${keys} AND ${1} = ${1}`;
        const bound = bindKeys(query, ["a'b", '"|=é\\', "no such"], harness.kind);
        const staged = await harness.store.stageQuery({ ...copied, schema }, bound, null, attempt());
        expect((await staged.facts()).rowCount).toBe(2n);
        await staged.discard();
        await harness.store.close();
      });

      it("refuses rows outside of its window, and publishes nothing", async () => {
        const to = target(LINES, { kind: "replacePartitions", partitions: window });
        await write(to, [line(1, { day: "02" })]);
        const staged = await stageRows(to, [line(2, { day: "02" }), line(3, { day: "03" })]);
        await expect(publish(staged, to)).rejects.toThrow(ContractError);
        await staged.discard();
        await harness.store.close();
        expect(await ids(to)).toEqual(["1 1.00 NULL"]);
      });
    });

    describe("append", () => {
      it("adds rows and keeps its cursor with them", async () => {
        const to = target(LINES, { kind: "append" });
        expect(await harness.store.lastCursor(to, attempt())).toBeNull();
        await write(to, [line(1)], attempt(), "page 1");
        await write(to, [line(2)], attempt(), "page 2");
        expect(await ids(to)).toEqual(["1 1.00 NULL", "2 2.00 NULL"]);
        expect(await harness.store.lastCursor(to, attempt())).toBe("page 2");
        await harness.store.close();
      });

      it("knows the highest value of each column, so that a sensor sees what is new", async () => {
        const to = target(LINES, { kind: "append" });
        const max = async (column: string): Promise<string | null> => await harness.store.maxOf(to, column, attempt());
        expect(await max("id"), "without the table").toBeNull();
        await write(to, [line(9, { day: "02" }), line(10, { day: "03" })]);
        expect(await max("id")).toBe("10");
        expect(Number(await max("amount"))).toBe(10);
        expect(await max("day")).toMatch(/^2017-01-03 12:00:00/);
        expect(await max("note"), "without a value").toBeNull();
        await harness.store.close();
      });

      it("counts the rows that arrived since a time by the time that they are about", async () => {
        const shape = { id: z.int(), day: date(), at: timestamp().nullable(), came: timestamp().nullable() };
        const to = target(shape, { kind: "append" });
        const query = { time: "at", arrived: "came", seconds: 3600, from: null, lagMs: 60_000 };
        const look = async (change: Partial<ArrivalsQuery> = {}): Promise<Arrivals | null> => {
          const notAfter = new Date("2017-02-01T00:00:00Z");
          const found = await harness.store.arrivals(to, { ...query, notAfter, ...change }, attempt());
          const groups = [...(found?.groups ?? [])].sort((a, b) => (a.start ?? 0) - (b.start ?? 0));
          return found === null ? null : { ...found, groups };
        };
        const row = (id: number, at: string | null, came: string | null): Row => ({
          ...{ id, day: (at ?? "2017-01-01").slice(0, 10) },
          ...{ at: at === null ? null : new Date(at), came: came === null ? null : new Date(came) },
        });
        expect(await look(), "without the table").toBeNull();
        await write(to, [row(0, "2017-01-01T00:30:00Z", null)]);
        expect(await look(), "without an arrival").toMatchObject({ newest: null, groups: [] });
        await write(to, [
          row(1, "2017-01-01T00:30:00Z", "2017-01-05T10:00:00Z"),
          row(2, "2017-01-01T00:59:59.999Z", "2017-01-05T11:59:30.5Z"),
          row(3, "1969-12-31T23:30:00Z", "2017-01-05T12:00:00.123Z"),
          row(4, null, "2017-01-05T11:59:00.122Z"),
        ]);
        const hour = Date.UTC(2017, 0, 1) / 1000;
        const nine = { start: -3600, rowCount: 1, keptCount: 1, latest: "2017-01-05T12:00:00.123000Z" };
        const none = { start: null, rowCount: 1, keptCount: 0, latest: "2017-01-05T11:59:00.122000Z" };
        const first = { start: hour, rowCount: 2, keptCount: 1, latest: "2017-01-05T11:59:30.500000Z" };
        const all = await look();
        expect(all).toMatchObject({
          ...{ newest: "2017-01-05T12:00:00.123000Z", keptFrom: "2017-01-05T11:59:00.123000Z" },
          ...{ wentBack: false, isDay: false, groups: [nine, none, first] },
        });
        expect(Math.abs(Date.parse(all?.readAt ?? "") - Date.now())).toBeLessThan(600_000);
        const from = "2017-01-05T11:59:30.500000Z";
        expect(await look({ from })).toMatchObject({
          ...{ keptFrom: from, groups: [nine, { ...first, rowCount: 1 }] },
        });
        expect(await look({ from: "2017-01-06T00:00:00.000000Z" }), "rows are gone").toMatchObject({
          ...{ wentBack: true, keptFrom: "2017-01-05T11:59:00.123000Z", groups: [nine, none, first] },
        });
        const early = { notAfter: new Date("2017-01-05T11:00:00Z") };
        expect(await look(early), "a clock is wrong").toMatchObject({ keptFrom: "2017-01-05T10:59:00.000000Z" });
        expect(await look({ time: "day", seconds: 86_400 })).toMatchObject({
          ...{ isDay: true, groups: [{ start: -86_400 }, { start: hour, rowCount: 3 }] },
        });
        await harness.store.close();
      });

      it("is found by its root run, so that a rerun does not add the rows again", async () => {
        const to = target(LINES, { kind: "append" });
        const first = attempt();
        await write(to, [line(1)], first);
        const found = await harness.store.findPublished(to, attempt({ rootRunId: first.rootRunId }));
        expect(found).toMatchObject({ runId: first.runId, rowCount: 1n });
        expect(JSON.parse(found?.report ?? "")).toEqual({ rows: "1" });
        expect(await harness.store.findPublished(to, attempt())).toBeUndefined();
        expect(
          await harness.store.findPublished(to, attempt({ rootRunId: first.rootRunId, codeVersion: "v2" })),
        ).toBeUndefined();
        await harness.store.close();
      });
    });

    it("append adds once per root run, also when an attempt that looked dead commits after all", async () => {
      const to = target(LINES, { kind: "append" });
      await write(to, [line(1)]);
      const first = attempt();
      const second = attempt({ rootRunId: first.rootRunId });
      // Both have looked for the other's publish, and found none.
      const [slow, quick] = [await stageRows(to, [line(2)], first), await stageRows(to, [line(2)], second)];
      expect(await enter(slow, to, first)).toMatchObject({ runId: first.runId });
      expect(await enter(quick, to, second), "the one that stands").toMatchObject({ runId: first.runId });
      await harness.store.close();
      expect(await ids(to)).toEqual(["1 1.00 NULL", "2 2.00 NULL"]);
      const other = attempt({ rootRunId: first.rootRunId });
      expect(await harness.store.findPublished(to, other)).toMatchObject({ runId: first.runId });
      await harness.store.close();
    });

    describe("merge", () => {
      const strategy: WriteStrategy = { kind: "merge", key: ["id"] };

      it("replaces rows with the same key and adds the others", async () => {
        const to = target(LINES, strategy);
        await write(to, [line(1), line(2)]);
        await write(to, [line(2, { note: "new" }), line(3)]);
        expect(await ids(to)).toEqual(["1 1.00 NULL", "2 2.00 new", "3 3.00 NULL"]);
      });

      it("refuses a key that is staged twice, and publishes nothing", async () => {
        const to = target(LINES, strategy);
        await write(to, [line(1)]);
        const staged = await stageRows(to, [line(2), line(2, { note: "other" })]);
        await expect(publish(staged, to)).rejects.toThrow(ContractError);
        await staged.discard();
        await harness.store.close();
        expect(await ids(to)).toEqual(["1 1.00 NULL"]);
      });

      it("takes 0 and -0 of a key for one, and NULL for NULL", async () => {
        const shape = { id: z.number().nullable(), v: z.int32() };
        const to = target(shape, strategy);
        const both = await stageRows(to, [{ id: 0, v: 1 }, { id: -0, v: 2 }]); // prettier-ignore
        await expect(publish(both, to)).rejects.toThrow(ContractError);
        await both.discard();
        await write(to, [{ id: 0, v: 1 }, { id: null, v: 2 }, { id: 5, v: 3 }]); // prettier-ignore
        await write(to, [{ id: -0, v: 4 }, { id: null, v: 5 }]); // prettier-ignore
        const rows = await harness.query(`SELECT v FROM ${harness.table(to.assetKey)} ORDER BY v`);
        expect(rows.flat()).toEqual(["3", "4", "5"]);
      });

      it("adds new nullable columns, and refuses any other difference by name", async () => {
        const to = target(LINES, strategy);
        await write(to, [line(1)]);
        const wider = target({ ...LINES, extra: z.int().nullable() }, strategy, to.assetKey);
        await write(wider, [{ ...line(2), extra: 7 }]);
        const rows = await harness.query(`SELECT id, extra FROM ${harness.table(to.assetKey)} ORDER BY id`);
        expect(rows).toEqual([
          ["1", null],
          ["2", "7"],
        ]);
        const other = target({ ...LINES, id: z.string() }, { kind: "merge", key: ["id"] }, to.assetKey);
        const staged = await stageRows(other, [{ ...line(3), id: "3" }]);
        await expect(publish(staged, other)).rejects.toThrow(/"id"/);
        await staged.discard();
        await harness.store.close();
      });
    });

    describe("types", () => {
      it("come back exactly as they went in", async () => {
        const shape = {
          text: z.string(),
          small: z.int32(),
          big: int64(),
          real: z.number(),
          flag: z.boolean(),
          money: decimal(18, 4),
          at: timestamp(),
          day: date(),
          doc: json(z.object({ a: z.array(z.number()) })),
          nothing: z.string().nullable(),
          one: z.enum(["it's", "b\\c"]),
        };
        const to = target(shape);
        const row = {
          text: `it's "quoted" \\ tab\t line\n ümlaut 😀 $1 {x} ; --`,
          small: -2147483648,
          big: 9223372036854775807n,
          real: 0.1,
          flag: true,
          money: "-99999999999999.9999",
          at: new Date("1969-12-31T23:59:59.123Z"),
          day: "2024-02-29",
          doc: { a: [1, 2.5] },
          nothing: null,
          one: "b\\c",
        };
        await write(to, [row]);
        const [found] = await harness.query(
          `SELECT ${Object.keys(shape)
            .map((column) => harness.quote(column))
            .join(", ")} FROM ${harness.table(to.assetKey)}`,
        );
        expect(found?.slice(0, 3)).toEqual([row.text, "-2147483648", "9223372036854775807"]);
        expect(Number(found?.[3])).toBe(0.1);
        expect(["true", "t", "1"]).toContain(found?.[4]);
        expect(found?.[5]).toBe("-99999999999999.9999");
        expect(new Date(found?.[6] ?? "").toISOString()).toBe("1969-12-31T23:59:59.123Z");
        expect(found?.[7]?.slice(0, 10)).toBe("2024-02-29");
        expect(JSON.parse(found?.[8] ?? "")).toEqual(row.doc);
        expect(found?.[9]).toBeNull();
        expect(found?.[10]).toBe(row.one);
      });

      it("and names may be hostile", async () => {
        const hostile = ['we"ird', "it's", "select", "a b;--", "$1", "ümlaut 😀", "back\\slash", "back`tick"];
        const to = target(Object.fromEntries(hostile.map((column) => [column, z.string()])));
        await write(to, [Object.fromEntries(hostile.map((column) => [column, `value of ${column}`]))]);
        const [found] = await harness.query(
          `SELECT ${hostile.map((column) => harness.quote(column)).join(", ")} FROM ${harness.table(to.assetKey)}`,
        );
        expect(found).toEqual(hostile.map((column) => `value of ${column}`));
      });

      it("and a table may have 1,000 columns", async () => {
        const columns = Array.from({ length: 1_000 }, (_, index) => `column_${index}`);
        const to = target(Object.fromEntries(columns.map((column) => [column, z.int().nullable()])));
        await write(to, [Object.fromEntries(columns.map((column, index) => [column, index]))]);
        expect(await harness.query(`SELECT column_0, column_999 FROM ${harness.table(to.assetKey)}`)).toEqual([
          ["0", "999"],
        ]);
      });
    });

    it("keeps the quarantined rows of runs that add to the table, and elsewhere those of the last run only", async () => {
      for (const [strategy, expected] of [
        [{ kind: "append" }, ["first 1", "second 1"]],
        [{ kind: "merge", key: ["id"] }, ["first 1", "second 1"]],
        [{ kind: "replace" }, ["second 1"]],
      ] as const) {
        const to = target(LINES, strategy);
        for (const [runId, id, isPublished] of [
          ["first", 1, true],
          ["second", 2, false],
          ["second", 2, true],
        ] as const) {
          // prettier-ignore
          const given = attempt({ runId, rootRunId: `${runId}${to.assetKey}` });
          const writer = await harness.store.stageRows(to, given);
          await writer.append([line(id)]);
          writer.quarantine({ rowNumber: 1, reason: "bad", value: `{"run":"${runId}"}` });
          const staged = await writer.finish();
          if (isPublished) await publish(staged, to, given);
          else await staged.discard();
        }
        await harness.store.close();
        const rows = await harness.query(
          `SELECT run_id, row_number FROM ${harness.table("_dagster_typescript/quarantine")} WHERE asset_key = '${to.assetKey}' ORDER BY run_id`,
        );
        expect(rows.map((row) => row.join(" "))).toEqual(expected);
      }
    });

    it("keeps the quarantined rows of a body that failed after many good rows, and none of those", async () => {
      const to = target({ id: z.int() });
      const given = attempt();
      const writer = await harness.store.stageRows(to, given);
      await writer.append(Array.from({ length: 200_000 }, (_, id) => ({ id })));
      writer.quarantine({ rowNumber: 200_001, reason: "bad", value: "{}" });
      await writer.fail();
      const kept = await harness.store.quarantined(to, attempt());
      expect(kept.map(({ rowNumber }) => rowNumber)).toEqual([200_001]);
      expect(await harness.store.findPublished(to, given)).toBeUndefined();
    });

    describeChecks(() => ({ harness, target, stageRows, write }));
    describeEvolution(() => harness);
    describeRuns(() => harness);

    it("checks the staged rows, and shows some of the bad ones", async () => {
      const to = target();
      const staged = await stageRows(to, [line(1), line(1, { note: "x" }), line(300)]);
      const checks = [unique("id"), notNull("note"), between("amount", { max: "100.00" }), between("id", { min: 0 })];
      expect(await failed(staged, checks)).toEqual(["unique_id", "not_null_note", "between_amount"]);
      const [, nulls] = await staged.check(checks);
      expect(nulls).toMatchObject({ failedRows: 2n, checkedRows: 3n });
      expect(nulls?.sample?.rows).toHaveLength(2);
      await staged.discard();
      await harness.store.close();
    });

    it("finds what an attempt published again, by its partitions", async () => {
      const to = target();
      const given = attempt();
      const keys = ["2017-01-02", "it's"];
      const staged = await stageRows(to, [line(1)], given);
      await publish(staged, to, given, null, undefined, keys);
      const find = (partitionKeys: readonly string[] | null): Promise<unknown> =>
        harness.store.findPublished(to, { ...attempt({ rootRunId: given.rootRunId }), partitionKeys });
      expect(await find(keys)).toMatchObject({ runId: given.runId, partitionKeys: keys });
      expect(await find(["2017-01-02"])).toBeUndefined();
      expect(await find(null)).toBeUndefined();
      await harness.store.close();
    });

    it("tells the greatest value of the cursor's column, to the microsecond, in one form for all stores", async () => {
      const greatest = async (column: string, rows: readonly Row[]): Promise<string | null> => {
        const staged = await stageRows({ ...target(), cursorColumn: column }, rows);
        const facts = await staged.facts();
        await staged.discard();
        await harness.store.close();
        return facts.cursor;
      };
      const rows = [line(9, { day: "03" }), line(10, { day: "04" }), line(1)];
      expect(await greatest("day", rows)).toBe("2017-01-04T12:00:00.000000Z");
      expect(await greatest("id", rows)).toBe("10");
      expect(await greatest("day", [])).toBeNull();
    });

    it("refuses rows that were read from a cursor that is not the latest any more", async () => {
      const to = target(LINES, { kind: "append" });
      await write(to, [line(1)], attempt(), "1");
      const late = await stageRows(to, [line(1), line(2)]);
      await expect(publish(late, to, attempt(), "2", null)).rejects.toMatchObject({
        code: "cursor_moved",
        retryable: true,
      });
      await late.discard();
      await harness.store.close();
      await publish(await stageRows(to, [line(2)]), to, attempt(), "2", "1");
      expect(await ids(to)).toEqual(["1 1.00 NULL", "2 2.00 NULL"]);
    });

    // ClickHouse cannot change the key of its ledger, and has a test of its own.
    const itWithUpdates = name === "ClickHouse" ? (): void => undefined : it;
    itWithUpdates("goes on from the latest publish, also where the clock was set back", async () => {
      const to = target(LINES, { kind: "append" });
      await write(to, [line(1)], attempt(), "1");
      const ledger = `${harness.quote("_dagster_typescript")}.ledger`;
      await harness.query(
        `UPDATE ${ledger} SET published_at = published_at + INTERVAL '1 hour' WHERE asset_key = '${to.assetKey}'`,
      );
      for (const id of [2, 3]) {
        const given = attempt();
        await publish(await stageRows(to, [line(id)], given), to, given, String(id), String(id - 1));
        expect(await harness.store.lastCursor(to, attempt())).toBe(String(id));
        expect(await harness.store.recentPublishes(to, attempt(), LATEST)).toMatchObject([{ runId: given.runId }]);
        await harness.store.close();
      }
      const late = await stageRows(to, [line(2)]);
      await expect(publish(late, to, attempt(), "2", "1")).rejects.toMatchObject({ code: "cursor_moved" });
      await late.discard();
      await harness.store.close();
      expect(await ids(to)).toEqual(["1 1.00 NULL", "2 2.00 NULL", "3 3.00 NULL"]);
    });

    it("adds what was read from a cursor also to what the same root run has published before", async () => {
      const to = target(LINES, { kind: "append" });
      const first = attempt();
      const second = attempt({ rootRunId: first.rootRunId });
      await write(to, [line(1)], first, "1");
      const standing = await enter(await stageRows(to, [line(2)], second), to, second, "2", "1");
      await harness.store.close();
      expect(standing).toMatchObject({ runId: second.runId });
      expect(await ids(to)).toEqual(["1 1.00 NULL", "2 2.00 NULL"]);
    });

    it("reads on the first run all that is beyond the earliest day and instant that it holds", async () => {
      const year = harness.kind.name === "clickhouse" ? "1900" : "0850";
      const shape = { at: timestamp(), on: date() };
      const [source, to] = [target(shape), target(shape)];
      await write(source, [{ at: new Date(`${year}-01-02T00:00:00Z`), on: `${year}-01-02` }]);
      for (const name of ["at", "on"] as const) {
        const { assetKey } = source;
        const column = { kind: "column", assetKey, column: name } as const;
        const query = sql`SELECT * FROM ${{ kind: "table", assetKey }} WHERE ${column} > ${cursor}`;
        const bound = bindCursor(query, to, append({ cursor: name }), harness.kind, null);
        const staged = await harness.store.stageQuery(to, bound, null, attempt());
        expect((await staged.facts()).rowCount, name).toBe(1n);
        await staged.discard();
        await harness.store.close();
      }
    });

    it("counts, hashes and checks the rows of each stretch of time for themselves", async () => {
      const HOUR = 3_600;
      const day = (time: string): Row => ({ day: new Date(time) });
      const rows = [
        { ...line(1), ...day("2017-01-01T23:59:59.999Z") },
        { ...line(2, { note: "x" }), ...day("2017-01-02T00:00:00Z") },
        { ...line(2), ...day("2017-01-02T00:59:59Z") },
        { ...line(3), ...day("1969-12-31T23:30:00Z") },
      ];
      const checks = [
        notNull("note"),
        unique("id"),
        rowCount({ min: 1 }),
        sqlCheck("none", sql`SELECT * FROM ${self}`),
      ];
      const buckets = { kind: "time", column: "day", origin: DAY.start, seconds: HOUR } as const;
      const staged = await stageRows({ ...target(), buckets }, rows);
      const facts = await staged.facts();
      const outcomes = await staged.check(checks);
      await staged.discard();
      const whole = await stageRows(target(), rows);
      const { contentHash } = await whole.facts();
      await whole.discard();
      const alone = await stageRows(target(), rows.slice(1, 3));
      const second = await alone.facts();
      await alone.discard();
      await harness.store.close();

      expect(facts.rowCount).toBe(4n);
      expect(facts.contentHash).toBe(contentHash);
      const found = new Map([...(facts.buckets ?? [])].map(([name, { rowCount: count }]) => [name, count]));
      // 24 hours a day, 365 days a year, and 12 leap years since 1970.
      const before1970 = `${-24 * (365 * 47 + 12) - 25}`;
      expect(found).toEqual(new Map([["-1", 1n], ["0", 2n], [before1970, 1n]])); // prettier-ignore
      expect(facts.hashOf([...(facts.buckets ?? [])].flatMap(([name, part]) => (name === "0" ? [part] : [])))).toBe(
        second.contentHash,
      );
      const [nulls, twice, count, any] = outcomes.map(({ buckets: counts }) => counts);
      expect(nulls?.get("-1")).toMatchObject({ failedRows: 1n, checkedRows: 1n });
      expect(nulls?.get("0")).toMatchObject({ failedRows: 1n, checkedRows: 2n });
      expect(twice?.get("0")).toMatchObject({ failedRows: 1n, checkedRows: 2n });
      expect(twice?.get("-1")).toMatchObject({ failedRows: 0n, checkedRows: 1n });
      expect(count?.get("0")).toMatchObject({ failedRows: 0n, checkedRows: 2n });
      expect(any).toBeNull();
    });

    it("counts the rows of each day and of each key for themselves", async () => {
      const shape = { at: date(), shop: z.string() };
      const rows = [
        { at: "2017-01-01", shop: "a" },
        { at: "2017-01-03", shop: "a'b" },
        { at: "2017-01-03", shop: "" },
      ];
      const twice = new Map<string, bigint>();
      const countBy = async (buckets: Target["buckets"]): Promise<Map<string, bigint>> => {
        const staged = await stageRows({ ...target(shape), buckets }, rows);
        const facts = await staged.facts();
        const [outcome] = await staged.check([unique("at")]);
        for (const [name, { failedRows }] of outcome?.buckets ?? []) twice.set(name, failedRows);
        await staged.discard();
        await harness.store.close();
        return new Map([...(facts.buckets ?? [])].map(([name, part]) => [name, part.rowCount]));
      };
      const origin = DAY.start;
      const byDay = { kind: "time", column: "at", origin, seconds: 86_400 } as const;
      const byShop = { kind: "value", column: "shop" } as const;
      expect(await countBy({ kind: "both", bucketings: [byDay, byShop] })).toEqual(new Map([["-1|a", 1n], ["1|a'b", 1n], ["1|", 1n]])); // prettier-ignore
      expect(twice).toEqual(new Map([["-1|a", 0n], ["1|a'b", 0n], ["1|", 1n]])); // prettier-ignore
      expect(await countBy(byDay)).toEqual(new Map([["-1", 1n], ["1", 2n]])); // prettier-ignore
      expect(await countBy(byShop)).toEqual(new Map([["", 1n], ["a", 1n], ["a'b", 1n]])); // prettier-ignore
    });

    it("hashes content: the order of rows does not count, every cell and every row does", async () => {
      const to = target();
      const hash = async (rows: readonly Row[]): Promise<string> => {
        const staged = await stageRows(to, rows);
        const { contentHash } = await staged.facts();
        await staged.discard();
        return contentHash;
      };
      const first = await hash([line(1), line(2)]);
      expect(await hash([line(2), line(1)])).toBe(first);
      expect(await hash([line(1), line(2, { note: "" })])).not.toBe(first);
      expect(await hash([line(1), line(2), line(2)])).not.toBe(first);
      expect(await hash([line(1), line(1)])).not.toBe(await hash([line(2), line(2)]));
      await harness.store.close();
    });

    it("proves SQL against its contract without running it", async () => {
      const from = target();
      const to = target({ id: z.int() });
      const deps = [from.assetKey];
      const claim = (
        query: Sql,
        given: Target = to,
      ): { target: Target; deps: string[]; sql: Sql; checks: Check[] } => ({
        target: given,
        deps,
        sql: query,
        checks: [],
      });
      const read = { kind: "table", assetKey: from.assetKey } as const;
      const base = { target: from, deps: [], sql: null, checks: [] };
      const prove = async (query: Sql): Promise<string[]> =>
        (await harness.kind.prove([base, claim(query)], process.cwd(), process.env)).map(({ code }) => code);
      expect(await prove(sql`SELECT id FROM ${read}`)).toEqual([]);
      expect(await prove(sql`SELECT note AS id FROM ${read}`)).toEqual(["contract_mismatch"]);
      expect(await prove(sql`SELECT idd FROM ${read}`)).toEqual(["bad_sql"]);
      const byKeys = sql`SELECT id FROM ${read} WHERE note IN ${keys} AND day >= ${run.start}`;
      expect(await prove(bindKeys(byKeys, ["a key"], harness.kind))).toEqual([]);
    });

    it.each<WriteStrategy>([
      { kind: "replace" },
      { kind: "replacePartitions", partitions: { kind: "window", column: "day", ...DAY } },
      { kind: "append" },
      { kind: "merge", key: ["id"] },
    ])(
      "shows readers the old table or the new one throughout a publish by $kind, never an error and never a mixture",
      async (strategy) => {
        const rowsOf = (note: string): Row[] =>
          Array.from({ length: 500 }, (_, index) =>
            line(strategy.kind === "append" ? Number(note) * 500 + index : index, { note }),
          );
        const to = target(LINES, strategy);
        await write(to, rowsOf("0"));
        const seen = new Set<string>();
        let looks = 0;
        const publishing = new AbortController();
        const reading = (async () => {
          for (let isLast = false; !isLast;) {
            isLast = publishing.signal.aborted;
            const rows = await readWhileOpen(
              `SELECT min(note), max(note), count(*) FROM ${harness.table(to.assetKey)}`,
            );
            if (rows !== undefined) seen.add((rows[0] ?? []).join(" "));
            if (!publishing.signal.aborted) looks += 1;
          }
        })();
        const publishes = (async () => {
          for (const note of ["1", "2", "3"]) await write(to, rowsOf(note));
        })().finally(() => {
          publishing.abort();
        });
        await Promise.all([publishes, reading]);
        // Rows of an append stay: the newest number says how many there are.
        const whole = ["0", "1", "2", "3"].map((note) =>
          strategy.kind === "append" ? `0 ${note} ${500 * (Number(note) + 1)}` : `${note} ${note} 500`,
        );
        for (const found of seen) expect(whole).toContain(found);
        // Who has to start a process for each look may be late for all publishes, and has a test of its own.
        if (harness.queryApart === undefined) expect(looks).toBeGreaterThan(3);
        expect(seen.size).toBeGreaterThan(0);
      },
    );

    /** A file store locks its file against other processes and waits: that is the one error that counts as waiting. */
    const readWhileOpen = async (text: string): Promise<(string | null)[][] | undefined> => {
      try {
        return await (harness.queryApart ?? harness.query)(text);
      } catch (error) {
        if (harness.kind.name === "duckdb" && /lock|already/i.test(String(error))) return undefined;
        throw error;
      }
    };

    /** A type's name as raw SQL text inside a template. */
    const typeOf = (kind: "string" | "int64"): Sql => ({
      kind: "sql",
      strings: [harness.kind.typeName({ kind })],
      values: [],
    });
  });
}

function line(id: number, change: { readonly day?: string; readonly note?: string } = {}): Row {
  return {
    id,
    day: new Date(`2017-01-${change.day ?? "02"}T12:00:00Z`),
    amount: `${id}.00`,
    note: change.note ?? null,
  };
}

function columnsOf(shape: Readonly<Record<string, z.ZodType>>): Column[] {
  return Object.entries(shape).map(([name, schema]) => {
    const result = readColumn(name, schema);
    if (!result.ok) throw new Error(result.message);
    return result.column;
  });
}
