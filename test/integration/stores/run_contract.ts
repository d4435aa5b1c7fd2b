import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AssetOptions, defineAsset, type Shape } from "../../../definitions/asset.ts";
import type { Body } from "../../../definitions/body.ts";
import { copy, date, merge, parquet, z } from "../../../definitions/index.ts";
import { definedAssets } from "../../../definitions/registry.ts";
import type { Store } from "../../../resources/store.ts";
import { OpenStores } from "../../../resources/stores.ts";
import { resolveAsset } from "../../../runtime/resolve.ts";
import { type AssetResult, runAsset, type RunRequest } from "../../../runtime/run_asset.ts";
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
  ): Promise<Told> => {
    const { shape = SHAPE, ...others } = options;
    const columns = z.strictObject(shape as typeof SHAPE);
    const yielding = async function* (): AsyncGenerator<never> {
      await Promise.resolve();
      for (const row of body as readonly never[]) yield row;
    };
    defineAsset(key, {
      ...{ description: "A test.", columns, store: harnessOf().kind.name as "duckdb" },
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
          ...{ signal: new AbortController().signal, partitionKeys: null, window: null, keys: null },
          log: { debug: quiet, info: quiet, warning: warn, error: quiet },
        },
        {
          ...{ runId, rootRunId: runId, resume: false, isOpen: () => true, fullRefresh: false, partitions: null },
          ...{ restore: [], now: new Date(), upstream: null, redact: (text) => text },
          ...request,
        },
      );
      return { ...result, warnings };
    } finally {
      await harnessOf().store.close();
    }
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
