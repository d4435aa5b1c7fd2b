import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Engine } from "../../../ops/engines/engine.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { assetFile, createProject } from "../runtime/project.ts";
import type { TextRows } from "../duckdb/warehouse.ts";
import { connect, query } from "./warehouse.ts";

const dir = mkdtempSync(join(tmpdir(), "hyper-views-"));
let engine: Engine;
beforeAll(async () => {
  engine = await startEngine("hyper", { dataDir: join(dir, "engine") });
});
afterAll(async () => {
  await engine.stop();
  rmSync(dir, { recursive: true, force: true });
});

const env = (): Record<string, string> => ({ HYPER_URL: engine.url, WAREHOUSE: "hyper" });

async function rows(text: string): Promise<TextRows> {
  const client = await connect(engine.url);
  try {
    return await query(client, text);
  } finally {
    await client.end();
  }
}

const lines = (schema: string): string =>
  assetFile(
    `${schema}/lines`,
    `columns: z.strictObject({ store: z.string(), sold_at: d.timestamp(), amount: d.decimal(12, 2) }),
      body: { async *rows() {
        for (const at of JSON.parse(process.env.SOLD_AT)) yield { store: "a", sold_at: new Date(at), amount: "1.50" };
      } }`,
  );
const SHAPE = "columns: z.strictObject({ day: d.timestamp(), revenue: d.decimal(12, 2) }), key: ['day']";

test("a materialised view is refreshed whole: computed, checked, and only then read", async () => {
  const project = createProject({
    "assets/whole/lines.ts": lines("whole"),
    "assets/whole/per_day.ts": assetFile(
      "whole/per_day",
      `${SHAPE}, checks: [d.between("revenue", { max: 5 })], body: d.materializedView(sql\`
        SELECT date_trunc('day', sold_at) AS day, CAST(sum(amount) AS numeric(12,2)) AS revenue FROM \${lines} GROUP BY 1\`)`,
      `import { lines } from "./lines.ts";`,
    ),
  });
  const run = async (times: readonly string[]): Promise<number | null> => {
    const { code } = await project.run(["whole/lines", "whole/per_day"], { ...env(), SOLD_AT: JSON.stringify(times) })
      .ended;
    return code;
  };
  expect(await run(["2017-01-01T10:00:00Z", "2017-01-01T11:00:00Z", "2017-01-02T10:00:00Z"])).toBe(0);
  const read = "SELECT day, revenue FROM whole.per_day ORDER BY day";
  const first = [
    ["2017-01-01 00:00:00+00", "3.00"],
    ["2017-01-02 00:00:00+00", "1.50"],
  ];
  expect(await rows(read)).toEqual(first);
  expect(await run(["2017-01-03T10:00:00Z"])).toBe(0);
  expect(await rows(read)).toEqual([["2017-01-03 00:00:00+00", "1.50"]]);
  expect(await run(Array.from({ length: 4 }, () => "2017-01-04T10:00:00Z"))).not.toBe(0);
  expect(await rows(read)).toEqual([["2017-01-03 00:00:00+00", "1.50"]]);
});

test("an incremental refresh computes the partitions of the run, and leaves the others as they are", async () => {
  const project = createProject({
    "assets/parts/lines.ts": lines("parts"),
    "assets/parts/per_day.ts": assetFile(
      "parts/per_day",
      `${SHAPE}, partitions: d.daily("day", { start: "2017-01-01" }), body: d.materializedView(sql\`
        SELECT date_trunc('day', sold_at) AS day, CAST(sum(amount) AS numeric(12,2)) AS revenue FROM \${lines}
        WHERE sold_at >= \${d.window.start} AND sold_at < \${d.window.end} GROUP BY 1\`, { refresh: "incremental" })`,
      `import { lines } from "./lines.ts";`,
    ),
  });
  const source = async (times: readonly string[]): Promise<void> => {
    const { code, stderr } = await project.run(["parts/lines"], { ...env(), SOLD_AT: JSON.stringify(times) }).ended;
    expect(code, stderr).toBe(0);
  };
  const refresh = async (start: string, end: string): Promise<void> => {
    const run = project.launch("parts/per_day", {
      env: env(),
      partitionKeys: [start.slice(0, 10)],
      window: { start, end },
    });
    const { code, stderr } = await run.ended;
    expect(code, stderr).toBe(0);
  };
  const read = "SELECT day, revenue FROM parts.per_day ORDER BY day";
  await source(["2017-01-01T10:00:00Z", "2017-01-02T10:00:00Z"]);
  await refresh("2017-01-01T00:00:00Z", "2017-01-02T00:00:00Z");
  await refresh("2017-01-02T00:00:00Z", "2017-01-03T00:00:00Z");
  await source(["2017-01-02T10:00:00Z", "2017-01-02T11:00:00Z"]);
  await refresh("2017-01-02T00:00:00Z", "2017-01-03T00:00:00Z");
  expect(await rows(read)).toEqual([
    ["2017-01-01 00:00:00+00", "1.50"],
    ["2017-01-02 00:00:00+00", "3.00"],
  ]);
});
