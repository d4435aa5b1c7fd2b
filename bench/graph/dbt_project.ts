import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

/** The same SQL as dbt models, and as the code location that dagster-dbt makes of them. */
export function writeDbtProject(
  folder: string,
  models: readonly { readonly name: string; readonly sql: string }[],
  sources: readonly string[],
): void {
  const write = (name: string, text: string): void => {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  };
  write(
    "dbt_project.yml",
    `name: retail
version: "1.0.0"
profile: retail
models:
  retail:
    +materialized: table
flags:
  send_anonymous_usage_stats: false
`,
  );
  write(
    "profiles.yml",
    `retail:
  target: bench
  outputs:
    bench:
      type: duckdb
      path: "{{ env_var('DUCKDB_PATH') }}"
      schema: retail
      # dbt's own default: models that do not wait for each other run at once.
      threads: 4
      settings:
        TimeZone: UTC
`,
  );
  write(
    "models/sources.yml",
    `sources:
  - name: retail
    schema: retail
    tables:
${sources.map((name) => `      - name: ${name}\n`).join("")}`,
  );
  const known = new Set(models.map(({ name }) => name));
  for (const { name, sql } of models) {
    const text = sql.replaceAll(/\{(\w+)\}/g, (_all, table: string) =>
      known.has(table) ? `{{ ref('${table}') }}` : `{{ source('retail', '${table}') }}`,
    );
    write(`models/${name}.sql`, text);
  }
  write(
    "pyproject.toml",
    `[project]
name = "dbt-location"
version = "0"
[tool.dg]
directory_type = "project"
[tool.dg.project]
root_module = "dbt_location"
`,
  );
  write("dbt_location/__init__.py", "");
  write(
    "dbt_location/definitions.py",
    `from pathlib import Path

import dagster as dg
from dagster_dbt import DbtCliResource, DbtProject, dbt_assets

project = DbtProject(project_dir=Path(__file__).parents[1])


@dbt_assets(manifest=project.manifest_path, project=project)
def models(context: dg.AssetExecutionContext, dbt: DbtCliResource):
    yield from dbt.cli(["run"], context=context).stream()


@dg.definitions
def defs() -> dg.Definitions:
    # One step: in the process of the run it does not pay for a process of its own.
    return dg.Definitions(
        assets=[models], resources={"dbt": DbtCliResource(project_dir=project)}, executor=dg.in_process_executor
    )
`,
  );
}
