import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import type { BodyContext } from "../definitions/body.ts";
import { ProjectError } from "../definitions/project_error.ts";
import { OpenStores } from "../resources/stores.ts";
import { findAsset } from "./find_asset.ts";
import { sortByNeeds } from "./order.ts";
import type { RunPartition } from "./partitions.ts";
import type { ResolvedAsset } from "./resolve.ts";
import { runAsset } from "./run_asset.ts";
import { PartitionSelectionError, selectPartitions } from "./select_partitions.ts";
import { terminationSignal } from "./termination.ts";

/** What {@link runAlone} computes. */
export interface Selection {
  /** `schema/table`. */
  readonly keys: readonly string[];
  /** Of the assets that have partitions: a key, or `first...last`. */
  readonly partitions: string | undefined;
  /** Of archives: what they bring back, each a key or `first...last`; empty: they archive. */
  readonly restore: readonly string[];
  /** Of the assets that add to their tables: whether these are made anew. */
  readonly fullRefresh: boolean;
  /** Tries their quarantined rows once more, instead of what their bodies would yield. */
  readonly replay: boolean;
}

/** An option is for other assets than those that are named: without a word it would do nothing. */
class OptionError extends ProjectError {
  readonly code = "option_without_effect";
  readonly retryable = false;
}

/** Computes assets without Dagster: in one process, each after those of them that it reads. */
export async function runAlone(
  selection: Selection,
  projectDir: string,
  redact: (text: string) => string,
): Promise<void> {
  const print = (text: string): void => {
    process.stderr.write(`${redact(text)}\n`);
  };
  const signal = terminationSignal();
  const log = { debug: () => undefined, info: print, warning: print, error: print };
  const runId = randomUUID();
  // Nobody here knows whether a run on another machine is over, so its staging stays.
  const request = {
    runId,
    rootRunId: runId,
    resume: false,
    isOpen: () => true,
    restore: selection.restore,
    upstream: null,
    now: new Date(),
    fullRefresh: selection.fullRefresh,
    replay: selection.replay,
    redact,
  };
  const stores = new OpenStores(projectDir);
  try {
    const assets = new Map<string, Awaited<ReturnType<typeof findAsset>>>();
    for (const key of selection.keys) assets.set(key, await findAsset(key, projectDir));
    requireEffect(selection, [...assets.values()]);
    const { sorted } = sortByNeeds(assets.keys(), (key) => assets.get(key)?.deps ?? []);
    for (const key of sorted) {
      const asset = assets.get(key);
      if (asset === undefined) continue;
      const start = performance.now();
      // These may take long, and need no warehouse.
      if (asset.body.kind === "task" || asset.body.kind === "superset") await stores.close();
      const partitions = partitionsOf(asset, selection);
      const context: BodyContext = { signal, log, ...windowOf(partitions) };
      const { outcome, report } = await runAsset(asset, stores, context, { ...request, partitions });
      const rows = (report.metadata["rows_written"] as { raw_value?: number } | undefined)?.raw_value;
      print(
        `${key}  ${outcome}${rows === undefined ? "" : `, ${rows.toLocaleString("en")} rows`}, ${((performance.now() - start) / 1000).toFixed(2)} s`,
      );
      if (outcome === "refused" || outcome === "partial") {
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

function requireEffect({ restore, fullRefresh }: Selection, assets: readonly ResolvedAsset[]): void {
  if (restore.length > 0 && !assets.every(({ body }) => body.kind === "archive"))
    throw new OptionError("--restore is for archives: name them alone");
  if (fullRefresh && !assets.some(({ defined }) => defined.options.write !== undefined))
    throw new OptionError("--full-refresh is for assets that add to their tables, and none of these does");
}

function partitionsOf(asset: ResolvedAsset, { partitions: selected }: Selection): RunPartition[] | null {
  const { partitions } = asset.defined.options;
  if (partitions === undefined) return null;
  if (selected === undefined) {
    throw new PartitionSelectionError(
      `${asset.key} has ${partitions.kind} partitions: say which, --partitions KEY or --partitions FIRST...LAST`,
    );
  }
  return selectPartitions(asset.key, partitions, selected);
}

function windowOf(partitions: readonly RunPartition[] | null): Pick<BodyContext, "partitionKeys" | "window" | "keys"> {
  const [first, last] = [partitions?.at(0)?.window, partitions?.at(-1)?.window];
  const values = (partitions ?? []).flatMap(({ value }) => value ?? []);
  return {
    partitionKeys: partitions?.map(({ key }) => key) ?? null,
    window: first && last ? { start: first.start, end: last.end } : null,
    keys: values.length === 0 ? null : [...new Set(values)],
  };
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
