import { realpathSync } from "node:fs";
import { text } from "node:stream/consumers";
import { inspect } from "node:util";
import { z } from "zod";
import { ProjectError } from "../../definitions/project_error.ts";
import { compareDataset } from "../../resources/superset/dataset/sync.ts";
import { unfedDatasets } from "../../resources/superset/dataset/unfed.ts";
import type { PublishedData } from "../../resources/superset/dataset/wanted.ts";
import { inTurns } from "../../resources/superset/in_turns.ts";
import { openSuperset } from "../../resources/superset/open.ts";
import { endProcess } from "../end_process.ts";
import { UnknownAssetError } from "../find_asset.ts";
import { loadAllAssets } from "../load_assets.ts";
import { parseOptions } from "../parse_options.ts";
import { createRedact } from "../redaction.ts";
import { resolveAll, type ResolvedAsset } from "../resolve.ts";
import { terminationSignal } from "../termination.ts";
import { compareDatabaseOf } from "./database.ts";
import { datasetKey } from "./nodes.ts";
import { publishedOf, recordedData } from "./recorded.ts";
import { datasetUuid, wantedDataset } from "./wanted.ts";

const HELP = `Compares the datasets in Superset with what the assets declare, and changes nothing.

  node runtime/superset/compare.ts [superset/dataset/<schema>/<table>...]

Prints each difference that a sync would write, and the datasets that no asset feeds.

  --json   for Dagster: reads from standard input which data each dataset should show, as JSON; prints JSON
`;

const versions = z.record(z.string(), recordedData);

/** Datasets that are read side by side. */
const CONCURRENCY = 4;

interface Comparison {
  readonly datasets: readonly { readonly dataset: string; readonly differences: readonly string[] }[];
  /** Datasets that no asset feeds. */
  readonly unfed: readonly string[];
}

const redact = createRedact(process.env);
const config = { allowPositionals: true, options: { json: { type: "boolean", default: false } } } as const;
const options = parseOptions(HELP, config, ({ positionals, values }) => ({ keys: positionals, json: values.json }));
if (options !== undefined) await main(options.keys, options.json);
endProcess();

async function main(keys: readonly string[], isJson: boolean): Promise<void> {
  try {
    const published = isJson ? versions.parse(JSON.parse(await text(process.stdin))) : {};
    const found = await compare(keys, (key) => {
      const one = published[key];
      return one === undefined ? undefined : publishedOf(one);
    });
    process.stdout.write(redact(isJson ? JSON.stringify(found) : describe(found)));
  } catch (error) {
    const message = error instanceof ProjectError ? `${error.name}: ${error.message}` : inspect(error);
    process.stderr.write(`${redact(message)}\n`);
    process.exitCode = 1;
  }
}

async function compare(
  keys: readonly string[],
  recordedOf: (key: string) => PublishedData | undefined,
): Promise<Comparison> {
  const projectDir = realpathSync(process.cwd());
  const assets = await assetsWithDataset(projectDir);
  const context = { projectDir, env: process.env };
  const unknown = keys.filter((key) => !assets.some((asset) => datasetKey(asset.key) === key));
  if (unknown.length > 0)
    throw new UnknownAssetError(
      `no asset without faults declares ${unknown.join(", ")}: npm run check names the faults`,
    );
  const wanted = keys.length === 0 ? assets : assets.filter(({ key }) => keys.includes(datasetKey(key)));
  const superset = openSuperset(process.env, { signal: terminationSignal() });
  const stores = [...new Set(wanted.map(({ store }) => store))];
  const databases = new Map(
    await inTurns(stores, CONCURRENCY, async (store) => [store, await compareDatabaseOf(superset, store, context)]),
  );
  const datasets = await inTurns(wanted, CONCURRENCY, async (asset) => {
    const key = datasetKey(asset.key);
    const { id, differences = [] } = databases.get(asset.store) ?? {};
    const found =
      id === undefined
        ? []
        : await compareDataset(superset.client, wantedDataset(asset, id, process.env), recordedOf(key));
    return { dataset: key, differences: [...differences, ...found] };
  });
  const unfed = await unfedDatasets(superset.client, new Set(assets.map(datasetUuid)));
  return { datasets, unfed: unfed.map(({ name }) => name) };
}

/** Those without faults: what a fault leaves of an asset is no contract. */
async function assetsWithDataset(projectDir: string): Promise<ResolvedAsset[]> {
  return resolveAll(await loadAllAssets(projectDir), projectDir).filter(
    ({ defined, faults, target }) => defined.options.superset !== undefined && faults.length === 0 && target !== null,
  );
}

function describe({ datasets, unfed }: Comparison): string {
  const lines = datasets.flatMap(({ dataset, differences }) => [
    `${dataset}: ${differences.length === 0 ? "as it should be" : `${differences.length} differences`}`,
    ...differences.map((one) => `  ${one}`),
  ]);
  if (unfed.length > 0) lines.push("No asset feeds:", ...unfed.map((name) => `  ${name}`));
  return `${lines.join("\n")}\n`;
}
