import { expect, test } from "vitest";
import { sql, timestamp, z } from "../../../definitions/index.ts";
import type { WriteStrategy } from "../../../resources/store.ts";
import { attempt, HyperServer, publish } from "./warehouse.ts";

const server = HyperServer.forThisFile();

// The first one: the server is as new as that of a new project, and hyperd died of this at times.
test("ten stores make the runtime's own tables and their own side by side in a new server", async () => {
  const warehouses = await Promise.all(Array.from({ length: 10 }, () => server.open()));
  await Promise.all(
    warehouses.map((warehouse) => warehouse.publishRows(warehouse.target({ id: z.int32() }), [{ id: 1 }])),
  );
  for (const one of warehouses) expect(await one.sql(`SELECT * FROM ${one.schema}.x`)).toEqual([["1"]]);
});

test("a quarantine of an earlier version keeps its rows, and takes those of this one", async () => {
  const warehouse = await server.open();
  const table = "_dagster_typescript.quarantine";
  const target = warehouse.target({ id: z.int32() });
  await warehouse.publishRows(target, []);
  await warehouse.sql(`DROP TABLE ${table}`);
  await warehouse.sql(`CREATE TABLE ${table} (asset_key text NOT NULL, run_id text NOT NULL,
    quarantined_at timestamptz NOT NULL, row_number bigint NOT NULL, reason text NOT NULL, value text NOT NULL)`);
  await warehouse.sql(`INSERT INTO ${table} VALUES ('other/x', 'run', now(), 1, 'why', '{}')`);
  const given = attempt();
  const writer = await warehouse.store.stageRows(target, given);
  writer.quarantine({ rowNumber: 2, reason: "why", value: "{}", exact: '{"a":1}' });
  await publish(await writer.finish(), target, given);
  expect(await warehouse.sql(`SELECT row_number, exact FROM ${table} ORDER BY row_number`)).toEqual([
    ["1", null],
    ["2", '{"a":1}'],
  ]);
});

test("four that find a database of an earlier version at the same time bring it up to this one", async () => {
  const warehouses = await Promise.all(Array.from({ length: 4 }, () => server.open()));
  const [one] = warehouses;
  await one?.publishRows(one.target({ id: z.int32() }), []);
  for (let round = 1; round <= 4; round += 1) {
    for (const table of ["quarantine", "failed_rows"]) await one?.sql(`DROP TABLE _dagster_typescript.${table}`);
    await one?.sql(`CREATE TABLE _dagster_typescript.quarantine (asset_key text NOT NULL, run_id text NOT NULL,
      quarantined_at timestamptz NOT NULL, row_number bigint NOT NULL, reason text NOT NULL, value text NOT NULL)`);
    await Promise.all(
      warehouses.map((warehouse) => warehouse.publishRows(warehouse.target({ id: z.int32() }), [{ id: round }])),
    );
    for (const warehouse of warehouses)
      expect(await warehouse.sql(`SELECT * FROM ${warehouse.schema}.x`)).toEqual([[String(round)]]);
  }
});

test.each<[string, WriteStrategy, string]>([
  ["replaces", { kind: "replace" }, "1000"],
  ["merges", { kind: "merge", key: ["id"] }, "1000"],
  ["appends", { kind: "append" }, "2000"],
])("two %s of one missing table at the same time are as if one came after the other", async (_name, strategy, rows) => {
  const warehouse = await server.open();
  const other = await server.open();
  const target = warehouse.target({ id: z.int32(), by: z.string() }, strategy);
  const write = (by: string): object[] => Array.from({ length: 1_000 }, (_, id) => ({ id, by }));
  await Promise.all([warehouse.publishRows(target, write("a")), other.publishRows(target, write("b"))]);
  expect(await warehouse.sql(`SELECT count(*) FROM ${warehouse.schema}.x`)).toEqual([[rows]]);
  if (strategy.kind !== "append")
    expect(await warehouse.sql(`SELECT count(DISTINCT by) FROM ${warehouse.schema}.x`)).toEqual([["1"]]);
});

test("an append that its killed attempt had published is not added again", async () => {
  const warehouse = await server.open();
  const target = warehouse.target({ id: z.int32() }, { kind: "append" });
  const first = attempt();
  await warehouse.publishRows(target, [{ id: 1 }], first);
  // As a rerun that looked into the ledger before the server did the COMMIT of the first one.
  await warehouse.publishRows(target, [{ id: 1 }], { rootRunId: first.rootRunId });
  expect(await warehouse.sql(`SELECT * FROM ${warehouse.schema}.x`)).toEqual([["1"]]);
});

test("partitions of days are replaced by the column's own days", async () => {
  const warehouse = await server.open();
  const shape = { id: z.int32(), at: timestamp() };
  const day = (n: number): Date => new Date(Date.UTC(2017, 0, n));
  await warehouse.publishRows(warehouse.target(shape), [
    { id: 1, at: day(1) },
    { id: 2, at: new Date(day(2).getTime() - 1) },
    { id: 3, at: day(2) },
  ]);
  const partitions = { kind: "window", column: "at", start: day(1), end: day(2) } as const;
  await warehouse.publishRows(warehouse.target(shape, { kind: "replacePartitions", partitions }), []);
  expect(await warehouse.sql(`SELECT id FROM ${warehouse.schema}.x`)).toEqual([["3"]]);
});

test.each<WriteStrategy>([
  { kind: "replace" },
  { kind: "append" },
  { kind: "merge", key: ["id"] },
  { kind: "replacePartitions", partitions: { kind: "keys", column: "id", keys: ["1"] } },
])("$kind writes descriptions of columns, and keeps what people wrote where there is none", async (strategy) => {
  const warehouse = await server.open();
  const shape = { id: z.int32().describe("It's the id"), other: z.string().nullable() };
  await warehouse.publishRows(warehouse.target(shape), []);
  await warehouse.sql(`COMMENT ON COLUMN ${warehouse.schema}.x.other IS 'by hand'`);
  await warehouse.publishRows(warehouse.target(shape, strategy), [{ id: 1, other: null }]);
  expect(
    await warehouse.sql(
      `SELECT d.description FROM pg_catalog.pg_description AS d JOIN pg_catalog.pg_class AS c ON c.oid = d.objoid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = '${warehouse.schema}' ORDER BY d.objsubid`,
    ),
  ).toEqual([["It's the id"], ["by hand"]]);
});

test("a table that takes another form comes back as it was when its publish fails", async () => {
  const warehouse = await server.open();
  await warehouse.publishRows(warehouse.target({ id: z.int32() }), [{ id: 1 }]);
  const target = warehouse.changeable({ id: z.string() });
  const given = attempt();
  const staged = await warehouse.store.stageQuery(target, sql`SELECT 'x' AS id`, null, given);
  // The ledger takes no NULL: the last statement of the transaction fails.
  const broken = { ...given, codeVersion: null as unknown as string };
  await expect(publish(staged, target, broken)).rejects.toMatchObject({ code: "value_refused" });
  await staged.discard();
  expect(await warehouse.sql(`SELECT id + 1 FROM ${warehouse.schema}.x`)).toEqual([["2"]]);
});

test("quarantined rows are kept with a publish, with a discard and with a failed body", async () => {
  const warehouse = await server.open();
  const target = warehouse.target({ id: z.int32() });
  const kept = async (): Promise<(string | null)[][]> =>
    await warehouse.sql(
      `SELECT row_number, reason, value FROM _dagster_typescript.quarantine
        WHERE asset_key = '${target.assetKey}' ORDER BY row_number`,
    );
  const rows = Array.from({ length: 450 }, (_, index) => ({
    rowNumber: index + 1,
    reason: `it's ${index}`,
    value: "{}",
  }));
  for (const end of ["publish", "discard", "fail"] as const) {
    const given = attempt();
    const writer = await warehouse.store.stageRows(target, given);
    // So many that the server has taken some.
    await writer.append(Array.from({ length: 100_000 }, (_, id) => ({ id })));
    for (const row of rows) writer.quarantine({ ...row, value: JSON.stringify(end) });
    if (end === "fail") await writer.fail();
    else if (end === "discard") await (await writer.finish()).discard();
    else await publish(await writer.finish(), target, given);
    const found = await kept();
    expect(found).toHaveLength(450);
    expect(found[449]).toEqual(["450", "it's 449", JSON.stringify(end)]);
  }
});
