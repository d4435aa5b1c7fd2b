import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import type { Sync } from "../../../definitions/superset/dataset.ts";
import { checkout, pythonBin, run } from "../../../ops/process.ts";

/** The table that a dashboard follows, and what comes last in Superset. */
export const TABLE = "followed/sales";
export const WARM = "superset/warm/followed";
/** All that there is in Superset. */
export const IN_SUPERSET = [`superset/dataset/${TABLE}`, "superset/dashboard/followed", WARM];

const LIBRARY = ["definitions", "pipes", "resources", "runtime", "node_modules", "package.json"];
const DEFINITIONS = `from pathlib import Path

import dagster as dg

from dagster_project import TypeScriptAssetsComponent, threaded_executor

defs = dg.Definitions.merge(
    TypeScriptAssetsComponent().build_project_defs(Path(__file__).parent),
    dg.Definitions(executor=threaded_executor),
)
`;
const DASHBOARD = `import { bigNumber, defineDashboard } from "dagster-typescript";
import { sales as dataset } from "../followed/sales.ts";
export const followed = defineDashboard("followed", {
  title: "Followed",
  description: "What was sold.",
  charts: [bigNumber("revenue", { dataset, metric: "revenue" })],
});
`;
const printed = z.object({ synced: z.number() });
const reconciled = z.object({ requested: z.array(z.string()), after: z.string() });

/**
 * The files of a table of one row and its dashboard.
 *
 * @param columns Of the table, in TypeScript; `amount` among them.
 * @param row In TypeScript.
 * @param sync When Superset follows.
 */
export function followedFiles(
  columns: string,
  row: string,
  sync: Sync = "onMaterialize",
): Readonly<Record<string, string>> {
  const sales = `import { defineAsset, sum, z } from "dagster-typescript";
export const sales = defineAsset("${TABLE}", {
  description: "What was sold.",
  columns: z.strictObject({ ${columns} }),
  superset: { metrics: { revenue: sum("amount") }, sync: "${sync}" },
  body: { async *rows() { yield ${row}; } },
});
`;
  return { "assets/followed/sales.ts": sales, "assets/dashboards/followed.ts": DASHBOARD };
}

/**
 * Materializes the table, while a daemon of Dagster runs that syncs Superset by itself.
 *
 * @param project Its folder, with the library in it and without anything of Dagster.
 * @returns the seconds from the end of the materialization to that of the warming
 */
export async function followedByDaemon(project: string, env: NodeJS.ProcessEnv): Promise<number> {
  makeInstance(project);
  const output = await runScript("fresh_by_daemon.py", [TABLE, WARM], project, env);
  return printed.parse(JSON.parse(/^\{"synced".*$/m.exec(output)?.[0] ?? "null")).synced;
}

/** Puts the library into a project that Dagster reads. */
export function linkLibrary(project: string): void {
  for (const name of LIBRARY) symlinkSync(path.join(checkout, name), path.join(project, name));
}

/** Makes a project a code location with a Dagster instance of its own. */
export function makeInstance(project: string): void {
  const home = homeOf(project);
  mkdirSync(home);
  copyFileSync(path.join(checkout, "ops/dagster.yaml"), path.join(home, "dagster.yaml"));
  writeFileSync(path.join(project, "definitions.py"), DEFINITIONS);
}

/** Materializes assets by one run. */
export async function materialize(keys: readonly string[], project: string, env: NodeJS.ProcessEnv): Promise<void> {
  await runScript("reconcile_once.py", keys, project, env);
}

/**
 * Evaluates the schedule that repairs drift, and carries out the run that it requests, in the instance of the project.
 *
 * @returns what the schedule asked for, and why it asked for nothing after that
 */
export async function reconciledOnce(project: string, env: NodeJS.ProcessEnv): Promise<z.infer<typeof reconciled>> {
  const output = await runScript("reconcile_once.py", [], project, env);
  return reconciled.parse(JSON.parse(/^\{"requested".*$/m.exec(output)?.[0] ?? "null"));
}

const homeOf = (project: string): string => path.join(project, "dagster_home");

/** @returns what it printed */
async function runScript(
  name: string,
  args: readonly string[],
  project: string,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const { code, output } = await run(pythonBin("python"), [path.join(checkout, "test/e2e/superset", name), ...args], {
    cwd: project,
    env: { ...env, DAGSTER_HOME: homeOf(project), PYTHONPATH: checkout },
  });
  if (code !== 0) throw new Error(output.slice(-8_000));
  return output;
}
