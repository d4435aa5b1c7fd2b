import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import type { BodyContext } from "../definitions/body.ts";
import { ProjectError } from "../definitions/project_error.ts";
import { OpenStores } from "../resources/stores.ts";
import { findAsset } from "./find_asset.ts";
import { sortByNeeds } from "./order.ts";
import { runAsset } from "./run_asset.ts";
import { terminationSignal } from "./termination.ts";

/** Computes assets without Dagster: in one process, each after those of them that it reads. */
export async function runAlone(
  keys: readonly string[],
  projectDir: string,
  redact: (text: string) => string,
): Promise<void> {
  const print = (text: string): void => {
    process.stderr.write(`${redact(text)}\n`);
  };
  const signal = terminationSignal();
  const context: BodyContext = {
    signal,
    log: { debug: () => undefined, info: print, warning: print, error: print },
    partitionKeys: null,
    window: null,
  };
  const runId = randomUUID();
  // Nobody here knows whether a run on another machine is over, so its staging stays.
  const request = {
    runId,
    rootRunId: runId,
    resume: false,
    isOpen: () => true,
    partitions: null,
    fullRefresh: false,
    redact,
  };
  const stores = new OpenStores(projectDir);
  try {
    const assets = new Map<string, Awaited<ReturnType<typeof findAsset>>>();
    for (const key of keys) assets.set(key, await findAsset(key, projectDir));
    const { sorted } = sortByNeeds(assets.keys(), (key) => assets.get(key)?.deps ?? []);
    for (const key of sorted) {
      const asset = assets.get(key);
      if (asset === undefined) continue;
      const start = performance.now();
      // A task may take long, and needs no warehouse.
      if (asset.body.kind === "task") await stores.close();
      const { outcome, report } = await runAsset(asset, stores, context, request);
      const rows = (report.metadata["dagster/row_count"] as { raw_value?: number } | undefined)?.raw_value;
      print(
        `${key}  ${outcome}${rows === undefined ? "" : `, ${rows.toLocaleString("en")} rows`}, ${((performance.now() - start) / 1000).toFixed(2)} s`,
      );
      if (outcome === "refused") {
        // What follows would read the old rows and pass for new.
        process.exitCode = 1;
        break;
      }
    }
  } catch (error) {
    print(describeError(error));
    process.exitCode = 1;
  } finally {
    await stores.close();
  }
}

/** What a person can act on: of an expected error the messages of it and its causes, of any other the stack too. */
function describeError(error: unknown): string {
  if (!(error instanceof ProjectError)) return inspect(error);
  const lines = [`${error.name}: ${error.message}`];
  for (let { cause } = error as Error; cause instanceof Error; { cause } = cause) {
    // Many messages end with that of their cause.
    if (!lines.some((line) => line.includes(cause.message))) {
      lines.push(`  caused by ${cause.name}: ${cause.message}`);
    }
  }
  return lines.join("\n");
}
