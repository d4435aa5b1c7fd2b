/**
 * Reads what is published again and again until its standard input ends, and says each generation that it saw once. Fails
 * on any error, on rows of two generations, and when time runs backwards. Argument: path of the published file.
 */
import { setTimeout } from "node:timers/promises";
import { DuckDBInstance } from "@duckdb/node-api";

const [path = ""] = process.argv.slice(2);
const over = new AbortController();
process.stdin.resume().on("end", () => {
  over.abort();
});
let last = 0;
let reads = 0;
while (!over.signal.aborted) {
  const seen = await read();
  if (seen < last) throw new Error(`generation ${seen} after ${last}`);
  if (seen > last) process.stdout.write(`${seen}\n`);
  last = seen;
  reads += 1;
  // Who publishes needs the processor too.
  await setTimeout(40);
}
process.stdout.write(`reads ${reads}\n`);

async function read(): Promise<number> {
  const instance = await DuckDBInstance.create(path, { access_mode: "READ_ONLY" });
  const connection = await instance.connect();
  try {
    const answer = await connection.runAndReadAll(`SELECT min(s.generation), max(s.generation), count(*),
        (SELECT min(generation) FROM retail.monthly WHERE sold_at < TIMESTAMPTZ '2017-02-01'),
        (SELECT max(generation) FROM retail.monthly WHERE sold_at < TIMESTAMPTZ '2017-02-01'),
        (SELECT min(generation) FROM retail.monthly WHERE sold_at >= TIMESTAMPTZ '2017-02-01'),
        (SELECT max(generation) FROM retail.monthly WHERE sold_at >= TIMESTAMPTZ '2017-02-01'),
        (SELECT count(*) FROM retail.monthly)
      FROM retail.small AS s`);
    const [[low, high, small, first, again, old, older, monthly] = []] = answer.getRows().map((row) => row.map(Number));
    const tens = Math.floor(Number(low) / 10);
    const isWhole = [high, first, again].every((one) => one === low) && old === tens && older === tens;
    if (!isWhole || small !== 1000 || monthly !== 2000)
      throw new Error(`a mixture: ${[low, high, small, first, again, old, older, monthly].join(" ")}`);
    return low ?? 0;
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
