import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "../../../definitions/index.ts";
import { attempt } from "../duckdb/warehouse.ts";
import { Server } from "./server.ts";
import { Warehouse } from "./warehouse.ts";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
}, 900_000);
afterAll(() => server.stop());

const SHAPE = { id: z.int(), run: z.string() };

test("staging of a process that lives, or of a run on another machine that is open, stays", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(SHAPE);
  const mine = await warehouse.store.stageRows(target, attempt({ runId: "mine" }));
  await warehouse.sql(`CREATE TABLE _dagster_typescript._stage_elsewhere (id integer);
    COMMENT ON TABLE _dagster_typescript._stage_elsewhere IS '{"run":"far","process":"0.0.0.1.1"}';
    CREATE TABLE _dagster_typescript._stage_people (id integer)`);
  await warehouse.store.removeOrphans((runId) => runId === "far");
  expect((await warehouse.stagingTables()).map(([name]) => name)).toHaveLength(3);
  await warehouse.store.removeOrphans(() => false);
  const left = (await warehouse.stagingTables()).map(([name]) => name);
  expect(left).toContain("_stage_people");
  expect(left).not.toContain("_stage_elsewhere");
  expect(left).toHaveLength(2);
  await mine.discard();
  await warehouse.sql("DROP TABLE _dagster_typescript._stage_people");
});
