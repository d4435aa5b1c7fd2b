import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { date, timestamp } from "../../../definitions/index.ts";
import { duckdb } from "../../../resources/duckdb/kind.ts";
import { hyper } from "../../../resources/hyper/kind.ts";
import { LONE_TEXTS, rowsBetween, SHAPE } from "./hostile_rows.ts";
import { attempt, newTarget, Stores, valuesOf } from "./stores.ts";

beforeAll(() => {
  process.env["HYPER_SHARES_FILES"] = "false";
});
afterAll(() => {
  delete process.env["HYPER_SHARES_FILES"];
});
const stores = Stores.forThisFile(["duckdb", "hyper"]);

describe.each([
  { from: duckdb, to: hyper },
  { from: hyper, to: duckdb },
])("from $from.name to $to.name, where the server of Hyper sees no file of this machine", ({ from, to }) => {
  it("every type and every value arrives as it was", async () => {
    const rows = rowsBetween(from, to);
    const source = newTarget(SHAPE);
    await stores.make(from, source, valuesOf(from, source, rows));
    const copied = newTarget(SHAPE);
    await stores.copy(to, copied, { format: "asset", target: source, store: from });
    expect(await stores.rows(to, copied)).toEqual(rows);
  });
});

it.each(LONE_TEXTS.map((texts) => [JSON.stringify(texts), texts] as const))(
  "from hyper to duckdb, as from no file, texts %s that are all of a row arrive",
  async (_, texts) => {
    expect(await stores.copyTexts(hyper, duckdb, texts)).toEqual([...texts].sort());
  },
);

it.each(["false", "true"])(
  "instants and days of DuckDB that never end stop the copy, where files are shared: %s",
  async (isShared) => {
    process.env["HYPER_SHARES_FILES"] = isShared;
    onTestFinished(async () => {
      process.env["HYPER_SHARES_FILES"] = "false";
      await stores.open.close();
    });
    await stores.open.close();
    for (const type of [timestamp(), date()]) {
      for (const value of ["infinity", "-infinity"]) {
        const source = newTarget({ at: type });
        await stores.make(duckdb, source, valuesOf(duckdb, source, [[value]]));
        const copying = stores.copy(hyper, newTarget({ at: type }), { format: "asset", target: source, store: duckdb });
        await expect(copying, value).rejects.toMatchObject({
          retryable: false,
          message: expect.stringMatching(/out of range|overflow/) as unknown,
        });
      }
    }
  },
);

it("years before Christ, of which the rows on their way would lose the sign, stop the copy", async () => {
  for (const [type, value] of [
    [timestamp(), "0044-03-15 00:00:00+00 BC"],
    [date(), "0044-03-15 BC"],
  ] as const) {
    const source = newTarget({ at: type });
    await stores.make(hyper, source, valuesOf(hyper, source, [[value]]));
    const copying = stores.copy(duckdb, newTarget({ at: type }), { format: "asset", target: source, store: hyper });
    await expect(copying).rejects.toThrow(`out of range: ${value}`);
  }
});

it("a server that is said to share files, and does not, is a fault that says what to set", async () => {
  const elsewhere = mkdtempSync(join(tmpdir(), "elsewhere-"));
  const store = await hyper.open(elsewhere, { HYPER_URL: stores.url("hyper"), HYPER_SHARES_FILES: "true" });
  try {
    const source = newTarget(SHAPE);
    await stores.make(hyper, source, valuesOf(hyper, source, [["1"]]));
    // What this process calls so is another file to the server, which takes a relative path for one of its own folder.
    const writing = store.exportParquet(source, "elsewhere.parquet", attempt());
    await expect(writing).rejects.toMatchObject({ code: "bad_configuration", retryable: false });
    await expect(writing).rejects.toThrow(/HYPER_SHARES_FILES=false/);
    expect(readdirSync(elsewhere)).toEqual([]);
  } finally {
    await store.close();
    rmSync(elsewhere, { recursive: true, force: true });
  }
});
