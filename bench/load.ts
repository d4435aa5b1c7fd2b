// a code location with 1,000 assets: its manifest, and its definitions beside the same specs in plain Python
import path from "node:path";
import { checkout, onStop, pythonBin } from "../ops/process.ts";
import { generateAssets } from "./load/generate_assets.ts";
import { runBench } from "./lib/bench.ts";
import { type Contender, contest, getSummary } from "./lib/contest.ts";
import { measure } from "./lib/measure.ts";
import { freshFolder, freshProject } from "./lib/project.ts";

const ASSETS = 1_000;
/** Of 20,000 hours. */
const PARTITIONS = 'hourly("happened_at", { start: "2024-01-01-00:00", end: "2026-04-13-08:00" })';

onStop();
await runBench({
  name: "load",
  help: `Generates ${ASSETS} assets, a file each, of queries and rows, with columns, references and checks. Measures
  manifest      node runtime/manifest.ts, the whole command
  ours, plain   what Dagster does to load the location from the manifest, and from the same specs as a Python module:
                both without the start of Python and the import of Dagster
  hourly        ours, with 20,000 hourly partitions of each asset`,
  run: async ({ rounds, say }) => {
    say(`generating ${ASSETS} assets`);
    const project = freshProject("load");
    generateAssets(project, ASSETS);
    const plain = freshFolder("load", "plain");
    const python = pythonBin("python");
    const loader = path.join(checkout, "bench/load/load_definitions.py");
    const env = { PYTHONPATH: project, NODE_COMPILE_CACHE: "" };
    const manifest = [process.execPath, "runtime/manifest.ts"] as const;
    await measure(manifest, { cwd: project });
    say("writing the same specs in Python");
    const written = path.join(plain, "plain_definitions");
    const writer = path.join(checkout, "bench/load/write_plain.py");
    await measure([python, writer, path.join(project, "manifest.json"), written, project]);
    await measure([python, loader, "compare", project, plain], { env });

    const hourly = freshProject("load_hourly");
    generateAssets(hourly, ASSETS, PARTITIONS);
    await measure(manifest, { cwd: hourly });

    const load = (name: string, what: "ours" | "plain", from = project): Contender => ({
      name,
      run: async () => {
        const { stdout, peakMb } = await measure([python, loader, what, from, plain], { env });
        const parts = JSON.parse(stdout) as { definitions: number; repository: number; assets: number };
        if (parts.assets !== ASSETS) throw new Error(`${name} has ${parts.assets} assets, not ${ASSETS}`);
        return {
          seconds: parts.definitions + parts.repository,
          peakMb,
          extra: { "definitions s": parts.definitions, "repository s": parts.repository },
        };
      },
    });
    const summaries = await contest(
      [
        { name: "manifest", run: () => measure(manifest, { cwd: project }) },
        load("ours", "ours"),
        load("plain", "plain"),
        load("hourly", "ours", hourly),
      ],
      { rounds, warmUp: 1, say },
    );
    const get = getSummary(summaries);
    return {
      contenders: summaries,
      bars: [
        { name: "manifest_s", value: get("manifest").medianS, limit: 3 },
        { name: "definitions_ratio", value: get("ours").medianS / get("plain").medianS, limit: 1.5 },
        { name: "hourly_ratio", value: get("hourly").medianS / get("ours").medianS, limit: 2 },
      ],
    };
  },
});
