import { ClickHouseLogLevel, createClient } from "@clickhouse/client";
import { afterEach, expect, test } from "vitest";
import { decimal, sql, timestamp, z } from "../../../definitions/index.ts";
import type { Target } from "../../../resources/store.ts";
import { Client } from "../../../resources/clickhouse/client.ts";
import { clickhouseConfig } from "../../../resources/clickhouse/config.ts";
import { getInner, type Step } from "../../../resources/clickhouse/incremental_build.ts";
import { createOwnTables } from "../../../resources/clickhouse/ledger.ts";
import { dropInner } from "../../../resources/clickhouse/staging.ts";
import { Warehouse } from "./warehouse.ts";
import { attempt, targetOf } from "./warehouse_values.ts";

const warehouse = Warehouse.forThisFile();
const at = new Date("2017-01-02T12:00:00Z");

afterEach(async () => {
  expect(await warehouse.leftovers()).toEqual([]);
});

async function sales(count: number): Promise<Target> {
  const to = targetOf({ id: z.int(), store: z.string(), at: timestamp(), paid: decimal(12, 2) });
  await warehouse.publishRows(
    to,
    Array.from({ length: count }, (_, id) => ({ id, store: "s", at, paid: "1.00" })),
  );
  return to;
}

const insertInto = ({ schema }: Target): string =>
  `INSERT INTO ${schema}.x (id, store, at, paid) SELECT 1, 's', now64(6, 'UTC'), 1`;

/** What a view counts whose making is disturbed at a moment, once; and what it was tried for. */
async function countWhen(
  source: Target,
  moment: Step,
  disturb: () => Promise<void>,
  seconds = "120",
): Promise<{ counted: string | null | undefined; tries: number }> {
  const given = attempt();
  const root = Client.create(
    clickhouseConfig({ CLICKHOUSE_URL: warehouse.url, CLICKHOUSE_LOCK_TIMEOUT_SECONDS: seconds }),
  );
  const to = { ...targetOf({ store: z.string(), lines: z.int() }), key: ["store"] };
  const client = root.as({ assetKey: to.assetKey, runId: given.runId });
  await createOwnTables(client);
  let tries = 0;
  const query = sql`SELECT store, CAST(count() AS Int64) AS lines FROM ${{ kind: "table", assetKey: source.assetKey } as const} GROUP BY store`;
  const inner = await getInner(client, to, query, given, undefined, async (step) => {
    if (step !== moment) return;
    tries += 1;
    if (tries === 1) await disturb();
  });
  const rows = await warehouse.sql(`SELECT sum(lines) FROM _dagster_typescript.\`${inner.name}\``);
  await dropInner(client, inner.name);
  await root.close();
  return { counted: rows[0]?.[0], tries };
}

test("a merge of blocks from both sides of the cut, before they are copied, loses no row", async () => {
  const source = await sales(3);
  const made = await countWhen(source, "cut", async () => {
    await warehouse.run(insertInto(source), `OPTIMIZE TABLE ${source.schema}.x FINAL`);
  });
  expect(made).toEqual({ counted: "4", tries: 2 });
});

test("an insert that comes and goes before the view is fed is not lost", async () => {
  const source = await sales(3);
  const made = await countWhen(source, "quiet", () => warehouse.run(insertInto(source)));
  expect(made).toEqual({ counted: "4", tries: 2 });
});

test("an insert that began before the view is fed, and ends after it, is not lost", async () => {
  const source = await sales(3);
  const client = createClient({ url: warehouse.url, log: { level: ClickHouseLogLevel.OFF } });
  let insertion: Promise<unknown> = Promise.resolve();
  const made = await countWhen(source, "quiet", async () => {
    insertion = client.command({
      query: `INSERT INTO ${source.schema}.x (id, store, at, paid)
        SELECT toInt64(number + sleepEachRow(0.2)), 's', now64(6, 'UTC'), 1 FROM numbers(20) SETTINGS max_block_size = 1`,
      query_id: source.schema,
    });
    // It has begun to read, so it has decided which views it feeds.
    await expect
      .poll(() => warehouse.sql(`SELECT read_rows > 1 FROM system.processes WHERE query_id = '${source.schema}'`), {
        timeout: 60_000,
      })
      .toEqual([["1"]]);
  });
  await insertion;
  await client.close();
  expect(made).toMatchObject({ counted: "23" });
  expect(made.tries).toBeGreaterThan(1);
}, 120_000);

test("a publish of the source while its rows are copied makes the view anew", async () => {
  const source = await sales(3);
  const made = await countWhen(source, "copied", async () => {
    await warehouse.publishRows(source, [{ id: 1, store: "s", at, paid: "1.00" }]);
  });
  expect(made).toEqual({ counted: "1", tries: 2 });
});

test("a partition of the source that is replaced in place while its rows are copied is in the view", async () => {
  const source = await sales(3);
  const { schema } = source;
  const made = await countWhen(source, "cut", async () => {
    // As a publish does, which writes its line into the ledger only afterwards.
    await warehouse.run(
      `CREATE TABLE ${schema}.built AS ${schema}.x`,
      `INSERT INTO ${schema}.built SELECT number, 's', now64(6, 'UTC'), 1 FROM numbers(5)`,
      `ALTER TABLE ${schema}.x REPLACE PARTITION ID 'all' FROM ${schema}.built`,
    );
  });
  expect(made).toEqual({ counted: "5", tries: 2 });
});

/** Runs a statement that takes its time, until it is stopped. */
async function endless(query: string): Promise<() => Promise<void>> {
  const client = createClient({ url: warehouse.url, log: { level: ClickHouseLogLevel.OFF } });
  const id = `endless ${Math.random()}`;
  const done = client.command({ query, query_id: id }).catch(() => undefined);
  const isRunning = (): Promise<unknown> =>
    warehouse.sql(`SELECT count() FROM system.processes WHERE query_id = '${id}'`);
  await expect.poll(isRunning, { timeout: 60_000 }).toEqual([["1"]]);
  return async () => {
    await warehouse.run(`KILL QUERY WHERE query_id = '${id}' SYNC`);
    await done;
    await client.close();
  };
}

const SLOW = "SELECT toInt64(number + sleepEachRow(0.1)) AS id FROM numbers(600) SETTINGS max_block_size = 1";

test("inserts into tables whose views lead elsewhere, and exports, are none of the view's business", async () => {
  const source = await sales(3);
  await warehouse.run(
    "CREATE DATABASE elsewhere",
    "CREATE TABLE elsewhere.`eve``nts` (id Int64) ENGINE = MergeTree ORDER BY id",
    "CREATE TABLE elsewhere.sums (id Int64) ENGINE = MergeTree ORDER BY id",
    "CREATE MATERIALIZED VIEW elsewhere.mv TO elsewhere.sums AS SELECT id FROM elsewhere.`eve``nts`",
    "CREATE MATERIALIZED VIEW elsewhere.own ENGINE = MergeTree ORDER BY id AS SELECT id FROM elsewhere.sums",
  );
  const stops = [
    await endless(`INSERT INTO elsewhere.\`eve\`\`nts\` ${SLOW}`),
    await endless(`INSERT INTO FUNCTION null('id Int64') ${SLOW}`),
  ];
  const running = (): Promise<unknown> => warehouse.sql("SELECT count() FROM system.processes WHERE query_id LIKE 'endless%'"); // prettier-ignore
  expect(await countWhen(source, "quiet", () => Promise.resolve())).toEqual({ counted: "3", tries: 1 });
  expect(await running()).toEqual([["2"]]);
  for (const stop of stops) await stop();
  await warehouse.run("DROP DATABASE elsewhere");
}, 120_000);

test("inserts into a table whose views lead to the source count", async () => {
  const source = await sales(3);
  const { schema } = source;
  const columns = "(id Int64, store String, at DateTime64(6, 'UTC'), paid Decimal(12, 2))";
  await warehouse.run(
    `CREATE TABLE ${schema}.first ${columns} ENGINE = Null`,
    `CREATE TABLE ${schema}.second ${columns} ENGINE = Null`,
    `CREATE MATERIALIZED VIEW ${schema}.to_second TO ${schema}.second AS SELECT * FROM ${schema}.first`,
    `CREATE MATERIALIZED VIEW ${schema}.to_source TO ${schema}.x AS SELECT * FROM ${schema}.second`,
  );
  const stop = await endless(
    `INSERT INTO ${schema}.first SELECT toInt64(number + sleepEachRow(0.1)), 's', now64(6, 'UTC'), 1 FROM numbers(600) SETTINGS max_block_size = 1`,
  );
  const made = countWhen(source, "quiet", () => Promise.resolve(), "0.5");
  await expect(made).rejects.toMatchObject({ code: "source_busy" });
  await stop();
}, 120_000);
