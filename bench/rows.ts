// 1.47 million rows through zod into DuckDB, beside the same rows appended by hand, and dlt
import { copyFileSync, globSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { checkout, onStop } from "../ops/process.ts";
import { PosLines } from "../resources/pos_api/lines.ts";
import { runBench } from "./lib/bench.ts";
import { contenderBin, installContenders } from "./lib/contenders_env.ts";
import { type Contender, contest, getSummary } from "./lib/contest.ts";
import { measure } from "./lib/measure.ts";
import { freshFolder, freshProject } from "./lib/project.ts";

const PAGE_ROWS = 10_000;
const FEW_ROWS = 300_000;

/** Number of rows to their revenue, by which the contenders are held to the same rows. */
const revenues = new Map<number, unknown>();

onStop();
await runBench({
  name: "rows",
  help: `Loads the purchase lines, pages of JSON as an API would send them, into a DuckDB file.
Each contender is the whole command, from the start of its process to its end, reading and parsing the pages included;
"source alone" shows what that costs.`,
  rounds: 3,
  run: async ({ rounds, say }) => {
    await installContenders(say);
    say("writing the pages");
    const work = freshFolder("rows", "work");
    const all = await writePages(work, "all", Number.POSITIVE_INFINITY);
    const few = await writePages(work, "few", FEW_ROWS);
    const project = freshProject("rows");
    mkdirSync(path.join(project, "assets/bench"));
    for (const name of ["lines.ts", "pages.ts"]) {
      copyFileSync(path.join(checkout, "bench/rows", name), path.join(project, "assets/bench", name));
    }
    const warehouse = path.join(work, "warehouse.duckdb");
    const contender = (
      name: string,
      { folder, rows }: Pages,
      command: readonly [string, ...string[]],
      cwd = checkout,
    ): Contender => ({
      name,
      run: async () => {
        for (const file of globSync(`${warehouse}*`)) rmSync(file, { recursive: true });
        const measured = await measure(command, {
          cwd,
          env: {
            DUCKDB_PATH: warehouse,
            BENCH_PAGES: folder,
            BENCH_DLT_DIR: freshFolder("rows", "dlt"),
            RUNTIME__DLTHUB_TELEMETRY: "false",
            NODE_COMPILE_CACHE: path.join(work, "compile_cache"),
          },
        });
        if (name !== "source alone") await requireRows(name, warehouse, rows);
        return { ...measured, extra: { "rows/s": rows / measured.seconds } };
      },
    });
    const ours = [process.execPath, "runtime/main.ts", "bench/lines"] as const;
    const summaries = await contest(
      [
        contender("ours", all, ours, project),
        contender("by hand", all, [process.execPath, "bench/rows/by_hand.ts"]),
        contender("dlt", all, [contenderBin("python"), "bench/rows/dlt_rows.py"]),
        contender("dlt, Arrow tables", all, [contenderBin("python"), "bench/rows/dlt_arrow.py"]),
        contender(`ours, ${FEW_ROWS / 1000}k rows`, few, ours, project),
        contender("source alone", all, [process.execPath, "bench/rows/source_alone.ts"]),
      ],
      { rounds, warmUp: 0, say },
    );
    const get = getSummary(summaries);
    return {
      contenders: summaries,
      bars: [
        { name: "ours_to_by_hand", value: get("ours").medianS / get("by hand").medianS, limit: 1.5 },
        {
          name: "memory_growth",
          value: (get("ours").peakMb ?? Number.NaN) / (get(`ours, ${FEW_ROWS / 1000}k rows`).peakMb ?? Number.NaN),
          limit: 1.3,
        },
      ],
    };
  },
});

interface Pages {
  readonly folder: string;
  readonly rows: number;
}

/** Writes the first lines as the point-of-sale API would send them. */
async function writePages(work: string, name: string, limit: number): Promise<Pages> {
  const folder = path.join(work, name);
  mkdirSync(folder);
  const lines = await PosLines.open(path.join(checkout, "data/completejourney/transactions.parquet"));
  const rows = Math.min(lines.count, limit);
  for (let from = 0; from < rows; from += PAGE_ROWS) {
    const { json } = await lines.render(from, Math.min(from + PAGE_ROWS, rows));
    writeFileSync(path.join(folder, `${String(from).padStart(9, "0")}.json`), `{"lines":[${json}]}`);
  }
  lines.close();
  return { folder, rows };
}

/** A contender that loses or adds a row, or a cent, has not done the work. */
async function requireRows(name: string, warehouse: string, rows: number): Promise<void> {
  const instance = await DuckDBInstance.create(warehouse, { access_mode: "READ_ONLY" });
  const connection = await instance.connect();
  const result = await connection.runAndReadAll("SELECT count(*), sum(revenue)::VARCHAR FROM bench.lines");
  connection.closeSync();
  instance.closeSync();
  const [count, revenue] = result.getRows()[0] ?? [];
  const expected = revenues.get(rows) ?? revenue;
  revenues.set(rows, expected);
  if (count !== BigInt(rows) || revenue !== expected) {
    throw new Error(`${name} loaded ${String(count)} of ${rows} rows, revenue ${String(revenue)}`);
  }
}
