/** Publishes other columns than a table has, and says on standard output how far it is; for who kills it meanwhile. */
import { z } from "../../../definitions/index.ts";
import { hyper } from "../../../resources/hyper/kind.ts";
import type { Target, WriteStrategy } from "../../../resources/store.ts";
import { attempt, publish, targetOf } from "../clickhouse/warehouse_values.ts";

/** The rows of a publish: their column besides `id` is `v` and its number, so that each publish has another. */
export const ROWS = 20_000;

const [url, assetKey = "", number = "", kind] = process.argv.slice(2);
// Imported for its constant alone, it does nothing.
if (url !== undefined) {
  const strategy: WriteStrategy = kind === "append" ? { kind } : { kind: "replace" };
  const columns: [string, z.ZodType][] = [["id", z.int()]];
  if (kind === "append")
    for (let one = 0; one <= Number(number); one += 1) columns.push([`v${one}`, z.string().nullable()]);
  else columns.push([`v${number}`, z.string()]);
  const target: Target = {
    ...targetOf(Object.fromEntries(columns), strategy, assetKey),
    storage: { hyper: { interruptReaders: true } },
  };
  const given = attempt({ rootRunId: `root_${number}` });
  const store = await hyper.open(process.cwd(), { HYPER_URL: url });
  process.stdout.write("began\n");
  await store.removeOrphans(() => false);
  if ((await store.findPublished(target, given)) === undefined) {
    const writer = await store.stageRows(target, given);
    await writer.append(Array.from({ length: ROWS }, (_, id) => ({ id, [`v${number}`]: number })));
    await publish(await writer.finish(), target, given);
  }
  process.stdout.write("published\n");
  await store.close();
}
