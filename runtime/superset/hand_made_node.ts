import { createHash } from "node:crypto";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { metadata } from "../../pipes/index.ts";
import { dashboardUuid } from "../../resources/superset/dashboard.ts";
import { type HandMadeDashboard, handMadeDashboards } from "../../resources/superset/hand_made.ts";
import { startClock } from "../clock.ts";
import { loadAllAssets } from "../load_assets.ts";
import { escapeMarkdown } from "../redaction.ts";
import { type AssetReport, durationMetadata } from "../report.ts";
import { resolveAll, type ResolvedAsset } from "../resolve.ts";
import { datasetKey, HAND_MADE_KEY } from "./nodes.ts";
import type { SupersetRunContext } from "./run_context.ts";
import { runnable } from "./runnable.ts";
import { sessionOf } from "./session.ts";
import { datasetUuid } from "./wanted.ts";

/** What `dagster_project/superset/hand_made.py` reads when definitions are loaded. */
const FILE = join(".state", "superset", "hand_made.json");

/** The node that lists the dashboards that people made; `undefined` where no asset has a dataset. */
export async function tryGetHandMadeNode(projectDir: string): Promise<ResolvedAsset | undefined> {
  const loaded = await loadAllAssets(projectDir);
  const shown = resolveAll(loaded, projectDir).filter(({ defined }) => defined.options.superset !== undefined);
  const [base] = shown;
  if (base === undefined) return undefined;
  const datasets = new Map(shown.map((asset) => [datasetUuid(asset), asset.key]));
  const declared = new Set(loaded.dashboards.map(({ name }) => dashboardUuid(name)));
  return runnable({
    key: HAND_MADE_KEY,
    description: "The dashboards that people made in Superset.",
    deps: shown.map(({ key }) => datasetKey(key)).sort(),
    // Faults of one asset are no reason to know nothing of the others: none is taken over.
    ...{ store: base.store, position: base.defined.position, codeVersion: base.codeVersion },
    run: (context) => list(datasets, declared, context),
  });
}

async function list(
  datasets: ReadonlyMap<string, string>,
  declared: ReadonlySet<string>,
  context: SupersetRunContext,
): Promise<AssetReport> {
  const clock = startClock();
  const { projectDir, redact } = context;
  const { client } = sessionOf(context);
  const found = await handMadeDashboards(client, datasets, declared);
  const entries = found.map((one) => ({ ...one, key: keyOf(one), title: redact(one.title) }));
  const text = `${JSON.stringify({ dashboards: entries }, null, 2)}\n`;
  const file = join(projectDir, FILE);
  mkdirSync(dirname(file), { recursive: true });
  // Another process may read it now.
  writeFileSync(`${file}.${process.pid}`, text);
  renameSync(`${file}.${process.pid}`, file);
  const rows = entries.map(({ title, url, assets }) => `| [${escapeMarkdown(title)}](${url}) | ${assets.join(", ")} |`);
  return {
    dataVersion: createHash("sha256").update(text).digest("hex").slice(0, 32),
    metadata: {
      dashboards: metadata.int(found.length),
      list: metadata.md(["| dashboard | shows |", "|---|---|", ...rows].join("\n")),
      ...durationMetadata({ publish: clock() }),
    },
    checks: [],
    partitions: null,
  };
}

/** The title, as far as a key can hold it, and the number, since titles are not unique. */
function keyOf({ id, title }: HandMadeDashboard): string[] {
  const words = title
    .normalize("NFKD")
    .replaceAll(/[^A-Za-z0-9]+/g, "_")
    .replaceAll(/^[_0-9]+|_+$/g, "")
    .toLowerCase()
    .slice(0, 40);
  return ["superset", "by_hand", `${words === "" ? "dashboard" : words}_${id}`];
}
