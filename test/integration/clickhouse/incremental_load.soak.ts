import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { ClickHouseLogLevel, createClient } from "@clickhouse/client";
import { expect, test } from "vitest";
import { decimal, sql, timestamp, z } from "../../../definitions/index.ts";
import type { Sql } from "../../../definitions/sql.ts";
import type { Target, WriteStrategy } from "../../../resources/store.ts";
import { startPublisher } from "./start_publisher.ts";
import { Warehouse } from "./warehouse.ts";
import { attempt, publish, targetOf } from "./warehouse_values.ts";

const warehouse = Warehouse.forThisFile();
const ROUNDS = 15;
const WRITERS = 4;
/** The longest that a writer waits between two inserts. */
const PAUSE_MS = 400;
const source: Target = {
  ...targetOf({ id: z.int(), run: z.string(), at: timestamp(), paid: decimal(12, 2) }),
  storage: { clickhouse: { partitionBy: sql`toYYYYMM(at)` } },
};
const X = `${source.schema}.x`;
const ref = { kind: "table", assetKey: source.assetKey } as const;

interface View {
  readonly to: Target;
  readonly query: (change: number) => Sql;
  /** The same over the source. */
  readonly expected: string;
}

const viewOf = (shape: Parameters<typeof targetOf>[0]): Target => ({ ...targetOf(shape), key: ["run"] });
const SUMS: View = {
  to: viewOf({ run: z.string(), lines: z.int(), paid: decimal(12, 2) }),
  query: (change) =>
    sql`SELECT run, CAST(count() AS Int64) AS lines, CAST(sum(paid) AS Decimal(12, 2)) AS paid FROM ${ref} WHERE id <> ${-change - 1} GROUP BY run`,
  expected: `SELECT run, count(), CAST(sum(paid) AS Decimal(12, 2)) FROM ${X} GROUP BY run ORDER BY run`,
};
const STATES: View = {
  to: viewOf({ run: z.string(), lines: z.int(), ids: z.int(), last: timestamp() }),
  query: (change) =>
    sql`SELECT run, countState() AS lines, uniqExactState(id) AS ids, maxSimpleState(at) AS last FROM ${ref} WHERE id <> ${-change - 1} GROUP BY run`,
  expected: `SELECT run, count(), uniqExact(id), max(at) FROM ${X} GROUP BY run ORDER BY run`,
};
const COUNTS = { to: viewOf({ run: z.string(), n: z.int() }), expected: `SELECT run, count() FROM ${X} GROUP BY run ORDER BY run` }; // prettier-ignore

/** Does something again and again, but not while it is held. */
class Loop {
  readonly errors: unknown[] = [];
  count = 0;
  #isHeld = false;
  #isDone = false;
  #turn: Promise<void> = Promise.resolve();
  readonly #running: Promise<void>;

  constructor(act: () => Promise<unknown>, pauseMs: number) {
    this.#running = (async () => {
      while (!this.#isDone) {
        if (!this.#isHeld) {
          this.#turn = act().then(
            () => void (this.count += 1),
            (error: unknown) => void this.errors.push(error),
          );
          await this.#turn;
        }
        await wait(pauseMs * Math.random());
      }
    })();
  }

  async hold(): Promise<void> {
    this.#isHeld = true;
    await this.#turn;
  }

  go(): void {
    this.#isHeld = false;
  }

  async stop(): Promise<void> {
    this.#isDone = true;
    await this.#running;
  }
}

const window = { start: new Date("2017-01-01T00:00:00Z"), end: new Date("2017-02-01T00:00:00Z") };
const row = (id: number, month = id % 3): object => ({ id, run: `p${id % 7}`, at: new Date(Date.UTC(2017, month, 5)), paid: "0.25" }); // prettier-ignore
const partitions = (end: Date): WriteStrategy => ({
  kind: "replacePartitions",
  partitions: { kind: "window", column: "at", start: window.start, end },
});
const count = (): number => 1 + Math.floor(Math.random() * 300);
const rows = (month?: number): object[] => Array.from({ length: count() }, (_, id) => row(id, month));
const write = (strategy: WriteStrategy, month?: number): Promise<unknown> =>
  warehouse.publishRows({ ...source, strategy }, rows(month));

let change = 0;
const PUBLISHES: readonly (() => Promise<unknown>)[] = [
  () => write({ kind: "replace" }),
  () => write({ kind: "append" }),
  () => write({ kind: "merge", key: ["id"] }),
  () => write(partitions(window.end), 0),
  () => write(partitions(new Date("2017-04-01T00:00:00Z"))),
];
const OTHERS: readonly (() => Promise<unknown>)[] = [
  () => Promise.resolve(),
  () => Promise.resolve((change += 1)),
  () => warehouse.run(`OPTIMIZE TABLE ${X} FINAL`),
];

/** As Dagster does it: what is worth another try gets one. */
async function refresh({ to, query }: View): Promise<void> {
  const of = change;
  for (let tries = 1; ; tries += 1) {
    const given = attempt();
    try {
      const staged = await warehouse.store.stageView(to, query(of), "incremental", null, given);
      try {
        await publish(staged, to, given);
        return;
      } catch (error) {
        await staged.discard();
        throw error;
      }
    } catch (error) {
      if ((error as { retryable?: boolean }).retryable !== true || tries === 10) throw error;
    }
  }
}

/** A run in a process of its own that is killed at some moment, and its rerun. */
async function refreshKilled(afterMs: number): Promise<void> {
  const runId = randomUUID();
  const view = { source: source.assetKey, refresh: "incremental" };
  const job = { assetKey: COUNTS.to.assetKey, strategy: { kind: "replace" }, runId, rootRunId: runId, first: change, count: 0, view }; // prettier-ignore
  const killed = startPublisher(warehouse.url, job);
  await killed.begun;
  await wait(Math.random() * afterMs);
  killed.child.kill("SIGKILL");
  await killed.ended;
  const rerun = startPublisher(warehouse.url, { ...job, runId: randomUUID(), resume: true });
  expect(["published", "reused"]).toContain(await rerun.ended);
}

test("incremental views are exact while several insert, the source is published in all ways, and their runs are killed", async () => {
  await write({ kind: "replace" });
  await refresh(SUMS);
  await refresh(STATES);
  const clients = Array.from({ length: WRITERS + 2 }, () => createClient({ url: warehouse.url, log: { level: ClickHouseLogLevel.OFF } })); // prettier-ignore
  const writers = clients.slice(2).map(
    (client, writer) =>
      new Loop(
        () =>
          client.command({
            query: `INSERT INTO ${X} (id, run, at, paid) SELECT rand64() % 1000000, 'w${writer}', toDateTime64('2017-01-15 00:00:00', 6, 'UTC') + INTERVAL (number % 3) MONTH, 0.25 FROM numbers(${count()})`,
          }),
        PAUSE_MS,
      ),
  );
  const readers = clients.slice(0, 2).map(
    (client, reader) =>
      new Loop(async () => {
        const answer = await client.query({ query: `SELECT sum(lines), ${reader === 0 ? "sum(paid) * 4" : "sum(lines)"} FROM ${(reader === 0 ? SUMS : STATES).to.schema}.x`, format: "JSONCompactStringsEachRow" }); // prettier-ignore
        const [[lines, same] = []] = await answer.json<string[]>();
        expect(Number(same)).toBe(Number(lines));
      }, 20),
  );
  for (let round = 1; round <= ROUNDS; round += 1) {
    const isPublish = round % 2 === 0;
    const actions = isPublish ? PUBLISHES : OTHERS;
    const index = Math.floor(round / 2) % actions.length;
    const act = actions[index] ?? (() => Promise.resolve());
    // At the same time, so that each comes into the other.
    await Promise.all([act(), refresh(SUMS), refresh(STATES), ...(round % 3 === 0 ? [refreshKilled(1500)] : [])]);
    await refresh(SUMS);
    await refresh(STATES);
    if (round % 3 === 0) await refreshKilled(1500);
    await Promise.all(writers.map((writer) => writer.hold()));
    for (const { to, expected } of [SUMS, STATES, ...(round % 3 === 0 ? [COUNTS] : [])])
      expect(await warehouse.sql(`SELECT * FROM ${to.schema}.x ORDER BY run`), `round ${round}, ${isPublish ? "publish" : "other"} ${index}`).toEqual(await warehouse.sql(expected)); // prettier-ignore
    for (const writer of writers) writer.go();
  }
  for (const loop of [...writers, ...readers]) await loop.stop();
  for (const client of clients) await client.close();
  for (const loop of writers) expect(loop.errors).toEqual([]);
  for (const loop of readers) expect(loop.errors).toEqual([]);
  for (const loop of [...writers, ...readers]) expect(loop.count).toBeGreaterThan(ROUNDS);
  await warehouse.store.removeOrphans(() => false);
  const left = (await warehouse.leftovers()).map((name) => name.split("~")[0]);
  expect(left.sort()).toEqual(["_feed", "_feed", "_feed", "_inner", "_inner", "_inner"]);
});
