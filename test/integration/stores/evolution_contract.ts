import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { expect, it } from "vitest";
import { append, type AssetOptions, decimal, defineAsset, z } from "../../../definitions/index.ts";
import { definedAssets } from "../../../definitions/registry.ts";
import type { OpenStores } from "../../../resources/stores.ts";
import { resolveAsset } from "../../../runtime/resolve.ts";
import type { Outcome } from "../../../runtime/asset_run.ts";
import { runAsset } from "../../../runtime/run_asset.ts";
import type { StoreHarness } from "./contract.ts";

type Shape = Readonly<Record<string, z.ZodType>>;
/** What the tests change of an asset beside its columns. */
type Options = Partial<Pick<AssetOptions<z.ZodRawShape>, "breaks" | "superset" | "write">>;

const V1 = { id: z.int32(), amount: decimal(12, 2), note: z.string(), kind: z.string() };
const WIDER = { id: z.int(), amount: decimal(15, 3), note: z.string(), kind: z.string(), more: z.string().nullable() };
const ROW = { id: 1, amount: "1.00", note: "n", kind: "k", more: null, remark: "r" };

/** Columns change as charts can bear it, or not at all: the same in every store, with its own types. */
export function describeEvolution(tools: () => StoreHarness): void {
  const run = async (key: string, shape: Shape, options: Options = {}, fullRefresh = false): Promise<Outcome> => {
    const { kind, store } = tools();
    const row = Object.fromEntries(Object.keys(shape).map((name) => [name, ROW[name as keyof typeof ROW]]));
    defineAsset(key, {
      description: "A test.",
      columns: z.strictObject(shape),
      store: kind.name as "duckdb",
      superset: {},
      storage: { hyper: { interruptReaders: true } },
      ...(options as object),
      body: {
        async *rows() {
          yield await Promise.resolve(row as never);
        },
      },
    });
    const defined = definedAssets().at(-1);
    if (defined === undefined) throw new TypeError("no asset");
    const asset = resolveAsset(defined, tmpdir(), new Set());
    const stores = { get: () => Promise.resolve(store), removeOrphanTransfers: () => undefined };
    const log = { debug: () => undefined, info: () => undefined, warning: () => undefined, error: () => undefined };
    const signal = new AbortController().signal;
    const runId = randomUUID();
    const request = {
      runId,
      rootRunId: runId,
      resume: false,
      isOpen: () => true,
      restore: [],
      now: new Date(),
      upstream: null,
      replay: false,
    };
    try {
      const { outcome } = await runAsset(
        asset,
        stores as unknown as OpenStores,
        { signal, log, partitionKeys: null, window: null, keys: null },
        { ...request, partitions: null, fullRefresh, redact: (text) => text },
      );
      return outcome;
    } finally {
      await store.close();
    }
  };
  const newKey = (): string => `e_${randomUUID().replaceAll("-", "").slice(0, 12)}/x`;
  const broken = (...names: readonly string[]): object => ({
    code: "breaking_change",
    message: expect.stringMatching(new RegExp(names.join(".*"), "s")) as string,
  });
  const columnsOf = async (key: string): Promise<number> =>
    (await tools().query(`SELECT * FROM ${tools().table(key)}`))[0]?.length ?? 0;

  it("publishes columns that are added or widened, and stops before those that are gone, narrower or may be NULL", async () => {
    const key = newKey();
    expect(await run(key, V1)).toBe("published");
    expect(await run(key, WIDER)).toBe("published");
    expect(await columnsOf(key)).toBe(5);
    const gone = without(WIDER, "note");
    const narrow = { ...WIDER, id: z.int32(), amount: decimal(15, 2) };
    await expect(run(key, gone)).rejects.toMatchObject(broken('"note"', "is gone", "no Superset", 'change: "removed"'));
    await expect(run(key, gone, {}, true)).rejects.toMatchObject(broken('"note"'));
    await expect(run(key, gone, { write: append() }, true)).rejects.toMatchObject(broken('"note"'));
    await expect(run(key, { ...gone, remark: z.string() })).rejects.toMatchObject(broken("renamed to .*remark"));
    await expect(run(key, narrow)).rejects.toMatchObject(broken('"id" was', '"amount" was'));
    const nullable = { ...WIDER, note: z.string().nullable() };
    await expect(run(key, nullable)).rejects.toMatchObject(broken('"note" was never NULL'));
    expect(await columnsOf(key)).toBe(5);
    // Whatever becomes of the table, the promise stands; another version beside it is a table of its own.
    await tools().query(`DROP TABLE ${tools().table(key)}`);
    await expect(run(key, gone)).rejects.toMatchObject(broken('"note"'));
    expect(await run(`${key}_v2`, gone)).toBe("published");
  });

  it("lets an acknowledged break pass once, and is held to a promise once more when it is given up", async () => {
    const key = newKey();
    const narrow = { ...V1, amount: decimal(8, 2) };
    const breaks = [{ column: "amount", change: "retyped", because: "no sale is so large" }] as const;
    await run(key, V1);
    await expect(run(key, narrow, { breaks: [{ ...breaks[0], column: "id" }] })).rejects.toMatchObject(
      broken('"amount"'),
    );
    expect(await run(key, narrow, { breaks })).toBe("published");
    expect(await run(key, narrow, { breaks })).toBe("published");
    expect(await run(key, V1, { breaks })).toBe("published");
    await expect(run(key, narrow, { breaks })).rejects.toMatchObject(broken('"amount"', "published before"));
    const again = [{ ...breaks[0], because: "this time for good" }];
    expect(await run(key, narrow, { breaks: again })).toBe("published");

    const gone = without(narrow, "note");
    await expect(run(key, gone, { superset: undefined })).rejects.toMatchObject(broken('"note"'));
    expect(await run(key, narrow, { superset: undefined })).toBe("published");
    expect(await run(key, gone, { superset: undefined })).toBe("published");
  });
}

function without(shape: Shape, name: string): Shape {
  return Object.fromEntries(Object.entries(shape).filter(([one]) => one !== name));
}
