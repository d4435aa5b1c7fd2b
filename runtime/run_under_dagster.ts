import { z } from "zod";
import type { BodyContext } from "../definitions/body.ts";
import { type PipesContext, runWithPipes } from "../pipes/index.ts";
import { OpenStores } from "../resources/stores.ts";
import { findAsset } from "./find_asset.ts";
import { type AssetResult, runAsset } from "./run_asset.ts";
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
        window: window === null ? null : { start: new Date(window.start), end: new Date(window.end) },
      };
      const stores = new OpenStores(projectDir);
      for (const key of keys) {
        let result: AssetResult;
        try {
          result = await runAsset(await findAsset(key, projectDir), stores, context, request);
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

function report(
  pipes: PipesContext,
  assetKey: string,
  { outcome, report: { dataVersion, metadata, checks } }: AssetResult,
  redact: (text: string) => string,
): void {
  for (const { name, passed, severity, metadata: found } of checks) {
    pipes.reportAssetCheck({ assetKey: assetKey.split("/"), checkName: name, passed, severity, metadata: found });
  }
  if (outcome !== "refused") {
    // Pipes redacts the values; a task names its metadata itself.
    const named = Object.fromEntries(Object.entries(metadata).map(([name, entry]) => [redact(name), entry]));
    pipes.reportAssetMaterialization({ assetKey: assetKey.split("/"), metadata: named, dataVersion });
  }
  pipes.reportCustomMessage({ dagster_typescript: { asset_key: assetKey, outcome } });
}
