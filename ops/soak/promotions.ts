// 20.9 million rows into every store, with flat memory
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { literal } from "../../resources/quote.ts";
import { type OpenStore, openStore, type StoreName } from "../../test/integration/stores/open_store.ts";
import { parseOptions } from "../../runtime/parse_options.ts";
import { checkout, onStop, run } from "../process.ts";
import { readStores, soakFailed } from "./arguments.ts";
import { BODIES, type Body, FINGERPRINT, NAMES, type RunReport, SCHEMA } from "./promotions_table.ts";

/** How far the memory may grow from the first half of the time to the second. */
const MAX_GROWTH = 1.25;
/** DuckDB is in the process itself, and keeps blocks of the tables that a query reads and writes. */
const MAX_GROWTH_OF_DUCKDB = 1.4;
const FILE = path.join(checkout, "data/completejourney/promotions.parquet");
const RUN = path.join(import.meta.dirname, "promotions_run.ts");

const USAGE = `npm run soak -- promotions [options]

Writes the 20.9 million rows of promotions.parquet into each store: copied from the file, by a query on that table, and
yielded page by page by a rows body. All rows must be there, and the memory of the process that writes them must be flat:
in the second half of its time its peak is at most ${MAX_GROWTH} times that of the first (${MAX_GROWTH_OF_DUCKDB} with DuckDB, whose
engine is in the process).

  --store NAME  this store only; can be repeated
  --body NAME   ${BODIES.join(", ")} only; can be repeated
  --help        this text

Exit code 1 when one of these promises is broken.`;

const config = {
  options: { store: { type: "string", multiple: true }, body: { type: "string", multiple: true } },
} as const;
const asked = parseOptions(USAGE, config, ({ values }) => {
  const bodies = BODIES.filter((body) => values.body?.includes(body) ?? true);
  if (bodies.length === 0) throw new Error(`No such body; there are ${BODIES.join(", ")}`);
  return { bodies, stores: readStores(values.store) };
});
onStop();
if (asked !== undefined) {
  const expected = await readExpected();
  for (const name of asked.stores) await writeAll(name, asked.bodies, expected);
}

/** Writes each table in a process of its own. */
async function writeAll(name: StoreName, bodies: readonly Body[], expected: string): Promise<void> {
  const open = await openStore(name);
  try {
    for (const body of bodies) {
      try {
        const { seconds, firstHalfMb, secondHalfMb } = await write(open, body);
        const found = String((await open.query(`${FINGERPRINT}${open.table(`${SCHEMA}/${body}`)}`))[0]);
        const growth = secondHalfMb / firstHalfMb;
        const limit = name === "duckdb" ? MAX_GROWTH_OF_DUCKDB : MAX_GROWTH;
        console.log(
          `${name}, ${body}: ${seconds.toFixed(1)} s; peak ${firstHalfMb.toFixed(0)} MB in the first half, ` +
            `${secondHalfMb.toFixed(0)} MB in the second (${growth.toFixed(2)}, limit ${limit})`,
        );
        if (found !== expected) throw new Error(`${body}: the table holds ${found}, not ${expected}`);
        if (!(growth <= limit)) throw new Error(`${body}: the memory grew by a factor of ${growth.toFixed(2)}`);
      } catch (error) {
        soakFailed(name, error);
      }
    }
  } finally {
    await open.close();
  }
}

async function write({ kind, env }: OpenStore, body: Body): Promise<RunReport> {
  const { code, output } = await run(process.execPath, [RUN, kind.name, body, FILE], { env });
  const last = output.trimEnd().split("\n").at(-1) ?? "";
  if (code !== 0) throw new Error(`${body}: the process ended with ${code}:\n${output}`);
  return JSON.parse(last) as RunReport;
}

/** What a table must hold, straight from the file. */
async function readExpected(): Promise<string> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const numbers = NAMES.filter((column) => !column.endsWith("location"));
  const casts = numbers.map((column) => `CAST(${column} AS BIGINT) AS ${column}`);
  const source = `(SELECT * REPLACE (${casts.join(", ")}) FROM read_parquet(${literal(FILE)})) AS source`;
  const rows = (await connection.runAndReadAll(`${FINGERPRINT}${source}`)).getRows();
  connection.closeSync();
  instance.closeSync();
  return String(rows[0]);
}
