import { expect, test } from "vitest";
import { decimal, json, sql, timestamp, z } from "../../../definitions/index.ts";
import { Client } from "../../../resources/clickhouse/client.ts";
import { clickhouseConfig } from "../../../resources/clickhouse/config.ts";
import { prepareEntry } from "../../../resources/clickhouse/ledger.ts";
import { assetHash } from "../../../resources/clickhouse/quote.ts";
import type { PartitionSet, Staged, WriteStrategy } from "../../../resources/store.ts";
import { onStatement } from "./on_statement.ts";
import { Warehouse } from "./warehouse.ts";
import { attempt, entryOf, publish, targetOf } from "./warehouse_values.ts";

const warehouse = Warehouse.forThisFile();
const SHAPE = { id: z.int32() };
/** Nobody's process. */
const DEAD = "dead~aaaaaaaa.bbbbbbbb.cccccccc.1.2~00000000";

test("a query that replaces a table takes thirteen statements, since each costs a round trip", async () => {
  const to = targetOf({ id: z.int32(), price: decimal(9, 2) });
  const query = sql`SELECT 1::Int32 AS id, CAST('1.50' AS Decimal(9, 2)) AS price`;
  await warehouse.publishQuery(to, query);
  const statements: string[] = [];
  onStatement((text) => void statements.push(text));
  await warehouse.publishQuery(to, query);
  expect(statements, statements.join("\n")).toHaveLength(13);
});

test("a table of a dead process that comes into place while a publish looks keeps its rows and its line", async () => {
  const to = targetOf(SHAPE, { kind: "append" });
  const store = warehouse.another();
  await store.removeOrphans((runId) => runId !== "dead");
  const stage = `_dagster_typescript.\`_stage~${assetHash(to.assetKey)}~${DEAD}\``;
  await warehouse.run(
    `CREATE DATABASE ${to.schema}`,
    `CREATE TABLE ${stage} (id Int32) ENGINE = MergeTree ORDER BY id`,
    `INSERT INTO ${stage} VALUES (1)`,
  );
  const given = attempt();
  const staged = await warehouse.stageRows(to, [{ id: 2 }], given, store);
  const facts = await staged.facts();
  const dead = attempt();
  const client = Client.create(clickhouseConfig({ CLICKHOUSE_URL: warehouse.url }));
  const [[uuid] = []] = await warehouse.sql(`SELECT uuid FROM system.tables WHERE name LIKE '%${DEAD}'`);
  await prepareEntry(client, entryOf(to, dead, facts), uuid ?? "");
  await client.close();

  // Its statement was on the way when it died.
  let isLate = true;
  onStatement(async (text) => {
    if (!text.includes("countIf(uuid IN") || !isLate) return;
    isLate = false;
    await warehouse.run(`RENAME TABLE ${stage} TO ${to.schema}.x`);
  });
  await staged.publish(entryOf(to, given, facts));
  expect(isLate).toBe(false);
  expect(await warehouse.sql(`SELECT id FROM ${to.schema}.x ORDER BY id`)).toEqual([["1"], ["2"]]);
  expect(await warehouse.store.findPublished(to, dead)).toMatchObject({ runId: dead.runId });
  expect(await warehouse.store.findPublished(to, given)).toMatchObject({ runId: given.runId });
  expect(await warehouse.leftovers()).toEqual([]);
  await store.close();
});

test("a replace whose lock is another's by now changes nothing, and leaves the other's lock", async () => {
  const to = targetOf(SHAPE);
  await warehouse.publishRows(to, [{ id: 1 }]);
  const given = attempt();
  const staged = await warehouse.stageRows(to, [{ id: 2 }], given);
  const lock = `_lock~${assetHash(to.assetKey)}`;
  onStatement(async (text) => {
    if (!text.startsWith(`CREATE TABLE \`_dagster_typescript\`.\`${lock}`)) return;
    await warehouse.run(
      `DROP TABLE _dagster_typescript.\`${lock}\``,
      `CREATE TABLE _dagster_typescript.\`${lock}\` (a UInt8) ENGINE = Null COMMENT '{"token":"other"}'`,
    );
  });
  await expect(publish(staged, to, given)).rejects.toMatchObject({ code: "lock_lost", retryable: true });
  await staged.discard();
  expect(await warehouse.sql(`SELECT id FROM ${to.schema}.x`)).toEqual([["1"]]);
  expect(await warehouse.store.findPublished(to, given)).toBeUndefined();
  expect(await warehouse.leftovers()).toEqual([lock]);
  await warehouse.run(`DROP TABLE _dagster_typescript.\`${lock}\``);
});

test("what people write on a column while rows are staged is on the table that takes its place", async () => {
  const to = targetOf(SHAPE);
  await warehouse.publishRows(to, [{ id: 1 }]);
  const given = attempt();
  const staged = await warehouse.stageRows(to, [{ id: 2 }], given);
  await warehouse.run(`ALTER TABLE ${to.schema}.x MODIFY COLUMN id COMMENT 'by hand'`);
  await publish(staged, to, given);
  expect(await warehouse.sql(`SELECT id FROM ${to.schema}.x`)).toEqual([["2"]]);
  expect(await warehouse.sql(`SELECT comment FROM system.columns WHERE database = '${to.schema}'`)).toEqual([["by hand"]]); // prettier-ignore
});

const BROKEN = sql`SELECT CAST('1000.00' AS Decimal(5, 2)) AS price, '{' AS document`;
const WAYS: readonly (readonly [name: string, act: (staged: Staged) => Promise<unknown>])[] = [
  ["checks", (staged) => staged.check([{ name: "c", severity: "WARN", columns: ["price"], rule: { kind: "not_null" } } as never])], // prettier-ignore
  ["facts", (staged) => staged.facts()],
  ["a publish that asked for none", (staged) => staged.publish({} as never)],
];

test.each(WAYS)("%s refuse numbers and documents that the contract does not allow", async (_name, act) => {
  const to = targetOf({ price: decimal(5, 2), document: json(z.object({})) });
  const staged = await warehouse.store.stageQuery(to, BROKEN, null, attempt());
  await expect(act(staged)).rejects.toMatchObject({
    code: "contract_broken",
    message: expect.stringMatching(
      /"price" holds 1 numbers beyond 999\.99; column "document" holds 1 texts/,
    ) as unknown,
  });
  await staged.discard();
  expect(await warehouse.leftovers()).toEqual([]);
});

const until = (month: number): PartitionSet => ({
  ...{ kind: "window", column: "at" },
  ...{ start: new Date("2017-01-01T00:00:00Z"), end: new Date(Date.UTC(2017, month)) },
});
test.each<[string, WriteStrategy, RegExp, string[]]>([
  ["a merge", { kind: "merge", key: ["id"] }, /DELETE WHERE/, ["1", "2", "3"]],
  ["an append", { kind: "append" }, /ATTACH PARTITION/, ["1", "1", "2", "3"]],
  ["partitions by exchange", { kind: "replacePartitions", partitions: until(2) }, /AND NOT ifNull/, ["1", "3"]],
  ["a partition in place", { kind: "replacePartitions", partitions: until(1) }, /AND NOT ifNull/, ["1", "2", "3"]],
])("what people add while %s is built is kept, and the rows are published once", async (_, strategy, step, ids) => {
  const shape = { id: z.int32(), at: timestamp() };
  const base = { ...targetOf(shape), storage: { clickhouse: { partitionBy: sql`toYYYYMM(at)` } } };
  const rows = [1, 2, 3].map((id) => ({ id, at: new Date(Date.UTC(2017, id - 1, 5)) }));
  await warehouse.publishRows(base, rows);
  const to = { ...base, strategy };
  const said: string[] = [];
  const given = attempt({ log: (text) => void said.push(text) });
  const staged = await warehouse.stageRows(to, rows.slice(0, 1), given);
  const facts = await staged.facts();
  let isAdded = false;
  onStatement(async (text) => {
    if (isAdded || !step.test(text)) return;
    isAdded = true;
    await warehouse.run(
      `ALTER TABLE ${to.schema}.x ADD INDEX people id TYPE minmax GRANULARITY 1, ADD PROJECTION pp (SELECT count() GROUP BY at)`,
    );
  });
  await staged.publish(entryOf(to, given, facts));
  expect(isAdded).toBe(true);
  const [[definition] = []] = await warehouse.sql(
    `SELECT create_table_query FROM system.tables WHERE database = '${to.schema}'`,
  );
  expect(definition).toMatch(/INDEX people .* PROJECTION pp /);
  expect((await warehouse.sql(`SELECT id FROM ${to.schema}.x ORDER BY id`)).flat()).toEqual(ids);
  expect(said).toEqual([expect.stringContaining("it is copied again")]);
  expect(await warehouse.leftovers()).toEqual([]);
});

test("what people add while a replace with other columns is built is kept, each time that it is built", async () => {
  const before = targetOf({ id: z.int32(), gone: z.string() });
  await warehouse.publishRows(before, [{ id: 1, gone: "a" }]);
  const to = targetOf({ id: z.int32(), more: z.string() }, { kind: "replace" }, before.assetKey);
  const said: string[] = [];
  const given = attempt({ log: (text) => void said.push(text) });
  const staged = await warehouse.stageRows(to, [{ id: 2, more: "b" }], given);
  const add = (name: string): Promise<void> =>
    warehouse.run(`ALTER TABLE ${to.schema}.x ADD INDEX ${name} id TYPE minmax, ADD STATISTICS id TYPE ${name}`);
  await add("minmax");
  const facts = await staged.facts();
  let isAdded = false;
  onStatement(async (text) => {
    if (isAdded || !/^INSERT INTO `_dagster_typescript`.`_build/.test(text)) return;
    isAdded = true;
    await add("uniq");
  });
  await staged.publish(entryOf(to, given, facts));
  expect(isAdded).toBe(true);
  const [[definition] = []] = await warehouse.sql(
    `SELECT create_table_query FROM system.tables WHERE database = '${to.schema}'`,
  );
  expect(definition).toMatch(
    /`id` Int32 STATISTICS\((minmax, uniq|uniq, minmax)\), `more` String, INDEX minmax .* INDEX uniq /,
  );
  expect(await warehouse.sql(`SELECT id, more FROM ${to.schema}.x`)).toEqual([["2", "b"]]);
  expect(said).toEqual([expect.stringContaining("it is copied again")]);
  expect(await warehouse.leftovers()).toEqual([]);
});

test("a publish gives up, to be tried again, where its table is altered each time that it is copied", async () => {
  const base = targetOf(SHAPE);
  await warehouse.publishRows(base, [{ id: 1 }]);
  const to = { ...base, strategy: { kind: "append" } as const };
  const given = attempt();
  const staged = await warehouse.stageRows(to, [{ id: 2 }], given);
  const facts = await staged.facts();
  let indexes = 0;
  onStatement(async (text) => {
    if (!text.includes("ATTACH PARTITION") || !text.includes(to.schema)) return;
    indexes += 1;
    await warehouse.run(`ALTER TABLE ${to.schema}.x ADD INDEX i${indexes} id TYPE minmax GRANULARITY 1`);
  });
  await expect(staged.publish(entryOf(to, given, facts))).rejects.toMatchObject({
    code: "table_changed",
    retryable: true,
  });
  await staged.discard();
  expect(await warehouse.sql(`SELECT id FROM ${to.schema}.x`)).toEqual([["1"]]);
  expect(await warehouse.store.findPublished(to, given)).toBeUndefined();
  expect(await warehouse.leftovers()).toEqual([]);
});
