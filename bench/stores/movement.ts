import { copyFileSync, globSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { checkout } from "../../ops/process.ts";
import { installExtension } from "../../test/integration/transfer/extension.ts";
import { contenderBin, contenderFile, installContenders } from "../lib/contenders_env.ts";
import { type Contender, contest, getSummary, pairedRatio, type Summary } from "../lib/contest.ts";
import { measure, type Measured } from "../lib/measure.ts";
import { freshFolder, freshProject } from "../lib/project.ts";
import type { Bar } from "../lib/result.ts";
import { openPostgres } from "./postgres.ts";
import { FINGERPRINT } from "./shape.ts";

/** The name of this part of the bench. */
export const MOVEMENT = "postgres_to_duckdb";
/** At most so many times as long as the quicker one of the others. */
const LIMIT = 0.5;

/**
 * A million rows from PostgreSQL to DuckDB, beside dlt and sling. Each is the whole command, from the start of its
 * process to its end.
 */
export async function benchMovement(
  parquet: string,
  { rounds, say }: { readonly rounds: number; readonly say: (line: string) => void },
): Promise<{ readonly contenders: readonly Summary[]; readonly bars: readonly Bar[] }> {
  await installContenders(say);
  say("starting postgres");
  const work = freshFolder("stores", "movement");
  await using postgres = await openPostgres(work, parquet);
  const warehouse = path.join(work, "warehouse.duckdb");
  const expected = await fingerprint(`read_parquet('${parquet.replaceAll("'", "''")}')`);

  const contender = (
    name: string,
    table: string,
    start: readonly [string, ...string[]],
    options: { readonly cwd?: string; readonly env: Readonly<Record<string, string>> },
  ): Contender => ({
    name: `postgres to duckdb: ${name}`,
    run: async () => {
      for (const file of globSync(`${warehouse}*`)) rmSync(file, { recursive: true });
      const measured: Measured = await measure(start, options);
      const found = await fingerprint(table, warehouse);
      if (found !== expected) throw new Error(`${name} moved other rows:\n  ${found}\n  ${expected}`);
      return measured;
    },
  });

  const { url } = postgres;
  const extension = await installExtension("postgres_scanner");
  const cwd = makeProject();
  const command = [process.execPath, "runtime/main.ts", "bench/copied"] as const;
  const env = { DATABASE_URL: url, DUCKDB_PATH: warehouse, NODE_COMPILE_CACHE: path.join(work, "compile_cache") };
  const summaries = await contest(
    [
      contender("ours", "bench.copied", command, { cwd, env: { ...env, DUCKDB_POSTGRES_EXTENSION: extension } }),
      contender("ours, by COPY", "bench.copied", command, { cwd, env }),
      contender(
        "dlt with connectorx",
        "bench.copied",
        [contenderBin("python"), path.join(checkout, "bench/stores/dlt_connectorx.py")],
        {
          env: {
            BENCH_DLT_DIR: path.join(work, "dlt"),
            BENCH_URL: url.replace(/^postgres:/, "postgresql+psycopg2:"),
            DUCKDB_PATH: warehouse,
            RUNTIME__DLTHUB_TELEMETRY: "false",
          },
        },
      ),
      contender("sling", "main.copied", slingCommand(url, warehouse), { env: slingEnvironment(work) }),
    ],
    { rounds, warmUp: 1, say },
  );
  const get = getSummary(summaries);
  const ours = get("postgres to duckdb: ours");
  const others = [get("postgres to duckdb: dlt with connectorx"), get("postgres to duckdb: sling")];
  const value = Math.max(...others.map((other) => pairedRatio(ours, other)));
  return {
    contenders: summaries,
    bars: [{ name: "postgres to duckdb: ours, to the quicker one", value, limit: LIMIT }],
  };
}

/** A project with a table of PostgreSQL, which is there already, and its copy in DuckDB. */
function makeProject(): string {
  const project = freshProject("stores");
  mkdirSync(path.join(project, "assets/bench"));
  for (const name of ["source.ts", "copied.ts"]) {
    copyFileSync(path.join(checkout, "bench/stores/assets", name), path.join(project, "assets/bench", name));
  }
  return project;
}

function slingCommand(url: string, warehouse: string): [string, ...string[]] {
  // Of its ways into DuckDB the quickest here.
  const target = `duckdb://${warehouse}?copy_method=csv_http`;
  return [
    contenderFile("sling_linux_amd64/bin/sling-linux-amd64"),
    ...["run", "--src-conn", `${url}?sslmode=disable`, "--src-stream", "bench.source"],
    ...["--tgt-conn", target, "--tgt-object", "main.copied", "--mode", "full-refresh"],
  ];
}

/** sling would download DuckDB's program and its extension: they are in the environment of the contenders. */
function slingEnvironment(work: string): Record<string, string> {
  const home = path.join(work, "sling_home");
  const extensions = path.join(home, ".duckdb/extensions/v1.5.5/linux_amd64");
  mkdirSync(extensions, { recursive: true });
  const extension = "httpfs.duckdb_extension";
  symlinkSync(
    contenderFile(`duckdb_extension_httpfs/extensions/v1.5.5/${extension}`),
    path.join(extensions, extension),
  );
  return {
    HOME: home,
    SLING_HOME_DIR: path.join(home, "sling"),
    SLING_DISABLE_TELEMETRY: "true",
    DUCKDB_PATH: contenderFile("duckdb_cli/duckdb"),
    DUCKDB_USE_INSTALLED_EXTENSIONS: "true",
  };
}

async function fingerprint(table: string, file = ":memory:"): Promise<string> {
  const instance = await DuckDBInstance.create(file);
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  const rows = (await connection.runAndReadAll(`SELECT ${FINGERPRINT} FROM ${table}`)).getRows();
  connection.closeSync();
  instance.closeSync();
  return String(rows[0]);
}
