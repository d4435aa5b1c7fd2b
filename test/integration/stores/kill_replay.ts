import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { OpenStore } from "./open_store.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
/** Rows of each run, of which the odd ones are bad by the first rule. */
const ROWS = 2_000;

/** The rule and the rows are those of the environment, so that the code stays the same. */
const ASSET = `
import { append, defineAsset, int64, z } from "dagster-typescript";
const rule = process.env.RULE === "strict" ? z.string().regex(/^even$/) : z.string();
export const x = defineAsset("SCHEMA/x", {
  description: "Rows of which every other one is bad, until the rule is mended.",
  columns: z.strictObject({ id: z.int(), note: rule, n: int64() }),
  write: append({ cursor: "id" }),
  quarantine: { maxRows: 1_000_000 },
  body: {
    async *rows({ cursor }) {
      const first = Number(cursor ?? -1) + 1;
      yield Array.from({ length: ${ROWS} }, (_, index) => {
        const id = first + index;
        return { id, note: id % 2 === 1 && index < ${ROWS} - 1 ? "odd" : "even", n: BigInt(id) };
      });
    },
  },
});
`;

/**
 * Kills the process of a replay at random moments, and replays again each time: then each row is in the table once and
 * none is in quarantine.
 *
 * @returns how many replays were killed, and were not quicker
 * @throws Error that says what was lost or doubled
 */
export async function killReplays(open: OpenStore, times: number): Promise<number> {
  const schema = `replay_${randomUUID().slice(0, 8)}`;
  // Inside of the repository, where the assets find the library.
  const folder = join(ROOT, ".state", "test", schema);
  mkdirSync(join(folder, "assets", schema), { recursive: true });
  writeFileSync(join(folder, "assets", schema, "x.ts"), ASSET.replaceAll("SCHEMA", schema));
  const run = async (
    rule: "strict" | "loose",
    args: readonly string[],
    killAfterMs?: number,
  ): Promise<number | null> => {
    const child = spawn(process.execPath, [join(ROOT, "runtime/main.ts"), ...args, `${schema}/x`], {
      cwd: folder,
      env: { ...process.env, ...open.env, WAREHOUSE: open.kind.name, RULE: rule, NODE_OPTIONS: "" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfterMs);
    const [code] = (await once(child, "close")) as [number | null];
    clearTimeout(timer);
    if (killAfterMs === undefined && code !== 0) throw new Error(`a run that nobody killed failed:\n${said}`);
    return code;
  };
  try {
    let killed = 0;
    let usualMs = 0;
    for (let kill = 0; kill <= times; kill += 1) {
      await run("strict", []);
      // The first replay says how long one takes.
      if (kill > 0 && (await run("loose", ["--replay"], usualMs * (0.3 + 0.8 * Math.random()))) === null) killed += 1;
      const start = performance.now();
      await run("loose", ["--replay"]);
      usualMs = kill === 0 ? performance.now() - start : usualMs;
      const [counts] = await open.query(
        `SELECT count(*), count(DISTINCT id), sum(CAST(n AS bigint)) FROM ${open.table(`${schema}/x`)}`,
      );
      const [left] = await open.query(
        `SELECT count(*) FROM ${open.table("_dagster_typescript/quarantine")} WHERE asset_key = '${schema}/x'`,
      );
      const rows = ROWS * (kill + 1);
      const found = [...(counts ?? []), ...(left ?? [])].map(Number).join(", ");
      const wanted = [rows, rows, (rows * (rows - 1)) / 2, 0].join(", ");
      if (found !== wanted)
        throw new Error(`after kill ${kill}, rows, distinct rows, sum and quarantined: ${found}, not ${wanted}`);
    }
    return killed;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
