/** Sends rows into a temporary table, and says on standard output when the server has taken some; for who kills it. */
import { setTimeout as wait } from "node:timers/promises";
import { z } from "../../../definitions/index.ts";
import { hyper } from "../../../resources/hyper/kind.ts";
import { attempt, targetOf } from "../clickhouse/warehouse_values.ts";

const [url] = process.argv.slice(2);
if (url === undefined) throw new TypeError("expected the address of a server");
const store = await hyper.open(process.cwd(), { HYPER_URL: url });
const writer = await store.stageRows(targetOf({ id: z.int() }, { kind: "replace" }, "killed/x"), attempt());
for (let id = 0; ; id += 10_000) {
  await writer.append(Array.from({ length: 10_000 }, (_, index) => ({ id: id + index })));
  if (id === 100_000) process.stdout.write("writes\n");
  await wait(1);
}
