import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { checkout, npmBin } from "../../../ops/process.ts";
import type { WriteStrategy } from "../../../resources/store.ts";
import { assetHash } from "../../../resources/clickhouse/quote.ts";
import { Warehouse } from "./warehouse.ts";

const warehouse = Warehouse.forThisFile();
const PUBLISHER = path.join(import.meta.dirname, "publisher.ts");
/** Kills of each strategy; `npm run soak` asks for more. */
const KILLS = Number(process.env["KILL_TIMES"] ?? "3");
const COUNT = 2_000;
const window = { start: new Date("2017-01-02T00:00:00Z"), end: new Date("2017-01-03T00:00:00Z") };

interface Publisher {
  readonly child: ChildProcess;
  /** Resolves when the process is about to talk to the store. */
  readonly begun: Promise<void>;
  /** The last line that it wrote, when it has ended. */
  readonly ended: Promise<string>;
}

function start(job: object): Publisher {
  const child = spawn(npmBin("node"), [PUBLISHER, JSON.stringify(job)], {
    cwd: checkout,
    env: { ...process.env, CLICKHOUSE_URL: warehouse.url },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let last = "";
  const lines = createInterface({ input: child.stdout });
  const begun = once(lines, "line").then(() => undefined);
  lines.on("line", (line) => (last = line));
  return { child, begun, ended: once(child, "close").then(() => last) };
}

const replacePartitions: WriteStrategy = {
  kind: "replacePartitions",
  partitions: { kind: "window", column: "at", ...window },
};

test.each<[string, WriteStrategy, { partitionBy: string; replacePartitions?: string }?]>([
  ["replace", { kind: "replace" }],
  ["replacePartitions", replacePartitions],
  ["replacePartitions, one of the table's own in place", replacePartitions, { partitionBy: "toYYYYMM(at)" }],
  ["replacePartitions, several of the table's own at once", replacePartitions, { partitionBy: "toStartOfHour(at)" }],
  [
    "replacePartitions, several of the table's own one by one",
    replacePartitions,
    { partitionBy: "toStartOfHour(at)", replacePartitions: "oneByOne" },
  ],
  ["append", { kind: "append" }],
  ["merge", { kind: "merge", key: ["id"] }],
])(
  "%s: killed at any moment and run again, no row is lost, doubled or partial, and nothing is left behind",
  async (_name, strategy, layout) => {
    const assetKey = `t_${randomUUID().slice(0, 8)}/x`;
    const [schema = ""] = assetKey.split("/");
    const job = (rootRunId: string, first: number, resume: boolean): object => ({
      ...{ assetKey, strategy, layout, runId: randomUUID(), rootRunId, resume, first, count: COUNT },
    });
    // One that nobody kills: how long they take.
    const calm = start(job("root_0", 0, false));
    await calm.begun;
    const beganAt = performance.now();
    expect(await calm.ended).toBe("published");
    const usualMs = performance.now() - beganAt;

    const outcomes: string[] = [];
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const [root, first] = [`root_${kill}`, kill * COUNT];
      const killed = start(job(root, first, false));
      await killed.begun;
      await wait(Math.random() * usualMs);
      killed.child.kill("SIGKILL");
      await killed.ended;
      // Before the rerun the table is the old one or the new one.
      if (layout?.replacePartitions !== "oneByOne")
        expect(Number((await warehouse.sql(`SELECT count() FROM ${schema}.x`))[0]?.[0]) % COUNT).toBe(0);

      outcomes.push(await start(job(root, first, true)).ended);
      const appended = strategy.kind === "append" || strategy.kind === "merge";
      const roots = appended ? Array.from({ length: kill + 1 }, (_, index) => `root_${index}`) : [root];
      expect(
        await warehouse.sql(`SELECT run, count(), uniqExact(id) FROM ${schema}.x GROUP BY run ORDER BY run`),
      ).toEqual(roots.sort().map((one) => [one, String(COUNT), String(COUNT)]));
    }
    for (const outcome of outcomes) expect(["published", "reused"]).toContain(outcome);

    // What the last killed one left was removed by its rerun; what a killed rerun leaves, the next run removes.
    await warehouse.store.removeOrphans(() => false);
    expect(await warehouse.leftovers()).toEqual([]);
    expect(
      await warehouse.sql(
        `SELECT root_run_id FROM _dagster_typescript.ledger WHERE asset_key = '${assetKey}' GROUP BY 1 ORDER BY 1`,
      ),
    ).toEqual(Array.from({ length: KILLS + 1 }, (_, index) => [`root_${index}`]));
  },
);

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
