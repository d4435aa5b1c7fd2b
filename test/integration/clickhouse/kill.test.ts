import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { assetHash } from "../../../resources/clickhouse/quote.ts";
import { type Publisher, startPublisher } from "./start_publisher.ts";
import { Warehouse } from "./warehouse.ts";

const warehouse = Warehouse.forThisFile();
/** Kills of each kind of view. */
const KILLS = 3;
const COUNT = 2_000;

const start = (job: object): Publisher => startPublisher(warehouse.url, job);

test.each(["full", "incremental"] as const)(
  "a view with %s refresh: killed at any moment and run again while others insert, it is exact and alone",
  async (refresh) => {
    const [source, assetKey] = [`t_${randomUUID().slice(0, 8)}/x`, `t_${randomUUID().slice(0, 8)}/x`];
    const job = (first: number, rest: object): object => ({
      ...{
        assetKey,
        strategy: { kind: "replace" },
        runId: randomUUID(),
        rootRunId: `root_${first}`,
        first,
        count: COUNT,
      },
      ...rest,
    });
    const view = { source, refresh };
    expect(await start(job(0, { assetKey: source })).ended).toBe("published");
    const ofSource = source.replace("/", ".");
    const done = new AbortController();
    const inserting = (async () => {
      for (let id = COUNT; !done.signal.aborted; id += 1) {
        await warehouse.run(`INSERT INTO ${ofSource} (id, run, at) VALUES (${id}, 'inserted', now64(6))`);
        await wait(300 * Math.random());
      }
    })();
    const calm = start(job(0, { view }));
    await calm.begun;
    const beganAt = performance.now();
    expect(await calm.ended).toBe("published");
    const usualMs = performance.now() - beganAt;
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const killed = start(job(kill, { view }));
      await killed.begun;
      await wait(Math.random() * usualMs);
      killed.child.kill("SIGKILL");
      await killed.ended;
      expect(["published", "reused"]).toContain(await start(job(kill, { view, resume: true })).ended);
    }
    done.abort();
    await inserting;
    // A view that is not fed is refreshed once more, when nobody inserts.
    if (refresh === "full") expect(await start(job(KILLS + 1, { view })).ended).toBe("published");
    expect(await warehouse.sql(`SELECT run, n FROM ${assetKey.replace("/", ".")} ORDER BY run`)).toEqual(
      await warehouse.sql(`SELECT run, count() FROM ${ofSource} GROUP BY run ORDER BY run`),
    );
    await warehouse.store.removeOrphans(() => false);
    const left = (await warehouse.leftovers()).filter((name) => name.includes(assetHash(assetKey)));
    const kinds = refresh === "full" ? ["_view", "_view_rows"] : ["_feed", "_inner"];
    expect(left.map((name) => name.split("~")[0]).sort()).toEqual(kinds);
    await warehouse.run(...left.map((name) => `DROP TABLE _dagster_typescript.\`${name}\``));
  },
);

test("tables of a run on another machine stay while the orchestrator shows it as open, and go when it is finished", async () => {
  await warehouse.store.removeOrphans(() => false);
  await warehouse.run("CREATE DATABASE IF NOT EXISTS _dagster_typescript");
  const name = "_stage~0123456789abcdef~some-run~aaaaaaaa.bbbbbbbb.cccccccc.1.2~01234567";
  await warehouse.run(`CREATE TABLE _dagster_typescript.\`${name}\` (a Int8) ENGINE = MergeTree ORDER BY a`);
  await warehouse.store.removeOrphans((runId) => runId === "some-run");
  expect(await warehouse.leftovers()).toEqual([name]);
  await warehouse.store.removeOrphans(() => false);
  expect(await warehouse.leftovers()).toEqual([]);
});
