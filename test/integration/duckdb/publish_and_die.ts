/** Publishes into the warehouse at a path, adding a column, and is killed before anything else happens. */
import { z } from "../../../definitions/index.ts";
import { duckdbConfig } from "../../../resources/duckdb/config.ts";
import { DuckDBStore } from "../../../resources/duckdb/duckdb_store.ts";
import { attempt, publish, targetOf } from "../clickhouse/warehouse_values.ts";

const [path = ""] = process.argv.slice(2);
const shape = { id: z.int32(), name: z.string().nullable(), more: z.string().nullable() };
const target = targetOf(shape, { kind: "append" }, "a/x");
const store = new DuckDBStore(duckdbConfig(".", { DUCKDB_PATH: path }), ".");
const given = attempt();
const writer = await store.stageRows(target, given);
await writer.append([{ id: 2, name: "b", more: "new" }]);
await publish(await writer.finish(), target, given);
process.kill(process.pid, "SIGKILL");
