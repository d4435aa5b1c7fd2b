import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { z } from "../../../definitions/index.ts";
import { clickhouse } from "../../../resources/clickhouse/kind.ts";
import { duckdb } from "../../../resources/duckdb/kind.ts";
import { hyper } from "../../../resources/hyper/kind.ts";
import type { StoreKind } from "../../../resources/store.ts";
import { newTarget, Stores } from "./stores.ts";

const stores = Stores.forThisFile(["duckdb", "clickhouse", "hyper"]);
const SHAPE = { id: z.int(), note: z.string() };

afterEach(async () => {
  for (const name of ["TRANSFER_DIR", "HYPER_SHARES_FILES"]) Reflect.deleteProperty(process.env, name);
  await stores.open.close();
});

interface Way {
  readonly way: string;
  readonly from: StoreKind;
  readonly env?: Readonly<Record<string, string>>;
  /** Rows of which no codec makes less than some megabytes. */
  readonly query: string;
}
const HYPER_ROWS =
  "SELECT CAST(g AS bigint) AS id, CAST(sha256(CAST(g AS text)) AS text) AS note FROM generate_series(1, 200000) AS g";
const WAYS: readonly Way[] = [
  {
    way: "DuckDB",
    from: duckdb,
    query: "SELECT CAST(range AS BIGINT) AS id, sha256(CAST(range AS VARCHAR)) AS note FROM range(200000)",
  },
  {
    way: "ClickHouse",
    from: clickhouse,
    query: "SELECT toInt64(number) AS id, hex(SHA256(toString(number))) AS note FROM numbers(200000)",
  },
  { way: "Hyper", from: hyper, query: HYPER_ROWS },
  { way: "Hyper, over the connection", from: hyper, env: { HYPER_SHARES_FILES: "false" }, query: HYPER_ROWS },
];

// Only root can mount a small disk.
test.runIf(process.getuid?.() === 0).each(WAYS)(
  "a full disk of transfers fails a copy out of $way, says where room is missing, and leaves the table",
  async ({ way, from, env = {}, query }) => {
    const to = from === duckdb ? clickhouse : duckdb;
    const [source, target] = [newTarget(SHAPE), newTarget(SHAPE)];
    await stores.make(to, target, "SELECT CAST(1 AS BIGINT) AS id, 'old' AS note");
    await stores.make(from, source, query);
    const disk = join(stores.folder, `disk of ${way}`);
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m,mode=777", "tmpfs", disk]);
    try {
      Object.assign(process.env, env, { TRANSFER_DIR: disk });
      const copying = stores.copy(to, target, { format: "asset", target: source, store: from });
      await expect(copying).rejects.toMatchObject({
        code: "disk_full",
        retryable: false,
        message: expect.stringMatching(/no room .* TRANSFER_DIR/s) as unknown,
      });
      await expect(copying).rejects.toThrow(disk);
      expect(readdirSync(disk)).toEqual([]);
      expect(await stores.rows(to, target)).toEqual([["1", "old"]]);
    } finally {
      execFileSync("umount", ["--lazy", disk]);
    }
  },
);
