import { setTimeout as wait } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { z } from "../../../definitions/index.ts";
import { Client } from "../../../resources/clickhouse/client.ts";
import { clickhouseConfig } from "../../../resources/clickhouse/config.ts";
import { createOwnTables } from "../../../resources/clickhouse/ledger.ts";
import { removeDeadLocks, withLock } from "../../../resources/clickhouse/lock.ts";
import { assetHash } from "../../../resources/clickhouse/quote.ts";
import type { Target } from "../../../resources/store.ts";
import { Warehouse } from "./warehouse.ts";
import { attempt, publish, targetOf } from "./warehouse_values.ts";

const warehouse = Warehouse.forThisFile();
const LONGEST_LATENCY_MS = 80;
const DEAD = { runId: "dead", process: "aaaaaaaa.bbbbbbbb.cccccccc.1.2" };
const isOpen = (runId: string): boolean => runId !== "dead";

async function open(): Promise<Client> {
  const client = Client.create(clickhouseConfig({ CLICKHOUSE_URL: warehouse.url }));
  await createOwnTables(client);
  return client;
}

async function leaveBehind(client: Client, name: string): Promise<void> {
  await client.run(
    `CREATE TABLE _dagster_typescript.\`${name}\` (nothing UInt8) ENGINE = Null COMMENT '${JSON.stringify(DEAD)}'`,
  );
}

/** The same client, with a network that takes its time: another's statements come between any two. */
function slow(client: Client): Client {
  const late = async <T>(act: () => Promise<T>): Promise<T> => {
    await wait(Math.random() * LONGEST_LATENCY_MS);
    const result = await act();
    await wait(Math.random() * LONGEST_LATENCY_MS);
    return result;
  };
  return new Proxy(client, {
    get: (of, key) => {
      if (key === "run") return (...given: Parameters<Client["run"]>) => late(() => of.run(...given));
      if (key === "text") return (...given: Parameters<Client["text"]>) => late(() => of.text(...given));
      if (key === "unending") return () => slow(of.unending());
      return Reflect.get(of, key, of) as unknown;
    },
  });
}

test("after its owner died a lock has one owner at a time, however slow the network is", async () => {
  const root = await open();
  let most = 0;
  let acts = 0;
  for (let round = 0; round < 3; round += 1) {
    await Promise.all(
      Array.from({ length: 6 }, async (_asset, place) => {
        const key = `t/slow_${round}_${place}`;
        const lock = `_lock~${assetHash(key)}`;
        await leaveBehind(root, lock);
        let inside = 0;
        const waiter = async (): Promise<void> => {
          const given = attempt();
          const client = slow(root.as({ assetKey: key, runId: given.runId }, given.signal));
          await withLock(client, key, given, isOpen, async ({ requireHeld }) => {
            inside += 1;
            most = Math.max(most, inside);
            await requireHeld();
            inside -= 1;
            acts += 1;
          });
        };
        await Promise.all([1, 2, 3, 4, 5].map(waiter));
      }),
    );
  }
  expect({ most, acts }).toEqual({ most: 1, acts: 90 });
  expect(await warehouse.leftovers()).toEqual([]);
  await root.close();
}, 240_000);

test("who lost its lock is told before it acts, and leaves the other's alone", async () => {
  const client = await open();
  const name = `_lock~${assetHash("t/lost")}`;
  const act = withLock(client, "t/lost", attempt(), isOpen, async ({ requireHeld }) => {
    await requireHeld();
    await warehouse.run(`DROP TABLE _dagster_typescript.\`${name}\``);
    await leaveBehind(client, name);
    await requireHeld();
  });
  await expect(act).rejects.toMatchObject({ code: "lock_lost", retryable: true });
  expect(await warehouse.leftovers()).toEqual([name]);
  await removeDeadLocks(client, [name], isOpen);
  expect(await warehouse.leftovers()).toEqual([]);
  await client.close();
});

test("a lock is taken away also when the one that was taking it away died", async () => {
  const client = await open();
  const name = `_lock~${assetHash("t/claimed")}`;
  await leaveBehind(client, name);
  const uuid = (await warehouse.sql(`SELECT toString(uuid) FROM system.tables WHERE name = '${name}'`))[0]?.[0];
  await leaveBehind(client, `_claim~${uuid}`);
  await withLock(client, "t/claimed", attempt(), isOpen, ({ requireHeld }) => requireHeld());
  expect(await warehouse.leftovers()).toEqual([]);
  await client.close();
});

test("who has the lock before the line of the last publish is written settles it, and it counts once", async () => {
  const to = targetOf({ id: z.int() });
  const other = warehouse.another();
  await warehouse.publishRows(to, [{ id: 0 }]);
  const next = Promise.withResolvers<undefined>();
  const insert = Reflect.get(Client.prototype, "insert");
  let isHeld = false;
  vi.spyOn(Client.prototype, "insert").mockImplementation(async function (this: Client, statement, rows) {
    if (!isHeld && statement.includes("`ledger` ")) {
      isHeld = true;
      await next.promise;
    }
    await insert.call(this, statement, rows);
  });
  onTestFinished(() => {
    vi.restoreAllMocks();
  });
  const [first, second] = [attempt(), attempt()];
  const publishing = publish(await warehouse.stageRows(to, [{ id: 1 }], first), to, first);
  const appended: Target = { ...to, strategy: { kind: "append" } };
  const staged = await warehouse.stageRows(appended, [{ id: 2 }], second, other);
  await vi.waitFor(() => {
    expect(isHeld).toBe(true);
  }, 10_000);
  await publish(staged, appended, second);
  next.resolve(undefined);
  await publishing;
  await other.close();
  expect((await warehouse.sql(`SELECT id FROM ${to.schema}.x ORDER BY id`)).flat()).toEqual(["1", "2"]);
  const lines = await warehouse.store.recentPublishes(to, attempt(), { limit: 10, ofPartitions: null });
  expect(lines.map(({ runId }) => runId).slice(0, 2)).toEqual([second.runId, first.runId]);
  expect(lines).toHaveLength(3);
  expect(await warehouse.leftovers()).toEqual([]);
});
