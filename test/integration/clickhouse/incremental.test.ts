import { setTimeout as wait } from "node:timers/promises";
import { ClickHouseLogLevel, createClient } from "@clickhouse/client";
import { afterEach, expect, test } from "vitest";
import { decimal, sql, timestamp, z } from "../../../definitions/index.ts";
import type { Sql, TableRef } from "../../../definitions/sql.ts";
import { UnreachableError } from "../../../resources/clickhouse/errors.ts";
import { PREPARED } from "../../../resources/clickhouse/ledger.ts";
import type { Attempt, StagedFacts, Target } from "../../../resources/store.ts";
import { onStatement } from "./on_statement.ts";
import { Warehouse } from "./warehouse.ts";
import { attempt, publish, targetOf } from "./warehouse_values.ts";

const warehouse = Warehouse.forThisFile();
const SALES = { id: z.int(), store: z.string(), at: timestamp(), paid: decimal(12, 2) };
const at = new Date("2017-01-02T12:00:00Z");
const STATES = { store: z.string(), lines: z.int(), paid: decimal(38, 2), ids: z.int(), last: timestamp() };
const SUMS = { store: z.string(), lines: z.int(), paid: decimal(12, 2) };

function refTo({ assetKey }: Pick<Target, "assetKey">): TableRef {
  return { kind: "table", assetKey };
}
const states = (source: Target): Sql =>
  sql`SELECT store, CAST(count() AS Int64) AS lines, sumState(paid) AS paid, uniqExactState(id) AS ids, maxSimpleState(at) AS last FROM ${refTo(source)} GROUP BY store`;
const sums = (source: Target): Sql =>
  sql`SELECT store, CAST(count() AS Int64) AS lines, CAST(sum(paid) AS Decimal(12, 2)) AS paid FROM ${refTo(source)} GROUP BY store`;

function viewOf(shape: Parameters<typeof targetOf>[0], assetKey?: string): Target {
  return { ...targetOf(shape, { kind: "replace" }, assetKey), key: ["store"] };
}

async function sales(count: number): Promise<Target> {
  const to = targetOf(SALES);
  await warehouse.publishRows(to, Array.from({ length: count }, (_, id) => ({ id, store: `s${id % 3}`, at, paid: "0.50" }))); // prettier-ignore
  return to;
}

async function run(to: Target, query: Sql, change: Partial<Attempt> = {}): Promise<StagedFacts> {
  const given = attempt(change);
  return await publish(await warehouse.store.stageView(to, query, "incremental", null, given), to, given);
}

const rows = async ({ schema }: Target): Promise<unknown> =>
  await warehouse.sql(`SELECT * FROM ${schema}.x ORDER BY ALL`);
const insert = async ({ schema }: Target, values: string): Promise<void> => {
  await warehouse.run(`INSERT INTO ${schema}.x (id, store, at, paid) VALUES ${values}`);
};
const inners = async (): Promise<string[]> => (await warehouse.leftovers()).filter((name) => name.startsWith("_inner"));

afterEach(async () => {
  // Nothing but the views that are read: one inner table each, with its feed.
  const left = (await warehouse.leftovers()).map((name) => name.split("~")[0]);
  expect(new Set(left).difference(new Set(["_inner", "_feed"])).size, left.join(" ")).toBe(0);
  expect(left.filter((kind) => kind === "_inner")).toHaveLength(left.filter((kind) => kind === "_feed").length);
});

test("an incremental view adds the rows of every insert, and reads as its contract says", async () => {
  const source = await sales(6);
  for (const [shape, query] of [[SUMS, sums] as const, [STATES, states] as const]) {
    const to = viewOf(shape);
    expect(await run(to, query(source))).toMatchObject({ rowCount: 3n });
    const columns = await warehouse.sql(`SELECT name, type FROM system.columns WHERE database = '${to.schema}' ORDER BY position`); // prettier-ignore
    expect(columns.slice(0, 3)).toEqual([["store", "String"], ["lines", "Int64"], ["paid", shape === SUMS ? "Decimal(12, 2)" : "Decimal(38, 2)"]]); // prettier-ignore
  }
  const [summing, aggregating] = [viewOf(SUMS), viewOf(STATES)];
  await run(summing, sums(source));
  await run(aggregating, states(source));
  await insert(source, "(100, 's0', '2020-01-01 00:00:00', 2.25), (101, 'new', '2020-01-02 00:00:00', 0)");
  await insert(source, "(100, 's0', '2020-01-03 00:00:00', 1)");
  expect(await rows(summing)).toEqual([["new", "1", "0.00"], ["s0", "4", "4.25"], ["s1", "2", "1.00"], ["s2", "2", "1.00"]]); // prettier-ignore
  expect(await rows(aggregating)).toEqual([
    ["new", "1", "0.00", "1", "2020-01-02 00:00:00.000000"],
    ["s0", "4", "4.25", "3", "2020-01-03 00:00:00.000000"],
    ["s1", "2", "1.00", "2", "2017-01-02 12:00:00.000000"],
    ["s2", "2", "1.00", "2", "2017-01-02 12:00:00.000000"],
  ]);
  const engines = await warehouse.sql(
    "SELECT DISTINCT engine FROM system.tables WHERE name LIKE '\\_inner%' ORDER BY 1",
  );
  expect(engines).toEqual([["AggregatingMergeTree"], ["SummingMergeTree"]]);
});

test("rows whose sums are all 0 stay, also after the parts are merged", async () => {
  const source = await sales(0);
  await insert(source, "(1, 'zero', '2020-01-01 00:00:00', 0)");
  const to = viewOf({ store: z.string(), paid: decimal(12, 2) });
  await run(to, sql`SELECT store, CAST(sum(paid) AS Decimal(12, 2)) AS paid FROM ${refTo(source)} GROUP BY store`);
  await insert(source, "(1, 'zero', '2020-01-01 00:00:00', 0)");
  for (const name of await inners()) await warehouse.run(`OPTIMIZE TABLE _dagster_typescript.\`${name}\` FINAL`);
  expect(await rows(to)).toEqual([["zero", "0.00"]]);
});

test("a run without changes makes nothing anew; a changed query, key or source does", async () => {
  const source = await sales(3);
  const to = viewOf(SUMS);
  await run(to, sums(source));
  const own = async (): Promise<unknown> =>
    (await warehouse.sql(`SELECT extract(create_table_query, '_inner~[^\`]+') FROM system.tables WHERE database = '${to.schema}'`))[0]?.[0]; // prettier-ignore
  const first = await own();
  await insert(source, "(9, 's0', '2020-01-01 00:00:00', 1)");
  expect(await run({ ...to, description: "Another." }, sums(source))).toMatchObject({ rowCount: 3n });
  expect(await own()).toBe(first);
  expect(await warehouse.sql(`SELECT comment FROM system.tables WHERE database = '${to.schema}'`)).toEqual([["Another."]]); // prettier-ignore
  // A line that a late statement has written once more is no other publish.
  await warehouse.run(
    `INSERT INTO _dagster_typescript.ledger SELECT * FROM _dagster_typescript.ledger WHERE asset_key = '${source.assetKey}'`,
  );
  await run(to, sums(source));
  expect(await own()).toBe(first);

  const messages: string[] = [];
  const log = (message: string): void => void messages.push(message);
  const half = sql`SELECT store, CAST(count() AS Int64) AS lines, CAST(sum(paid) / 2 AS Decimal(12, 2)) AS paid FROM ${refTo(source)} GROUP BY store`;
  await run(to, half, { log });
  const second = await own();
  expect(second).not.toBe(first);
  expect(await rows(to)).toEqual([["s0", "2", "0.75"], ["s1", "1", "0.25"], ["s2", "1", "0.25"]]); // prettier-ignore

  // A publish puts another table in the source's place; its rows pass through no view.
  await warehouse.publishRows(source, [{ id: 1, store: "s9", at, paid: "8.00" }]);
  await run(to, half, { log });
  expect(await rows(to)).toEqual([["s9", "1", "4.00"]]);
  expect(messages).toEqual([expect.stringContaining("SQL"), expect.stringContaining(source.assetKey)]);
});

test("a partition of the source that is replaced in place makes the view anew", async () => {
  const storage = { clickhouse: { partitionBy: sql`toYYYYMM(at)` } };
  const source = { ...targetOf(SALES), storage };
  const months = [1, 2].map((month) => ({ id: month, store: "s", at: new Date(Date.UTC(2017, month, 5)), paid: "1.00" })); // prettier-ignore
  await warehouse.publishRows(source, months);
  const to = viewOf(SUMS);
  await run(to, sums(source));
  const [start, end] = [new Date("2017-02-01T00:00:00Z"), new Date("2017-03-01T00:00:00Z")];
  const partitions = { kind: "window", column: "at", start, end } as const;
  await warehouse.publishRows({ ...source, strategy: { kind: "replacePartitions", partitions } }, [{ ...months[0], paid: "5.00" }]); // prettier-ignore
  await run(to, sums(source));
  expect(await rows(to)).toEqual([["s", "2", "6.00"]]);
});

/** Inserts into a table, some times a second, until it is stopped. */
function inserter({ schema }: Target): { stop(): Promise<number> } {
  const client = createClient({ url: warehouse.url });
  const done = new AbortController();
  let count = 0;
  const running = (async () => {
    while (!done.signal.aborted) {
      count += 1;
      await client.command({
        query: `INSERT INTO ${schema}.x (id, store, at, paid)
          SELECT number, concat('s', toString(number % 3)), now64(6, 'UTC'), 0.25 FROM numbers(${1 + (count % 50)})`,
      });
      await wait(300 * Math.random());
    }
  })();
  return {
    stop: async () => {
      done.abort();
      await running;
      await client.close();
      return count;
    },
  };
}

const agrees = async (to: Target, source: Target): Promise<void> => {
  const expected = await warehouse.sql(
    `SELECT store, count(), sum(paid), uniqExact(id), max(at) FROM ${source.schema}.x GROUP BY store ORDER BY store`,
  );
  expect(await rows(to)).toEqual(expected);
};

test("no row is lost or counted twice when a view is made, redefined and made anew while others insert", async () => {
  const source = await sales(10);
  const to = viewOf(STATES);
  const writers = [inserter(source), inserter(source)];
  await run(to, states(source));
  for (const comment of ["one", "two", "three", "four", "five"]) {
    await run(to, changed(states(source), comment));
    await warehouse.run(`OPTIMIZE TABLE ${source.schema}.x FINAL`);
  }
  const inserts = await Promise.all(writers.map(async (writer) => await writer.stop()));
  expect(Math.min(...inserts)).toBeGreaterThan(3);
  await agrees(to, source);
});

/** An insert that takes its time. */
async function endlessInsert({ schema }: Target): Promise<{ stop(): Promise<void> }> {
  const client = createClient({ url: warehouse.url, log: { level: ClickHouseLogLevel.OFF } });
  const insertion = client
    .command({
      query: `INSERT INTO ${schema}.x (id, store, at, paid)
        SELECT toInt64(number + sleepEachRow(0.1)), 's', now64(6, 'UTC'), 1 FROM numbers(80) SETTINGS max_block_size = 1`,
      query_id: schema,
    })
    .catch(() => undefined);
  const isRunning = async (): Promise<boolean> =>
    (await warehouse.sql(`SELECT count() FROM system.processes WHERE query_id = '${schema}'`))[0]?.[0] !== "0";
  const deadline = performance.now() + 30_000;
  while (!(await isRunning()) && performance.now() < deadline) await wait(20);
  return {
    stop: async () => {
      await warehouse.run(`KILL QUERY WHERE query_id = '${schema}' SYNC`);
      await insertion;
      await client.close();
    },
  };
}

test("inserts that never pause are said, nothing is left, and the view stays", async () => {
  const source = await sales(3);
  const to = viewOf(SUMS);
  await run(to, sums(source));
  const before = await rows(to);
  const left = await warehouse.leftovers();
  const endless = await endlessInsert(source);
  const store = warehouse.another({ CLICKHOUSE_LOCK_TIMEOUT_SECONDS: "0.5" });
  const anew = sql`SELECT store, CAST(count() AS Int64) AS lines, CAST(sum(paid) * 2 AS Decimal(12, 2)) AS paid FROM ${refTo(source)} GROUP BY store`;
  const staging = store.stageView(to, anew, "incremental", null, attempt());
  await expect(staging).rejects.toMatchObject({ code: "source_busy", retryable: true });
  expect(await rows(to)).toEqual(before);
  expect(await warehouse.leftovers()).toEqual(left);
  await endless.stop();
  await run(to, anew);
  await store.close();
});

test("inserts into tables that do not lead to the source are none of the view's business", async () => {
  const source = await sales(3);
  const elsewhere = await sales(1);
  const endless = await endlessInsert(elsewhere);
  const to = viewOf(SUMS);
  await run(to, sums(source));
  await endless.stop();
  expect(await rows(to)).toHaveLength(3);
});

test.each([
  [
    "a text that is not in the key",
    sql`SELECT 's' AS store, CAST(1 AS Int64) AS lines, 'x' AS paid`,
    /cannot be added up/,
  ],
  ["a sum of another type", sql`SELECT 's' AS store, count() AS lines, CAST(1 AS Decimal(12, 2)) AS paid`, /Int64/],
  [
    "a state of another type",
    sql`SELECT 's' AS store, CAST(1 AS Int64) AS lines, uniqState(1) AS paid`,
    /put together/,
  ],
  ["a column too few", sql`SELECT 's' AS store, CAST(1 AS Int64) AS lines`, /"paid" is missing/],
])("%s is refused", async (_name, query, message) => {
  await expect(run(viewOf(SUMS), query)).rejects.toThrow(message);
});

test("a view that no table feeds is refused", async () => {
  const query = sql`SELECT 's' AS store, CAST(count() AS Int64) AS lines, CAST(1 AS Decimal(12, 2)) AS paid FROM numbers(3)`;
  await expect(run(viewOf(SUMS), query)).rejects.toMatchObject({ retryable: false });
});

test("a table becomes an incremental view and a table again, under the same name", async () => {
  const source = await sales(3);
  const to = viewOf(SUMS);
  await warehouse.publishQuery(to, sums(source));
  await warehouse.run(`CREATE VIEW ${to.schema}.over AS SELECT sum(lines) AS n FROM ${to.schema}.x`);
  await run(to, sums(source));
  await insert(source, "(9, 's0', '2020-01-01 00:00:00', 1)");
  expect(await warehouse.sql(`SELECT n FROM ${to.schema}.over`)).toEqual([["4"]]);
  const before = (await inners()).length;
  await expect(warehouse.publishRows({ ...to, strategy: { kind: "append" } }, [])).rejects.toMatchObject({ code: "contract_broken" }); // prettier-ignore
  await warehouse.publishQuery(to, sums(source));
  expect(await warehouse.sql(`SELECT n FROM ${to.schema}.over`)).toEqual([["4"]]);
  expect(await warehouse.sql(`SELECT engine FROM system.tables WHERE database = '${to.schema}' AND name = 'x'`)).toEqual([["MergeTree"]]); // prettier-ignore
  expect(await inners()).toHaveLength(before - 1);
});

test("two runs at once leave one view, and it is exact", async () => {
  const source = await sales(10);
  const to = viewOf(STATES);
  const before = (await inners()).length;
  await Promise.all([1, 2, 3].map(() => run(to, states(source))));
  await insert(source, "(100, 's0', '2020-01-01 00:00:00', 2.25)");
  await agrees(to, source);
  expect(await inners()).toHaveLength(before + 1);
});

test("a view over a join reads the other table as it was at each insert, and is made anew when that was published", async () => {
  const source = await sales(3);
  const names = targetOf({ store: z.string(), name: z.string() });
  await warehouse.publishRows(names, [{ store: "s0", name: "a" }]);
  const to = viewOf({ store: z.string(), lines: z.int() });
  const query = sql`SELECT ifNull(n.name, '?') AS store, CAST(count() AS Int64) AS lines FROM ${refTo(source)} AS s LEFT JOIN ${refTo(names)} AS n ON n.store = s.store GROUP BY store`;
  await run(to, query);
  expect(await rows(to)).toEqual([["?", "2"], ["a", "1"]]); // prettier-ignore
  await insert(source, "(9, 's0', '2020-01-01 00:00:00', 1), (9, 's7', '2020-01-01 00:00:00', 1)");
  expect(await rows(to)).toEqual([["?", "3"], ["a", "2"]]); // prettier-ignore
  await warehouse.publishRows(names, [{ store: "s0", name: "b" }]);
  await run(to, query);
  expect(await rows(to)).toEqual([["?", "3"], ["b", "2"]]); // prettier-ignore
});

/** The query with a comment: another definition of the same rows. */
const changed = (query: Sql, comment: string): Sql => ({
  ...query,
  strings: [...query.strings.slice(0, -1), `${query.strings.at(-1) ?? ""} -- ${comment}`],
});

test("a view whose publish got no answer goes on to be read and fed, whatever came of it", async () => {
  const source = await sales(3);
  const to = viewOf(SUMS);
  const before = (await inners()).length;
  let lost: RegExp | undefined;
  onStatement((text) => {
    if (lost?.test(text) !== true) return;
    lost = undefined;
    throw new UnreachableError("the connection broke", text, null, undefined);
  });
  const steps = [/^RENAME TABLE/, /^EXCHANGE TABLES/, /^INSERT INTO `_dagster_typescript`.`ledger` /];
  for (const [round, step] of steps.entries()) {
    const given = attempt();
    const query = changed(sums(source), `round ${round}`);
    const staged = await warehouse.store.stageView(to, query, "incremental", null, given);
    lost = step;
    await expect(publish(staged, to, given)).rejects.toMatchObject({ code: "unreachable" });
    await staged.discard();
    expect(lost).toBeUndefined();
    await insert(source, `(${round}, 'new', '2020-01-01 00:00:00', 1)`);
    expect(await rows(to)).toContainEqual(["new", String(round + 1), `${round + 1}.00`]);
    expect(await warehouse.store.findPublished(to, given)).toMatchObject({ runId: given.runId });
    expect(await inners()).toHaveLength(before + 1);
    await run(to, query);
  }
});

test.each([
  ["was dropped", (feed: string) => `DROP VIEW ${feed}`],
  [
    "has another query",
    (feed: string, source: string) =>
      `ALTER TABLE ${feed} MODIFY QUERY SELECT store, CAST(count() AS Int64) AS lines, CAST(sum(paid) AS Decimal(12, 2)) AS paid, toUInt64(1) AS _rows FROM ${source} WHERE id > 99 GROUP BY store`,
  ],
])("when what feeds a view %s by hand, the next run makes it anew, and says so", async (_what, statement) => {
  const source = await sales(3);
  const to = viewOf(SUMS);
  await run(to, sums(source));
  const [[inner] = []] = await warehouse.sql(`SELECT extract(create_table_query, '_inner~([^\`]+)') FROM system.tables WHERE database = '${to.schema}'`); // prettier-ignore
  await warehouse.run(statement(`_dagster_typescript.\`_feed~${inner}\``, `${source.schema}.x`));
  await insert(source, "(9, 's0', '2020-01-01 00:00:00', 1)");
  expect(await rows(to)).toContainEqual(["s0", "1", "0.50"]);
  const messages: string[] = [];
  await run(to, sums(source), { log: (message) => messages.push(message) });
  expect(await rows(to)).toContainEqual(["s0", "2", "1.50"]);
  expect(messages).toEqual([expect.stringMatching(/made anew: what feeds it was altered or dropped/)]);
  messages.length = 0;
  await run(to, sums(source), { log: (message) => messages.push(message) });
  expect(messages).toEqual([]);
});

test("what people write on columns of a view that have no description survives each run, also when it comes late", async () => {
  const source = await sales(3);
  const to = viewOf({ ...SUMS, lines: z.int().describe("From the contract") });
  await run(to, sums(source));
  await warehouse.run(`ALTER TABLE ${to.schema}.x COMMENT COLUMN paid 'by people'`);
  await run(to, sums(source));
  const comments = (): Promise<unknown> =>
    warehouse.sql(
      `SELECT name, comment FROM system.columns WHERE database = '${to.schema}' AND comment <> '' ORDER BY name`,
    );
  expect(await comments()).toEqual([["lines", "From the contract"], ["paid", "by people"]]); // prettier-ignore
  const given = attempt();
  const staged = await warehouse.store.stageView(to, sums(source), "incremental", null, given);
  await warehouse.run(`ALTER TABLE ${to.schema}.x COMMENT COLUMN store 'late'`);
  await publish(staged, to, given);
  expect(await comments()).toEqual([["lines", "From the contract"], ["paid", "by people"], ["store", "late"]]); // prettier-ignore
});

test("what people alter on a view while another is put in its place fails the publish, and the next one keeps it", async () => {
  const source = await sales(3);
  const to = viewOf(SUMS);
  await run(to, sums(source));
  let isAltered = false;
  onStatement(async (text) => {
    if (isAltered || !text.startsWith(`INSERT INTO ${PREPARED}`)) return;
    isAltered = true;
    await warehouse.run(`ALTER TABLE ${to.schema}.x COMMENT COLUMN store 'late'`);
  });
  const given = attempt();
  const staged = await warehouse.store.stageView(to, sums(source), "incremental", null, given);
  await expect(publish(staged, to, given)).rejects.toMatchObject({ code: "table_changed", retryable: true });
  await staged.discard();
  await insert(source, "(9, 's0', '2020-01-01 00:00:00', 1)");
  const comment = `SELECT comment FROM system.columns WHERE database = '${to.schema}' AND name = 'store'`;
  expect(await warehouse.sql(comment)).toEqual([["late"]]);
  await run(to, sums(source));
  expect(await warehouse.sql(comment)).toEqual([["late"]]);
  expect(await rows(to)).toEqual([["s0", "2", "1.50"], ["s1", "1", "0.50"], ["s2", "1", "0.50"]]); // prettier-ignore
});
