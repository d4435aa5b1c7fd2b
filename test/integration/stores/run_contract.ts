import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AssetOptions, defineAsset, type DefinedAsset, type Shape } from "../../../definitions/asset.ts";
import type { Body } from "../../../definitions/body.ts";
import type { Check } from "../../../definitions/check.ts";
import {
  acceptedValues,
  append,
  between,
  copy,
  daily,
  date,
  int64,
  json,
  merge,
  nullRateDrift,
  parquet,
  recent,
  rowCount,
  timestamp,
  tsCheck,
  unique,
  z,
} from "../../../definitions/index.ts";
import { definedAssets } from "../../../definitions/registry.ts";
import type { QueryWindow, Store, Target } from "../../../resources/store.ts";
import { OpenStores } from "../../../resources/stores.ts";
import { resolveAsset } from "../../../runtime/resolve.ts";
import type { AssetResult, RunRequest } from "../../../runtime/asset_run.ts";
import { runAsset } from "../../../runtime/run_asset.ts";
import { attempt } from "./attempt.ts";
import type { StoreHarness } from "./contract.ts";

/** What a run said beside its result. */
interface Told extends AssetResult {
  readonly warnings: readonly string[];
}

type Rows = readonly unknown[];
const SHAPE = { id: z.int(), t: z.string().nullable() };

/** The promises of whole runs that depend on the store: each runs on the engine of the suite. */
export function describeRuns(harnessOf: () => StoreHarness): void {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "runs-"));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  class HarnessStores extends OpenStores {
    override get(): Promise<Store> {
      return Promise.resolve(harnessOf().store);
    }
  }
  const newKey = (): string => `t_${randomUUID().replaceAll("-", "").slice(0, 12)}/x`;
  /** Runs an asset in this process, against the engine of the suite. */
  const run = async (
    key: string,
    body: Body<string, never> | Rows,
    options: Partial<AssetOptions<Shape>> & { readonly shape?: Shape } = {},
    request: Partial<RunRequest> = {},
    { keepsOpen = false, window = null as QueryWindow | null } = {},
  ): Promise<Told> => {
    const { shape = SHAPE, ...others } = options;
    const columns = z.strictObject(shape as typeof SHAPE);
    const yielding = async function* (): AsyncGenerator<never> {
      await Promise.resolve();
      for (const row of body as readonly never[]) yield row;
    };
    defineAsset(key, {
      ...{ description: "A test.", columns, store: harnessOf().kind.name as "duckdb" },
      storage: { hyper: { interruptReaders: true } },
      ...(others as object),
      body: (Array.isArray(body) ? { rows: yielding } : body) as never,
    });
    const defined = definedAssets().findLast((asset) => asset.key === key);
    if (defined === undefined) throw new TypeError(`${key} is not defined`);
    const warnings: string[] = [];
    const warn = (text: string): void => {
      warnings.push(text);
    };
    const quiet = (): void => undefined;
    const runId = randomUUID();
    const stores = new HarnessStores(folder);
    try {
      const result = await runAsset(
        resolveAsset(defined, folder, new Set()),
        stores,
        {
          ...{
            signal: new AbortController().signal,
            partitionKeys: request.partitions?.map((one) => one.key) ?? null,
            window,
            keys: null,
          },
          log: { debug: quiet, info: quiet, warning: warn, error: quiet },
        },
        {
          ...{
            runId,
            rootRunId: runId,
            resume: false,
            isOpen: () => true,
            fullRefresh: false,
            replay: false,
            partitions: null,
          },
          ...{ restore: [], now: new Date(), upstream: null, redact: (text) => text },
          ...request,
        },
      );
      return { ...result, warnings };
    } finally {
      if (!keepsOpen) await harnessOf().store.close();
    }
  };
  /** The table of an asset to which runs add. */
  const targetOf = (key: string): Target => {
    const defined = definedAssets().findLast((asset) => asset.key === key);
    const { target } = resolveAsset(defined as DefinedAsset, folder, new Set());
    return { ...(target as Target), strategy: { kind: "append" } };
  };
  const read = async (key: string, columns = "id, t"): Promise<string[]> => {
    const harness = harnessOf();
    const rows = await harness.query(`SELECT ${columns} FROM ${harness.table(key)}`);
    return rows.map((row) => row.map((value) => value ?? "NULL").join(" ")).sort();
  };
  const parquetFile = async (select: string): Promise<ReturnType<typeof parquet>> => {
    const path = join(folder, `${randomUUID()}.parquet`);
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    await connection.run("SET TimeZone = 'UTC'");
    await connection.run(`COPY (${select}) TO '${path}' (FORMAT parquet)`);
    connection.closeSync();
    instance.closeSync();
    return parquet(path);
  };
  const columnsOf = ({ report: { metadata } }: AssetResult): string[] => {
    const schema = metadata["dagster/column_schema"] as unknown as {
      readonly raw_value: { readonly columns: readonly { readonly name: string; readonly type: string }[] };
    };
    return schema.raw_value.columns.map(({ name, type }) => `${name} ${type}`);
  };

  const quarantine = async (key: string, columns = "reason"): Promise<string[]> => {
    const harness = harnessOf();
    const table = harness.table("_dagster_typescript/quarantine");
    const rows = await harness.query(`SELECT ${columns} FROM ${table} WHERE asset_key = '${key}'`);
    return rows.map((row) => row.join(" ")).sort();
  };
  const counts = ({ report: { metadata } }: AssetResult): unknown[] =>
    ["rows_read", "rows_replayed", "rows_superseded", "rows_quarantined"].map(
      (name) => (metadata[name] as { readonly raw_value: unknown } | undefined)?.raw_value,
    );

  it("keeps no half of a surrogate pair: two such texts would be one in the store", async () => {
    const key = newKey();
    const shape = { id: z.int(), t: z.string(), doc: json(z.unknown()) };
    const bad = [
      { id: 1, t: "a\ud800b", doc: {} },
      { id: 2, t: "a\udfffb", doc: {} },
      { id: 3, t: "", doc: { a: ["\ud800"] } },
      { id: 4, t: "", doc: { "\udfff": 1 } },
    ];
    const good = { id: 5, t: "a😀b", doc: { "😀": "\\ud800" } };
    await expect(run(key, [...bad, good], { shape })).rejects.toThrow(/row 1: t: not well-formed Unicode/);
    await run(key, [...bad, good], { shape, quarantine: { maxRows: 4 } });
    expect(await read(key)).toEqual(["5 a😀b"]);
    expect(await quarantine(key, "row_number, reason")).toEqual([
      ...["1 t: not well-formed Unicode", "2 t: not well-formed Unicode"],
      ...["3 doc: not well-formed Unicode", "4 doc: not well-formed Unicode"],
    ]);
    const saves = {
      async *rows({ saveCursor }: { saveCursor: (cursor: string) => void }) {
        await Promise.resolve();
        saveCursor("a\ud800b");
        yield { id: 6, t: "", doc: {} };
      },
    };
    const saving = run(key, saves as never, { shape, write: append() });
    await expect(saving).rejects.toThrow("saveCursor: the cursor is not well-formed");
    expect(await read(key)).toEqual(["5 a😀b"]);
  });

  describe("a replay", () => {
    const loose = { id: z.int(), code: z.string(), n: int64().nullable(), at: timestamp().nullable() };
    const strict = { ...loose, code: z.string().regex(/^[A-Z]+$/) };
    const none = { n: null, at: null };
    const added = { write: append({ cursor: "id" }), quarantine: { maxRows: 9 }, shape: strict };
    const fixed = { ...added, shape: loose };
    const again = { replay: true };
    /** One row that is good, and below its cursor one that the rule takes for bad. */
    const seed = async (key: string): Promise<void> => {
      await run(key, [{ id: 1, code: "low", ...none }, { id: 5, code: "OK", ...none }], added); // prettier-ignore
    };

    it("publishes what is good by now, as it was, once; what is still bad stays with its new reason", async () => {
      const key = newKey();
      const at = new Date("2024-01-01T00:00:00.123Z");
      const first = [
        { id: 1, code: "low", n: 2n ** 60n, at },
        { id: 2, code: NaN, ...none },
        { id: 3, code: "low", ...none, fn: () => 1 },
        { id: 5, code: "OK", ...none },
        // Beyond the cursor: the next run reads it again.
        { id: 7, code: "late", ...none },
      ];
      await run(key, first, added);
      await run(key, [{ id: 7, code: "late", ...none }, { id: 9, code: "OK", ...none }], added); // prettier-ignore
      await expect(run(key, [{ id: "x" }], { ...added, quarantine: { maxRows: 0 } })).rejects.toThrow();
      expect(await read(key, "id")).toEqual(["5", "9"]);

      const replayed = await run(key, [], fixed, again);
      // Of the five, one is there twice: the later one counts. What a failed run quarantined is none of them.
      expect(counts(replayed)).toEqual([5, 2, 1, 2]);
      expect(await read(key, "id, n, code")).toEqual([
        ...["1 1152921504606846976 low", "5 NULL OK", "7 NULL late", "9 NULL OK"],
      ]);
      const reasons = await quarantine(key);
      expect(reasons.join("\n")).toMatch(/cannot be replayed.*\n.*code: .*expected string, received NaN/i);

      expect(counts(await run(key, [], fixed, again))).toEqual([2, 0, 0, 2]);
      expect(await quarantine(key)).toEqual(reasons);
      await run(key, [{ id: 12, code: "more", ...none }], fixed);
      expect(await read(key, "id")).toEqual(["1", "12", "5", "7", "9"]);
    });

    it("leaves the quarantine alone where a check refuses the rows, and is overtaken by whatever is published", async () => {
      const key = newKey();
      await seed(key);
      const refused = await run(key, [], { ...fixed, checks: [acceptedValues("code", ["OK"])] }, again);
      expect(refused.outcome).toBe("refused");
      expect(await quarantine(key, "row_number")).toEqual(["1"]);

      const waiting = Promise.withResolvers<undefined>();
      const open = Promise.withResolvers<undefined>();
      const gate = tsCheck("gate", async () => {
        waiting.resolve(undefined);
        await open.promise;
        return [];
      });
      const slow = run(key, [], { ...fixed, checks: [gate] }, again);
      slow.catch(() => undefined);
      await waiting.promise;
      // It closes nothing that the slow one uses.
      const quick = await run(key, [], fixed, again, { keepsOpen: true });
      open.resolve(undefined);
      await expect(slow).rejects.toThrow(/another run has published/);
      expect(counts(quick)).toEqual([1, 1, 0, 0]);
      expect(await read(key, "id")).toEqual(["1", "5"]);
      expect(await quarantine(key)).toEqual([]);
    });

    it("judges rows one by one, not what is true of the rows of a whole run", async () => {
      const key = newKey();
      await seed(key);
      const checks = [rowCount({ min: 100 }), unique("id")];
      const { outcome, report } = await run(key, [], { ...fixed, checks }, again);
      expect(outcome).toBe("published");
      expect(JSON.stringify(report.checks)).toContain("not judged");
      expect(await read(key, "id")).toEqual(["1", "5"]);
    });

    it("merges the newest row of a key, never an older one over a newer", async () => {
      const key = newKey();
      const shape = { id: z.int(), v: z.int(), code: z.string() };
      const options = { write: merge({ cursor: "v" }), key: ["id"], quarantine: { maxRows: 9 } } as const;
      const narrow = { ...options, shape: { ...shape, code: strict.code } };
      const first = [
        [1, 1, "OK"], [2, 2, "old"], [3, 3, "lost"], [4, 4, "older"], [4, 5, "newer"], [1, 6, "update"], [9, 9, "OK"],
      ] as const; // prettier-ignore
      await run(key, first.map(([id, v, code]) => ({ id, v, code })), narrow); // prettier-ignore
      await run(key, [{ id: 2, v: 10, code: "NEW" }], narrow);
      expect(counts(await run(key, [], { ...options, shape }, again))).toEqual([5, 3, 2, 0]);
      expect(await read(key, "id, code")).toEqual(["1 update", "2 NEW", "3 lost", "4 newer", "9 OK"]);
      expect(await quarantine(key)).toEqual([]);
    });

    it("is refused where runs read all rows anew, and where nobody can tell which row is newer", async () => {
      const key = newKey();
      const refusals = [
        [{ shape: loose }, /reads all of its rows anew/],
        [{ shape: loose, write: merge(), key: ["id"] }, /without a cursor/],
        [{ shape: loose, write: merge({ cursor: "id" }), key: ["n"] }, /never NULL; n is none/],
        [{ ...fixed }, /published nothing yet/],
      ] as const;
      for (const [options, why] of refusals) await expect(run(key, [], options, again)).rejects.toThrow(why);
      await expect(run(key, [], fixed, { replay: true, fullRefresh: true })).rejects.toThrow(/one of the two/);
    });

    it("that was killed before its rows left the quarantine does not publish them again", async () => {
      const key = newKey();
      await seed(key);
      const { store, kind } = harnessOf();
      // The other stores write both in one transaction.
      if (kind.name !== "clickhouse") return;
      const target = targetOf(key);
      const [row] = await store.quarantined(target, attempt());
      if (row === undefined) throw new TypeError("nothing is in quarantine");
      await run(key, [], fixed, again);
      const writer = await store.stageRows(target, attempt({ runId: row.runId }));
      writer.quarantine(row);
      await writer.fail();
      expect(await quarantine(key, "row_number")).toEqual(["1"]);
      expect(counts(await run(key, [], fixed, again))).toEqual([0, 0, 0, 0]);
      expect(await read(key, "id")).toEqual(["1", "5"]);
      expect(await quarantine(key)).toEqual([]);
    });
  });

  it("judges a partition without rows by itself: it lacks rows, and breaks no rule about one", async () => {
    const key = newKey();
    const shape = { id: z.int(), day: date() };
    const window = (day: string) => ({
      start: new Date(`${day}T00:00:00Z`),
      end: new Date(Date.parse(day) + 86_400_000),
    });
    const days = ["2024-01-01", "2024-01-02"].map((day) => ({ key: day, window: window(day), value: null }));
    const partitions = daily("day", { start: "2024-01-01" });
    const row = { id: 1, day: "2024-01-01" };
    const rules = [unique("id"), between("id", { min: 0 }), nullRateDrift("id", { max: 0.1, last: 1 })];
    const whole = { start: days[0]?.window.start ?? new Date(0), end: days[1]?.window.end ?? new Date(0) };
    const judge = async (checks: readonly Check[]): Promise<Told> =>
      await run(key, [row], { shape, partitions, checks } as never, { partitions: days }, { window: whole });
    expect((await judge(rules)).outcome).toBe("published");
    const refused = await judge([...rules, rowCount({ min: 1 }), recent("day", "1h")]);
    expect(refused.outcome).toBe("refused");
    expect(refused.report.checks.filter(({ passed }) => !passed).map(({ name }) => name)).toEqual([
      ...["row_count", "recent_day"],
    ]);
    expect(refused.report.partitions?.map(({ checks }) => checks.map(({ passed }) => passed))).toEqual([
      [true, true, true, true, expect.any(Boolean)],
      [true, true, true, false, false],
    ]);
    expect(await read(key, "id")).toEqual(["1"]);
  });

  describe("the contract of a run", () => {
    it("is frozen: a copy with columns that nobody declared is refused, unless they are to be ignored", async () => {
      const key = newKey();
      const source = await parquetFile("SELECT 1::BIGINT AS id, 'x' AS note, 2 AS more, 3 AS most");
      const columns = { t: "note" };
      await expect(run(key, copy(source, { columns }))).rejects.toThrow(
        /"more" \(INTEGER\) is not in the contract.*"most" \(INTEGER\)/,
      );
      await expect(run(key, copy(source, { columns, ignore: ["more"] }))).rejects.toThrow(/"most"/);
      await run(key, copy(source, { columns, ignore: ["more", "most"] }));
      await run(key, copy(source, { columns, ignore: "others" }));
      expect(await read(key)).toEqual(["1 x"]);
    });

    it("is frozen: a copy that lacks a column, or whose cast would change values silently, is refused", async () => {
      const key = newKey();
      const lossy = await parquetFile("SELECT 1.5::DOUBLE AS id");
      const shape = { id: z.int(), day: date().nullable() };
      await expect(run(key, copy(lossy), { shape })).rejects.toThrow(
        /"id" is DOUBLE, which has fractions.*"day" is missing/,
      );
      const instants = await parquetFile("SELECT 1::BIGINT AS id, TIMESTAMPTZ '2024-01-01 12:00:00+00' AS day");
      await expect(run(key, copy(instants), { shape })).rejects.toThrow(/"day" is .*time of day/);
    });

    it("warns: other columns are left out, missing ones that may be are NULL, and both are said", async () => {
      const key = newKey();
      const copied = await run(key, copy(await parquetFile("SELECT 1::BIGINT AS id, 2 AS more")), { contract: "warn" });
      expect(copied.warnings.join()).toMatch(/"t" is missing.*"more" \(INTEGER\) is not in the contract/);
      expect(copied.report.metadata["contract_differences"]).toBeDefined();
      expect(await read(key)).toEqual(["1 NULL"]);
      const rows = [{ id: 1, t: "a", more: 1 }, { id: 2 }, { t: "no id" }];
      const yielded = await run(key, rows, { contract: "warn", quarantine: { maxRows: 1 } });
      expect(yielded.warnings.join()).toMatch(
        /"more" is not in the contract: left out of 1 rows.*"t" is missing: NULL in 1/,
      );
      expect(await read(key)).toEqual(["1 a", "2 NULL"]);
      const missing = await parquetFile("SELECT 'x' AS t");
      await expect(run(key, copy(missing), { contract: "warn" })).rejects.toThrow(/"id" is missing/);
    });

    it("evolves with rows: new columns have the type of all their values, and stay when later runs lack them", async () => {
      const key = newKey();
      const at = new Date("2024-01-01T12:00:00.123Z");
      const rows = [
        { id: 1, t: null, whole: 1, part: 1, big: 2n ** 62n, text: "é", yes: true, at, nothing: null },
        { id: 2, t: null, whole: 2 ** 53 - 1, part: 0.5, big: null, text: "" },
        { id: 3, t: null },
      ];
      const first = await run(key, rows, { contract: "evolve" });
      expect(first.warnings.join()).toMatch(/"part" is new, of type float64.*"nothing" is new and only NULL/);
      const name = harnessOf().kind.typeName;
      const grown = [
        ...[`id ${name({ kind: "int64" })}`, `t ${name({ kind: "string" })}`, `whole ${name({ kind: "int64" })}`],
        ...[`part ${name({ kind: "float64" })}`, `big ${name({ kind: "int64" })}`, `text ${name({ kind: "string" })}`],
        ...[`yes ${name({ kind: "boolean" })}`, `at ${name({ kind: "timestamp" })}`],
      ];
      expect(columnsOf(first)).toEqual(grown);
      expect(await read(key, "id, whole, part, big, text")).toEqual([
        ...["1 1 1 4611686018427387904 é", "2 9007199254740991 0.5 NULL ", "3 NULL NULL NULL NULL"],
      ]);
      const later = await run(key, [{ id: 4, t: null, whole: 4 }], { contract: "evolve" });
      expect(columnsOf(later)).toEqual(grown);
      expect(await read(key, "id, whole, part")).toEqual(["4 4 NULL"]);
      // To freeze what has grown is to say what becomes of it.
      await expect(run(key, [{ id: 5, t: null }])).rejects.toThrow(/"whole".*Declare them/);
      // What does not fit a column that evolved is a bad row, as in any other.
      await expect(run(key, [{ id: 5, t: null, whole: 0.5 }], { contract: "evolve" })).rejects.toThrow(/whole/);
      expect(await read(key, "id, whole")).toEqual(["4 4"]);
    });

    it("evolves a table that runs add to, and refuses what has no exact type before anything is published", async () => {
      const key = newKey();
      const options = { contract: "evolve", key: ["id"], write: merge() } as const;
      await run(key, [{ id: 1, t: "a" }], options);
      for (const [bad, why] of [
        [
          [
            { id: 2, t: "b", n: 1 },
            { id: 3, t: "c", n: "1" },
          ],
          /holds int64 and string/,
        ],
        [[{ id: 2, t: "b", n: NaN }], /holds NaN/],
        [[{ id: 2, t: "b", n: { deep: 1 } }], /type object/],
        [[{ id: 2, t: "b", n: 2n ** 63n }], /64 bits/],
        [
          [
            { id: 2, t: "b", n: 2n ** 60n },
            { id: 3, t: "c", n: 0.5 },
          ],
          /int64 and float64/,
        ],
        [[{ id: 2, t: "b", T: "twin" }], /do not tell from/],
      ] as const) {
        await expect(run(key, bad, options)).rejects.toThrow(why);
      }
      expect(await read(key)).toEqual(["1 a"]);
      await run(key, [{ id: 2, t: "b", more: "new" }], options);
      await run(key, [{ id: 3, t: "c" }], options);
      expect(await read(key, "id, t, more")).toEqual(["1 a NULL", "2 b new", "3 c NULL"]);
    });

    it("evolves with a copy, by the types of its source", async () => {
      const key = newKey();
      const shape = { id: z.int() };
      const source = await parquetFile(
        "SELECT 1::BIGINT AS id, 1.25::DECIMAL(9, 3) AS price, DATE '2024-02-29' AS day",
      );
      const first = await run(key, copy(source), { shape, contract: "evolve" });
      const { typeName } = harnessOf().kind;
      const evolved = [
        `price ${typeName({ kind: "decimal", precision: 9, scale: 3 })}`,
        `day ${typeName({ kind: "date" })}`,
      ];
      expect(columnsOf(first).slice(1)).toEqual(evolved);
      const later = await run(key, copy(await parquetFile("SELECT 2::BIGINT AS id, 2.5::DECIMAL(9, 3) AS price")), {
        ...{ shape, contract: "evolve" },
      });
      expect(columnsOf(later).slice(1)).toEqual(evolved);
      expect((await read(key, "id, price, day")).map((row) => row.replace("2.500", "2.5"))).toEqual(["2 2.5 NULL"]);
      const naive = await parquetFile("SELECT 3::BIGINT AS id, TIMESTAMP '2024-01-01 00:00:00' AS at");
      await expect(run(key, copy(naive), { shape, contract: "evolve" })).rejects.toThrow(
        /"at" is TIMESTAMP, for which no/,
      );
    });
  });
}
