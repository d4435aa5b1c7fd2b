import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { onTestFinished } from "vitest";
import type { Manifest } from "../../../definitions/manifest_schema.ts";
import { encodeParams } from "../../../pipes/index.ts";

const ROOT = resolve(fileURLToPath(import.meta.url), "../../../..");
/** Nothing here takes as long; it only ends a test that hangs. */
const HANG_MS = 90_000;

/** What a process left behind. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running process. */
export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** What it has written to standard error so far. */
  readonly stderr: () => string;
}

/** A line that a process sent to Dagster. */
export interface PipesMessage {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** What the launcher passes; see `dagster_project/extras.py`. */
export interface Launch {
  readonly runId?: string;
  readonly rootRunId?: string;
  readonly resume?: boolean;
  readonly openRunIds?: readonly string[];
  readonly partitionKeys?: readonly string[] | null;
  readonly window?: { readonly start: string; readonly end: string } | null;
  readonly fullRefresh?: boolean;
  readonly replay?: boolean;
  readonly checksOnly?: readonly string[];
  readonly restore?: readonly string[];
  /** The data of the assets that what is in Superset follows. */
  readonly upstream?: Readonly<
    Record<string, { data_version: string; run_id: string; at: string; was_other: boolean }>
  >;
  /** Of each partition. @default the window */
  readonly windows?: readonly { readonly start: string; readonly end: string }[];
  /** Of the keys' column, of each partition. */
  readonly values?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A project in a folder of its own inside the repository, so that `dagster-typescript` resolves to this checkout. */
export class Project {
  readonly dir: string;
  readonly warehouse: string;

  constructor(files: Readonly<Record<string, string>>) {
    this.dir = join(ROOT, ".state", "test", randomUUID());
    this.warehouse = join(this.dir, "warehouse.duckdb");
    mkdirSync(join(this.dir, "assets"), { recursive: true });
    this.write(files);
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [path, text] of Object.entries(files)) {
      const file = join(this.dir, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Builds the manifest in a process of its own. */
  async manifest(
    ...options: readonly string[]
  ): Promise<Ended & { readonly manifest: Manifest; readonly text: string }> {
    const ended = await this.start("runtime/manifest.ts", ["--project", this.dir, ...options]).ended;
    const path = join(this.dir, "manifest.json");
    const text = existsSync(path) ? readFileSync(path, "utf8") : "null";
    return { ...ended, text, manifest: JSON.parse(text) as Manifest };
  }

  /** Computes assets without Dagster. */
  run(keys: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
    return this.start("runtime/main.ts", keys, env);
  }

  /** Computes an asset as Dagster's launcher does: Pipes through files, standard input held open. */
  launch(key: string, launch: Launch = {}): Running & { readonly messages: () => PipesMessage[] } {
    const runId = launch.runId ?? randomUUID();
    const context = join(this.dir, `context-${randomUUID()}.json`);
    const messages = join(this.dir, `messages-${randomUUID()}.jsonl`);
    writeFileSync(messages, "");
    writeFileSync(context, JSON.stringify(contextOf(key, runId, launch)));
    const running = this.start("runtime/main.ts", [key], {
      DAGSTER_PIPES_CONTEXT: encodeParams({ path: context }),
      DAGSTER_PIPES_MESSAGES: encodeParams({ path: messages }),
      ...launch.env,
    });
    return {
      ...running,
      messages: () =>
        readFileSync(messages, "utf8")
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => JSON.parse(line) as PipesMessage),
    };
  }

  start(script: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
    const child = spawn(process.execPath, [join(ROOT, script), ...args], {
      cwd: this.dir,
      env: { ...process.env, DUCKDB_PATH: this.warehouse, NODE_OPTIONS: "", ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.stdin.on("error", () => undefined);
    const hang = setTimeout(() => child.kill("SIGKILL"), HANG_MS);
    const ended = new Promise<Ended>((done) => {
      child.on("close", (code, signal) => {
        clearTimeout(hang);
        done({ code, signal, stdout, stderr });
      });
    });
    return { child, ended, stderr: () => stderr };
  }

  /** Runs SQL on the warehouse, which no process has open. Values as text, NULL as null. */
  async query(sql: string): Promise<(string | null)[][]> {
    const instance = await DuckDBInstance.create(this.warehouse);
    try {
      const connection = await instance.connect();
      await connection.run("SET TimeZone = 'UTC'");
      const rows = (await connection.runAndReadAll(sql)).getRows();
      connection.closeSync();
      return rows.map((row) => row.map((value) => (value === null ? null : String(value))));
    } finally {
      instance.closeSync();
    }
  }

  /** The side files that are there. */
  staging(): string[] {
    const folder = `${this.warehouse}.staging`;
    return existsSync(folder) ? readdirSync(folder) : [];
  }
}

/** A project that is removed when its test ends. */
export function createProject(files: Readonly<Record<string, string>>): Project {
  const project = new Project(files);
  onTestFinished(() => {
    project.remove();
  });
  return project;
}

/** The source of an asset file: the import of everything, and the definition. */
export function assetFile(key: string, options: string, before = ""): string {
  const name = key.split("/")[1] ?? "";
  return `import * as d from "dagster-typescript";\nimport { z, sql, self } from "dagster-typescript";\n${before}\nexport const ${name} = d.defineAsset("${key}", { description: "A test.", ${options} });\n`;
}

/** Waits until something holds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + HANG_MS;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`${what} did not happen`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

function contextOf(key: string, runId: string, launch: Launch): object {
  return {
    asset_keys: [key],
    code_version_by_asset_key: { [key]: null },
    provenance_by_asset_key: { [key]: null },
    partition_key: null,
    partition_key_range: null,
    partition_time_window: null,
    run_id: runId,
    job_name: null,
    retry_number: 0,
    extras: {
      dagster_typescript: {
        root_run_id: launch.rootRunId ?? runId,
        resume: launch.resume ?? false,
        open_run_ids: launch.openRunIds ?? [runId],
        partition_keys: launch.partitionKeys ?? null,
        partition_key_range: null,
        partition_time_window: launch.window ?? null,
        partition_windows: launch.windows ?? (launch.window == null ? null : [launch.window]),
        partition_values: launch.values ?? null,
        full_refresh: launch.fullRefresh ?? false,
        replay: launch.replay ?? false,
        checks_only: launch.checksOnly ?? null,
        restore: launch.restore ?? [],
        upstream: launch.upstream ?? null,
        watchdog: true,
      },
    },
  };
}
