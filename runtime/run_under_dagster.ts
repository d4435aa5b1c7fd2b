import { z } from "zod";
import type { BodyContext, TimeWindow } from "../definitions/body.ts";
import { ProjectError } from "../definitions/project_error.ts";
import { type PipesContext, runWithPipes } from "../pipes/index.ts";
import { OpenStores } from "../resources/stores.ts";
import { checkPublished } from "./check_published.ts";
import { findAsset } from "./find_asset.ts";
import type { PartitionReport, RunPartition } from "./partitions.ts";
import type { AssetResult } from "./asset_run.ts";
import { runAsset } from "./run_asset.ts";
import { publishedOf, recordedData } from "./superset/recorded.ts";
import type { SupersetRunContext } from "./superset/run_context.ts";
import { terminationSignal } from "./termination.ts";
import { startWatchdog } from "./watchdog.ts";

const range = z.object({ start: z.string(), end: z.string() });

/** What the launcher passes beside Dagster's own context; see `dagster_project/extras.py`. */
const extrasSchema = z.object({
  root_run_id: z.string(),
  resume: z.boolean(),
  open_run_ids: z.array(z.string()),
  partition_keys: z.array(z.string()).nullable(),
  partition_key_range: range.nullable(),
  partition_windows: z.array(range).nullable(),
  partition_values: z.array(z.string()).nullable(),
  full_refresh: z.boolean(),
  replay: z.boolean(),
  checks_only: z.array(z.string()).nullable(),
  restore: z.array(z.string()),
  upstream: z.record(z.string(), recordedData.nullable()).nullable(),
  partition_time_window: range.nullable(),
  watchdog: z.boolean(),
});

/** Computes the assets of a step and reports them through Pipes. */
export async function runUnderDagster(
  keys: readonly string[],
  projectDir: string,
  redact: (text: string) => string,
): Promise<void> {
  const signal = terminationSignal();
  await runWithPipes(
    async (pipes) => {
      const extras = extrasSchema.parse(pipes.getExtra("dagster_typescript"));
      if (extras.watchdog) startWatchdog();
      const open = new Set(extras.open_run_ids);
      const request = {
        runId: pipes.runId,
        rootRunId: extras.root_run_id,
        resume: extras.resume,
        isOpen: (runId: string) => open.has(runId),
        partitions: runPartitions(extras),
        fullRefresh: extras.full_refresh,
        replay: extras.replay,
        restore: extras.restore,
        upstream: upstreamOf(extras.upstream),
        now: new Date(),
        redact,
      };
      const window = extras.partition_time_window;
      const context: BodyContext = {
        signal,
        log: {
          debug: (message) => {
            pipes.log.debug(message);
          },
          info: (message) => {
            pipes.log.info(message);
          },
          warning: (message) => {
            pipes.log.warning(message);
          },
          error: (message) => {
            pipes.log.error(message);
          },
        },
        partitionKeys: extras.partition_keys,
        window: window === null ? null : toWindow(window),
        keys: extras.partition_values === null ? null : [...new Set(extras.partition_values)],
      };
      const stores = new OpenStores(projectDir);
      for (const key of keys) {
        let result: AssetResult;
        try {
          const asset = await findAsset(key, projectDir);
          result =
            extras.checks_only === null
              ? await runAsset(asset, stores, context, request)
              : await checkPublished(asset, stores, context, request, extras.checks_only);
        } catch (error) {
          // A lost connection is worth another attempt; a wrong password stays wrong.
          if (error instanceof ProjectError)
            pipes.reportCustomMessage({ dagster_typescript: { asset_key: key, retryable: error.retryable } });
          throw error;
        } finally {
          // Before the report: the next step need not wait for the file while this one talks to Dagster.
          await stores.close();
        }
        report(pipes, key, result, redact);
      }
    },
    { redact },
  );
}

function upstreamOf(recorded: z.infer<typeof extrasSchema>["upstream"]): SupersetRunContext["upstream"] {
  if (recorded === null) return null;
  return Object.fromEntries(
    Object.entries(recorded).map(([key, one]) => [key, one === null ? null : publishedOf(one)]),
  );
}

function report(
  pipes: PipesContext,
  assetKey: string,
  { outcome, report: { dataVersion, metadata, checks, partitions }, failures = [] }: AssetResult,
  redact: (text: string) => string,
): void {
  for (const { name, passed, severity, metadata: found } of checks) {
    pipes.reportAssetCheck({ assetKey: assetKey.split("/"), checkName: name, passed, severity, metadata: found });
  }
  if (outcome !== "refused" && outcome !== "checked") {
    // Pipes redacts the values; a task names its metadata itself.
    const named = Object.fromEntries(Object.entries(metadata).map(([name, entry]) => [redact(name), entry]));
    pipes.reportAssetMaterialization({ assetKey: assetKey.split("/"), metadata: named, dataVersion });
  }
  for (const page of pagesOf((partitions ?? []).map(partitionMessage)))
    pipes.reportCustomMessage({ dagster_typescript: { asset_key: assetKey, partitions: page } });
  const shown = failures.slice(0, SHOWN_FAILURES).map(({ key, message }) => [key, redact(message).slice(0, 500)]);
  const partial = outcome === "partial" ? { failures: shown } : {};
  pipes.reportCustomMessage({ dagster_typescript: { asset_key: assetKey, outcome, ...partial } });
}

/** Of partitions that failed; the others are told by what was not reported. */
const SHOWN_FAILURES = 20;

/** A message must not be cut, as it would be at 250 kB. */
const PAGE_BYTES = 100_000;

/** As many as one message takes at a time; one alone may be longer. */
function* pagesOf(partitions: readonly object[]): Generator<readonly object[]> {
  let [page, bytes]: [object[], number] = [[], 0];
  for (const one of partitions) {
    const size = Buffer.byteLength(JSON.stringify(one));
    if (page.length > 0 && bytes + size > PAGE_BYTES) {
      yield page;
      [page, bytes] = [[], 0];
    }
    page.push(one);
    bytes += size;
  }
  if (page.length > 0) yield page;
}

function partitionMessage({ key, rowCount, dataVersion, checks }: PartitionReport): object {
  return {
    key,
    row_count: rowCount,
    data_version: dataVersion,
    checks: checks.map(({ name, passed, failedRows, checkedRows }) => [name, passed, failedRows, checkedRows]),
  };
}

function runPartitions({
  partition_keys: keys,
  partition_windows: windows,
  partition_values: values,
}: z.infer<typeof extrasSchema>): RunPartition[] | null {
  if (keys === null) return null;
  return keys.map((key, index) => {
    const window = windows?.[index];
    return { key, window: window === undefined ? null : toWindow(window), value: values?.[index] ?? null };
  });
}

function toWindow({ start, end }: z.infer<typeof range>): TimeWindow {
  return { start: new Date(start), end: new Date(end) };
}
