import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { styleText } from "node:util";
import { checkout, pythonBin } from "../process.ts";
import type { FirstRun } from "./first_run.ts";
import { startGuarded, type Guarded } from "./guarded.ts";
import { withCommas, type AssetReport, type RunReport } from "./report.ts";

type Line =
  | { readonly event: "ready" }
  | { readonly event: "started"; readonly asset: string }
  | ({ readonly event: "ended" } & AssetReport)
  | ({ readonly event: "report" } & RunReport);

/** A run of the whole graph on its way. */
export interface Materialization {
  readonly launch: Guarded;
  /** `undefined` when no run came about: see the log of `launch`. */
  readonly report: Promise<RunReport | undefined>;
}

/** The run id in a line of Dagster's log: `… - __ASSET_JOB - <run id> - <pid> - …`. */
const RUN_ID = / - ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) - /;

/**
 * Materializes the assets in one Dagster run, and prints each as it starts and ends.
 * @param home the folder of the Dagster instance, DAGSTER_HOME
 */
export async function materializeAll(
  home: string,
  { selection, partitionRange }: FirstRun,
  env: NodeJS.ProcessEnv,
): Promise<Materialization> {
  // Started at once, because importing Dagster takes as long here as there.
  const follower = spawn(pythonBin("python"), [path.join(checkout, "ops/start/follow_run.py")], {
    env,
    stdio: ["pipe", "pipe", "inherit"],
  });
  follower.stdin.on("error", () => {
    // It ended first; its own error is on the screen.
  });
  const ended = new Promise<void>((resolve) => {
    follower.on("error", () => {
      resolve();
    });
    follower.on("close", () => {
      resolve();
    });
  });
  let report: RunReport | undefined;
  let isReady: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => (isReady = resolve));
  createInterface({ input: follower.stdout }).on("line", (text) => {
    const line = JSON.parse(text) as Line;
    if (line.event === "ready") isReady();
    else if (line.event === "report") report = line;
    else show(line);
  });
  // Two processes that both create the instance's databases spoil them: the first time, one goes ahead.
  const created = path.join(home, "created");
  if (!existsSync(created)) {
    await Promise.race([ready, ended]);
    writeFileSync(created, "");
  }

  let runId: string | undefined;
  const range = partitionRange === undefined ? [] : ["--partition-range", partitionRange];
  const launch = startGuarded("materialize", [pythonBin("dg"), "launch", "--assets", selection, ...range], {
    env,
    onLine: (line) => {
      if (runId !== undefined) return;
      runId = RUN_ID.exec(line)?.[1];
      if (runId !== undefined) follower.stdin.write(`${runId}\n`);
    },
  });
  void launch.ended.then(() => follower.stdin.end());
  return { launch, report: ended.then(() => report) };
}

function show(line: Exclude<Line, { event: "report" | "ready" }>): void {
  if (line.event === "started") {
    console.log(`  ${line.asset} …`);
    return;
  }
  const seconds = line.seconds === null ? "" : `, ${line.seconds.toFixed(1)} s`;
  if (line.outcome !== "published") {
    console.log(`  ${styleText("red", `${line.asset}: ${line.outcome}`)}${seconds}`);
    return;
  }
  const rows = line.rows === null ? "done" : `${withCommas(line.rows)} rows`;
  console.log(`  ${styleText("green", `${line.asset}: ${rows}`)}${seconds}`);
}
