import { expect, test } from "vitest";
import { sql, timestamp, z } from "../../../definitions/index.ts";
import type { Target } from "../../../resources/store.ts";
import { Warehouse } from "./warehouse.ts";
import { attempt, publish, targetOf } from "./warehouse_values.ts";

const SHAPE = { id: z.int32(), at: timestamp() };
const STRATEGIES = [{ kind: "replace" }, { kind: "append" }, { kind: "merge", key: ["id"] }] as const;
const keyOf = (name: string): string => `hidden_${name}/x`;
const warehouse = Warehouse.forThisFile(
  Object.fromEntries(["replace", "append", "merge", "partitions", "source"].map((name) => [keyOf(name), "id != 1"])),
);
const at = new Date("2017-01-05T00:00:00Z");
const rowsOf = (...all: number[]): object[] => all.map((id) => ({ id, at }));
const seen = async ({ schema }: Target): Promise<string[]> =>
  (await warehouse.sql(`SELECT id FROM ${schema}.x ORDER BY id`)).flat().map(String);
/** Of all rows, also of those that nobody sees. */
const stored = async ({ schema }: Target): Promise<unknown> =>
  (await warehouse.sql(`SELECT sum(rows) FROM system.parts WHERE active AND database = '${schema}'`))[0]?.[0];

test.each(STRATEGIES)(
  "$kind keeps a row policy, which belongs to the name, and the rows that it hides from the user of the run",
  async (strategy) => {
    const to = targetOf(SHAPE, { kind: "replace" }, keyOf(strategy.kind));
    await warehouse.publishRows(to, rowsOf(1, 2, 3));
    expect(await seen(to)).toEqual(["2", "3"]);
    await warehouse.publishRows({ ...to, strategy }, strategy.kind === "replace" ? rowsOf(1, 4) : rowsOf(4));
    expect(await seen(to)).toEqual(strategy.kind === "replace" ? ["4"] : ["2", "3", "4"]);
    expect(await stored(to)).toBe(strategy.kind === "replace" ? "2" : "4");
  },
);

test("a run of partitions is refused where a row policy hides rows from its user: they would be gone with the partition", async () => {
  const base = targetOf(SHAPE, { kind: "replace" }, keyOf("partitions"));
  const storage = { clickhouse: { orderBy: ["id"], partitionBy: sql`toYYYYMM(at)` } };
  await warehouse.publishRows({ ...base, storage }, rowsOf(1, 2));
  const window = { start: new Date("2017-01-20T00:00:00Z"), end: new Date("2017-01-21T00:00:00Z") };
  const partitions = { kind: "window", column: "at", ...window } as const;
  const to: Target = { ...base, storage, strategy: { kind: "replacePartitions", partitions } };
  const given = attempt();
  const staged = await warehouse.stageRows(to, [{ id: 7, at: window.start }], given);
  await expect(publish(staged, to, given)).rejects.toMatchObject({
    code: "access_denied",
    retryable: false,
    message: expect.stringContaining("row policy hides rows from this user (it sees 1 of 2)") as unknown,
  });
  await staged.discard();
  expect(await seen(to)).toEqual(["2"]);
  expect(await stored(to)).toBe("2");
  expect(await warehouse.leftovers()).toEqual([]);
});

test("an incremental view is refused over a source of which a row policy hides rows, before it would lack them", async () => {
  const source = targetOf(SHAPE, { kind: "replace" }, keyOf("source"));
  await warehouse.publishRows(source, rowsOf(1, 2, 3));
  const to = { ...targetOf({ at: timestamp(), lines: z.int() }), key: ["at"] };
  const counts = sql`SELECT at, CAST(count() AS Int64) AS lines FROM ${{ kind: "table", assetKey: source.assetKey } as const} GROUP BY at`;
  await expect(warehouse.store.stageView(to, counts, "incremental", null, attempt())).rejects.toMatchObject({
    code: "access_denied",
    message: expect.stringContaining("it sees 2 of 3") as unknown,
  });
  expect(await warehouse.leftovers()).toEqual([]);
});
