/** Replaces a table by one with other columns, and says on standard output how far it is; for who kills it meanwhile. */
import { z } from "../../../definitions/index.ts";
import { hyper } from "../../../resources/hyper/kind.ts";
import type { Target } from "../../../resources/store.ts";
import { attempt, publish, targetOf } from "../clickhouse/warehouse_values.ts";

/** The rows of a publish: their column besides `id` is `v` and its number, so that each publish has another. */
export const ROWS = 20_000;

const [url, assetKey = "", number = ""] = process.argv.slice(2);
// Imported for its constant alone, it does nothing.
if (url !== undefined) {
  const shape = { id: z.int(), [`v${number}`]: z.string() };
  const target: Target = {
    ...targetOf(shape, { kind: "replace" }, assetKey),
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
