import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { writeDbtProject } from "../graph/dbt_project.ts";

/** The same SQL as dbt models that are computed by the day: dbt filters what they read, and replaces each day's rows. */
export function writeMicrobatches(
  folder: string,
  models: readonly { readonly name: string; readonly sql: string }[],
  eventTimes: Readonly<Record<string, string>>,
  sources: readonly string[],
): void {
  const unfiltered = models.map(({ name, sql }) => ({
    name,
    sql: sql.replace(/^ *WHERE \w+ >= \{window\.start\} AND \w+ < \{window\.end\}\n/m, ""),
  }));
  writeDbtProject(folder, unfiltered, sources);
  for (const { name } of models) {
    const file = path.join(folder, "models", `${name}.sql`);
    const config = `{{ config(materialized='incremental', incremental_strategy='microbatch', batch_size='day',
  event_time='${eventTimes[name] ?? ""}', begin='2017-01-01') }}\n`;
    writeFileSync(file, config + readFileSync(file, "utf8"));
  }
  const file = path.join(folder, "models/sources.yml");
  const source = readFileSync(file, "utf8");
  writeFileSync(
    file,
    source.replace("- name: raw_events\n", "- name: raw_events\n        config:\n          event_time: occurred_at\n"),
  );
}
