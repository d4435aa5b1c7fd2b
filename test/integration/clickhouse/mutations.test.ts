import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { sql, z } from "../../../definitions/index.ts";
import type { Target, WriteStrategy } from "../../../resources/store.ts";
import { onStatement } from "./on_statement.ts";
import { Warehouse } from "./warehouse.ts";
import { attempt, publish, targetOf } from "./warehouse_values.ts";

const warehouse = Warehouse.forThisFile();
const LONGER_THAN_A_PUBLISH_MS = 700;
const SHAPE = { id: z.int32(), v: z.number() };
const KEYS = (...keys: string[]): WriteStrategy => ({
  kind: "replacePartitions",
  partitions: { kind: "keys", column: "id", keys },
});
const row = (id: number, v = id): object => ({ id, v });

/** Where rows of the present table are kept, in each way. */
const WAYS: readonly [string, WriteStrategy, boolean, readonly object[]][] = [
  ["append", { kind: "append" }, false, [row(9)]],
  ["merge", { kind: "merge", key: ["id"] }, false, [row(9)]],
  ["partitions by exchange of a copy", KEYS("9"), false, [row(9)]],
  ["a partition in place", KEYS("9"), true, [row(9)]],
  ["partitions by exchange of linked ones", KEYS("9", "19"), true, [row(9), row(19)]],
];
const CHANGES: readonly [string, string][] = [
  ["DELETE", "DELETE WHERE id IN (1, 21)"],
  ["UPDATE", "UPDATE v = 100 WHERE id IN (1, 21)"],
];
const CASES = WAYS.flatMap(([way, strategy, isPartitioned, rows]) =>
  CHANGES.map(([change, alter]) => ({ way, strategy, isPartitioned, rows, change, alter })),
);

/** A table with three rows, which is partitioned by tens. */
async function prepare(strategy: WriteStrategy, isPartitioned: boolean): Promise<{ target: Target; name: string }> {
  const storage = isPartitioned ? { clickhouse: { partitionBy: sql`intDiv(id, 10)` } } : {};
  const base = { ...targetOf(SHAPE), storage };
  await warehouse.publishRows(base, [row(1), row(11), row(21)]);
  return { target: { ...base, strategy }, name: `\`${base.schema}\`.x` };
}

const contents = async (name: string): Promise<string[]> =>
  (await warehouse.sql(`SELECT concat(id, ':', v) FROM ${name} ORDER BY id`)).flat().map(String);

const wanted = (change: string, rows: readonly object[]): string[] => {
  const kept = change === "DELETE" ? ["11:11"] : ["1:100", "11:11", "21:100"];
  return [...kept, ...rows.map((one) => Object.values(one).join(":"))].sort((a, b) => parseInt(a) - parseInt(b));
};

test.each(CASES)("people's $change that is not done yet is in the rows that $way keeps", async (one) => {
  const { target, name } = await prepare(one.strategy, one.isPartitioned);
  await warehouse.run(`SYSTEM STOP MERGES ${name}`, `ALTER TABLE ${name} ${one.alter} SETTINGS mutations_sync = 0`);
  const publishing = warehouse.publishRows(target, one.rows);
  expect(await Promise.race([publishing, wait(LONGER_THAN_A_PUBLISH_MS, "waits")])).toBe("waits");
  await warehouse.run(`SYSTEM START MERGES ${name}`);
  await publishing;
  expect(await contents(name)).toEqual(wanted(one.change, one.rows));
  expect(await warehouse.leftovers()).toEqual([]);
});

test.each(CASES)("people's $change while the table is copied is in the rows that $way keeps", async (one) => {
  const { target, name } = await prepare(one.strategy, one.isPartitioned);
  let isChanged = false;
  const said: string[] = [];
  onStatement(async (text) => {
    if (isChanged || !/ATTACH PARTITION|_partition_id IN/.test(text)) return;
    isChanged = true;
    await warehouse.run(`ALTER TABLE ${name} ${one.alter} SETTINGS mutations_sync = 2`);
  });
  await warehouse.publishRows(target, one.rows, { log: (text) => said.push(text) });
  expect(isChanged).toBe(true);
  expect(said).toEqual([expect.stringContaining("was altered while a copy of it was made")]);
  expect(await contents(name)).toEqual(wanted(one.change, one.rows));
  expect(await warehouse.leftovers()).toEqual([]);
});

test.each([
  ["rows that people delete by DELETE FROM", (x: string) => `DELETE FROM ${x} WHERE id = 1 SETTINGS lightweight_deletes_sync = 0`, "v", ["9", "11", "21"]], // prettier-ignore
  ["a column that people rename", (x: string) => `ALTER TABLE ${x} RENAME COLUMN v TO w SETTINGS alter_sync = 0`, "w", ["1", "9", "11", "21"]], // prettier-ignore
])("%s: that is waited for as well", async (_, change, column, ids) => {
  const { target, name } = await prepare({ kind: "append" }, false);
  await warehouse.run(`SYSTEM STOP MERGES ${name}`, change(name));
  const { columns } = targetOf({ id: z.int32(), [column]: z.number() });
  const publishing = warehouse.publishRows({ ...target, columns }, [{ id: 9, [column]: 9 }]);
  expect(await Promise.race([publishing, wait(LONGER_THAN_A_PUBLISH_MS, "waits")])).toBe("waits");
  await warehouse.run(`SYSTEM START MERGES ${name}`);
  await publishing;
  expect(await warehouse.sql(`SELECT id, ${column} FROM ${name} ORDER BY id`)).toEqual(ids.map((id) => [id, id]));
});

test("a mutation that does not end fails the publish with what to do, and all rows stay; a replace does without it", async () => {
  const { target, name } = await prepare({ kind: "append" }, false);
  await warehouse.run(
    `SYSTEM STOP MERGES ${name}`,
    `ALTER TABLE ${name} DELETE WHERE id = 1 SETTINGS mutations_sync = 0`,
  );
  const store = warehouse.another({ CLICKHOUSE_LOCK_TIMEOUT_SECONDS: "2" });
  const said: string[] = [];
  const given = attempt({ log: (text) => said.push(text) });
  const staged = await warehouse.stageRows(target, [row(9)], given, store);
  await expect(publish(staged, target, given)).rejects.toMatchObject({
    code: "unfinished_mutation",
    retryable: true,
    message: expect.stringMatching(/KILL MUTATION.*DELETE WHERE id = 1/) as unknown,
  });
  expect(said).toEqual([expect.stringMatching(/^Waiting for a mutation of .*\/x: .*DELETE/)]);
  await staged.discard();
  await store.close();
  expect(await contents(name)).toEqual(["1:1", "11:11", "21:21"]);
  await warehouse.publishRows({ ...target, strategy: { kind: "replace" } }, [row(9)]);
  expect(await contents(name)).toEqual(["9:9"]);
  expect(await warehouse.leftovers()).toEqual([]);
});
