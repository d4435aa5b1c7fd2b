/**
 * Publishes as a run does, and says so on standard output; for a test that kills it meanwhile.
 * Arguments: target as JSON, root run, number of the first row, number of rows.
 */
import { hyper } from "../../../resources/hyper/kind.ts";
import type { Target } from "../../../resources/store.ts";
import { attempt, publish } from "../duckdb/warehouse.ts";

const [target = "", rootRunId = "", first = "", count = ""] = process.argv.slice(2);
const to = JSON.parse(target) as Target;
const given = attempt({ rootRunId });
const store = await hyper.open(process.cwd(), process.env);
if ((await store.findPublished(to, given)) === undefined) {
  const writer = await store.stageRows(to, given);
  for (let row = 0; row < Number(count); row += 1_000) {
    await writer.append(
      Array.from({ length: 1_000 }, (_, index) => {
        const id = Number(first) + row + index;
        return { id, day: new Date(Date.UTC(2017, 0, 1 + (id % 10))), run: rootRunId };
      }),
    );
  }
  process.stdout.write("staged\n");
  await publish(await writer.finish(), to, given);
}
process.stdout.write("published\n");
await store.close();
