import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { timestamp, z } from "../../../definitions/index.ts";
import type { Target, WriteStrategy } from "../../../resources/store.ts";
import { HyperServer } from "./warehouse.ts";

const server = HyperServer.forThisFile();

const ROWS = 20_000;
const SHAPE = { id: z.int(), day: timestamp(), run: z.string() };

/** Runs a publish in a process of its own; resolves with what it said when it has ended. */
async function run(target: Target, rootRunId: string, first: number, killAfterMs?: number): Promise<string> {
  const script = path.join(import.meta.dirname, "publish_until_killed.ts");
  const child = spawn(process.execPath, [script, JSON.stringify(target), rootRunId, String(first), String(ROWS)], {
    env: { ...process.env, HYPER_URL: server.url },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ended = once(child, "close");
  if (killAfterMs !== undefined) {
    await Promise.race([wait(killAfterMs), ended]);
    child.kill("SIGKILL");
  }
  await ended;
  return said;
}

test.each<[string, number, WriteStrategy]>([
  ["replace", 4, { kind: "replace" }],
  ["append", 3, { kind: "append" }],
  ["merge", 3, { kind: "merge", key: ["id"] }],
])(
  "%s, %d times: whenever its process is killed, a rerun makes the table exact, and readers see whole publishes only",
  { timeout: 600_000 },
  async (kind, kills, strategy) => {
    const warehouse = await server.open();
    const target = warehouse.target(SHAPE, strategy);
    const table = `${warehouse.schema}.x`;
    const start = performance.now();
    expect(await run(target, "root 0", 0)).toContain("published");
    const wholeMs = performance.now() - start;

    const seen = new Set<string>();
    const done = new AbortController();
    const reading = (async () => {
      while (!done.signal.aborted) {
        const counts = await warehouse.sql(`SELECT run, count(*) FROM ${table} GROUP BY run`);
        for (const [root, count] of counts) if (count !== String(ROWS)) seen.add(`${root ?? ""}: ${count ?? ""}`);
        seen.add(`${counts.length} runs`);
        await wait(5);
      }
    })();

    for (let kill = 1; kill <= kills; kill += 1) {
      const first = kind === "replace" ? 0 : kill * ROWS;
      // The start of Node takes most of the time: the second half of it is where things happen.
      await run(target, `root ${kill}`, first, wholeMs * (0.4 + 0.6 * Math.random()));
      expect(await run(target, `root ${kill}`, first)).toContain("published");
      const published = kind === "replace" ? 1 : kill + 1;
      expect(await warehouse.sql(`SELECT count(*), count(DISTINCT id), count(DISTINCT run) FROM ${table}`)).toEqual([
        [String(published * ROWS), String(published * ROWS), String(published)],
      ]);
    }
    done.abort();
    await reading;
    expect([...seen].filter((one) => !one.endsWith(" runs"))).toEqual([]);
    expect(
      await warehouse.sql(`SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = '${warehouse.schema}'`),
    ).toEqual([["x"]]);
  },
);
