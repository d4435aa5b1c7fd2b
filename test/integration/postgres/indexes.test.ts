import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { date, decimal, sql, z } from "../../../definitions/index.ts";
import type { PostgresIndex } from "../../../definitions/storage.ts";
import type { Target, WriteStrategy } from "../../../resources/store.ts";
import { attempt, entryOf } from "../duckdb/warehouse.ts";
import { Server } from "./server.ts";
import { Warehouse } from "./warehouse.ts";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
}, 900_000);
afterAll(() => server.stop());

const shape = { id: z.int32(), shop: z.string(), day: date().nullable(), price: decimal(12, 2).nullable() };
const rows = [
  { id: 1, shop: "a", day: "2024-01-01", price: "1.00" },
  { id: 2, shop: "b", day: "2024-01-02", price: "2.00" },
];
const more = [{ id: 3, shop: "c", day: null, price: null }];

const ALL: readonly PostgresIndex[] = [
  { columns: ["shop"] },
  { columns: ["shop", "day"], name: "Composite 1" },
  { columns: ["id"], unique: true, include: ["price", "shop"] },
  { columns: ["price"], where: sql`price > 1 -- dear` },
  { columns: ["price"], where: sql`price > 5` },
  { columns: ["day"], method: "brin" },
  { columns: ["shop"], method: "hash" },
];

function indexed(target: Target, indexes: readonly PostgresIndex[]): Target {
  return { ...target, storage: { postgres: { indexes } } };
}

async function indexesOf(warehouse: Warehouse, table = "x"): Promise<(string | null)[]> {
  const found = await warehouse.sql(
    `SELECT indexdef FROM pg_indexes WHERE schemaname = '${warehouse.schema}' AND tablename = '${table}' ORDER BY indexname`,
  );
  return found.map(([definition]) => definition?.replaceAll(`${warehouse.schema}.`, "") ?? null);
}

/** As PostgreSQL itself names and writes them. */
async function expected(warehouse: Warehouse): Promise<(string | null)[]> {
  await warehouse.sql(`CREATE SCHEMA own_${warehouse.schema};
    SET search_path = own_${warehouse.schema};
    CREATE TABLE x (id integer, shop text, day date, price numeric(12, 2));
    CREATE INDEX ON x (shop); CREATE INDEX "Composite 1" ON x (shop, day);
    CREATE UNIQUE INDEX ON x (id) INCLUDE (price, shop);
    CREATE INDEX ON x (price) WHERE price > 1; CREATE INDEX ON x (price) WHERE price > 5;
    CREATE INDEX ON x USING brin (day); CREATE INDEX ON x USING hash (shop); RESET search_path`);
  const found = await warehouse.sql(
    `SELECT indexdef FROM pg_indexes WHERE schemaname = 'own_${warehouse.schema}' ORDER BY indexname`,
  );
  return found.map(([definition]) => definition?.replaceAll(`own_${warehouse.schema}.`, "") ?? null);
}

const STRATEGIES: readonly (readonly [string, WriteStrategy])[] = [
  ["replace", { kind: "replace" }],
  ["append", { kind: "append" }],
  ["merge", { kind: "merge", key: ["id"] }],
  [
    "replacePartitions",
    { kind: "replacePartitions", partitions: { kind: "keys", column: "shop", keys: ["a", "b", "c"] } },
  ],
];

describe.each(STRATEGIES)("%s", (_name, strategy) => {
  test("makes plain, composite, partial, covering and unique indexes, named as PostgreSQL names them, and keeps them", async () => {
    const warehouse = new Warehouse(server);
    const target = indexed(warehouse.target(shape, strategy), ALL);
    const made = await expected(warehouse);
    await warehouse.publishRows(target, rows);
    expect(await indexesOf(warehouse)).toEqual(made);
    const logged: string[] = [];
    for (const next of [more, [{ ...more[0], id: 4 }]])
      await warehouse.publishRows(target, next, { log: (line) => logged.push(line) });
    expect(await indexesOf(warehouse)).toEqual(made);
    expect(logged).toEqual([]);
  });

  test("adds an index that is declared later, and keeps one that is declared no more and those of people", async () => {
    const warehouse = new Warehouse(server);
    const target = warehouse.target(shape, strategy);
    await warehouse.publishRows(target, rows);
    await warehouse.sql("CREATE INDEX theirs ON {x} (day DESC)");
    await warehouse.publishRows(indexed(target, [{ columns: ["price"] }]), more);
    const both = [
      "CREATE INDEX theirs ON x USING btree (day DESC)",
      "CREATE INDEX x_price_idx ON x USING btree (price)",
    ];
    expect(await indexesOf(warehouse)).toEqual(both);
    const logged: string[] = [];
    await warehouse.publishRows(target, [{ ...more[0], id: 5 }], { log: (line) => logged.push(line) });
    expect(await indexesOf(warehouse)).toEqual(both);
    expect(logged).toEqual(["Index x_price_idx is not declared any more: it stays until somebody drops it"]);
  });

  test("with another condition on an index takes effect when the table is made anew; until then the log says it", async () => {
    const warehouse = new Warehouse(server);
    const target = warehouse.target(shape, strategy);
    await warehouse.publishRows(indexed(target, [{ columns: ["price"], where: sql`price > 1` }]), rows);
    const logged: string[] = [];
    await warehouse.publishRows(indexed(target, [{ columns: ["price"], where: sql`price > 2` }]), more, {
      log: (line) => logged.push(line),
    });
    const [definition] = await indexesOf(warehouse);
    if (strategy.kind === "replace") {
      expect(definition).toContain("price > (2)");
      await warehouse.publishRows(
        {
          ...target,
          storage: { postgres: { indexes: [{ columns: ["price"], where: sql`price > 2` }] } },
          strategy: { kind: "append" },
        },
        [],
        {
          log: (line) => logged.push(line),
        },
      );
      expect(logged).toEqual([]);
    } else {
      expect(definition).toContain("price > (1)");
      expect(logged.join()).toContain("x_price_idx is declared otherwise");
    }
  });

  test("names the unique index that the rows break, and publishes nothing", async () => {
    const warehouse = new Warehouse(server);
    const target = warehouse.target(shape, strategy);
    await warehouse.publishRows(target, rows);
    const broken = [
      { ...more[0], shop: "c", price: "7.00" },
      { ...more[0], shop: "c", id: 4, price: "7.00" },
    ];
    for (const index of [
      { columns: ["price"], unique: true },
      { columns: ["price"], unique: true, name: "one_price" },
    ]) {
      const given = attempt();
      const staged = await warehouse.stageRows(indexed(target, [index]), broken, given);
      const publishing = staged.publish(entryOf(target, given, await staged.facts()));
      await expect(publishing).rejects.toMatchObject({ code: "contract_broken", retryable: false });
      await expect(publishing).rejects.toThrow(new RegExp(`${index.name ?? "x_price_idx"}.*7.00`, "s"));
      await staged.discard();
      expect(await warehouse.sql("SELECT id FROM {x} ORDER BY id")).toEqual([["1"], ["2"]]);
      expect(await indexesOf(warehouse)).toEqual([]);
    }
    // And where the index is there already.
    await warehouse.publishRows(
      indexed(target, [{ columns: ["price"], unique: true }]),
      rows.map((row) => ({ ...row, price: `${row.id + 10}.00`, id: row.id + 10 })),
    );
    const given = attempt();
    const staged = await warehouse.stageRows(indexed(target, [{ columns: ["price"], unique: true }]), broken, given);
    const publishing = staged.publish(entryOf(target, given, await staged.facts()));
    await expect(publishing).rejects.toMatchObject({ code: "contract_broken" });
    await expect(publishing).rejects.toThrow(/x_price_idx/);
    await staged.discard();
  });
});

test("long names end where PostgreSQL ends them, and a name that is taken gets a number or is refused", async () => {
  const warehouse = new Warehouse(server);
  const long = "ü".repeat(12) + "_a_rather_long_name_of_a_column";
  const target = warehouse.target(
    { [long]: z.string(), second: z.int32() },
    { kind: "replace" },
    "table_with_a_long_name",
  );
  const rowsOf = [{ [long]: "a", second: 1 }];
  const indexes = [{ columns: [long, "second"] }, { columns: [long] }, { columns: ["second"] }];
  await warehouse.sql(`CREATE SCHEMA own_${warehouse.schema}; SET search_path = own_${warehouse.schema};
    CREATE TABLE table_with_a_long_name ("${long}" text, second integer);
    CREATE INDEX ON table_with_a_long_name ("${long}", second); CREATE INDEX ON table_with_a_long_name ("${long}");
    CREATE TABLE table_with_a_long_name_second_idx (); CREATE INDEX ON table_with_a_long_name (second); RESET search_path;
    CREATE SCHEMA ${warehouse.schema}; CREATE TABLE {table_with_a_long_name_second_idx} ()`);
  const names = async (schema: string): Promise<unknown> =>
    await warehouse.sql(`SELECT indexname FROM pg_indexes WHERE schemaname = '${schema}' ORDER BY 1`);
  for (let round = 0; round < 2; round += 1) {
    await warehouse.publishRows(indexed(target, indexes), rowsOf);
    expect(await names(warehouse.schema)).toEqual(await names(`own_${warehouse.schema}`));
  }
  const taken = warehouse.publishRows(
    indexed(target, [{ columns: ["second"], name: "table_with_a_long_name_second_idx" }]),
    rowsOf,
  );
  await expect(taken).rejects.toMatchObject({ code: "contract_broken" });
  await expect(taken).rejects.toThrow(/Give the index another name/);
});

test("an index that the engine refuses is named with what it says, whichever way the table is written", async () => {
  const warehouse = new Warehouse(server);
  for (const kind of ["replace", "append"] as const) {
    const target = warehouse.target(shape, { kind });
    await warehouse.publishRows(target, rows);
    for (const [index, message] of [
      [{ columns: ["shop"], method: "gist" }, /x_shop_idx.*no default operator class/s],
      [{ columns: ["shop"], where: sql`nothing > 1` }, /x_shop_idx.*nothing/s],
      [{ columns: ["shop"], where: sql`true); DROP TABLE x; --` }, /x_shop_idx/],
    ] as const) {
      const publishing = warehouse.publishRows(indexed(target, [index]), more);
      await expect(publishing).rejects.toMatchObject({ code: "contract_broken", retryable: false });
      await expect(publishing).rejects.toThrow(message);
    }
  }
  expect(await indexesOf(warehouse)).toEqual([]);
});

test("an index may have any name", async () => {
  const warehouse = new Warehouse(server);
  const target = indexed(warehouse.target(shape), [{ columns: ["shop"], name: "Select" }]);
  for (let round = 0; round < 2; round += 1)
    await warehouse.publishQuery(
      target,
      sql`SELECT 1 AS id, 'x' AS shop, NULL::date AS day, NULL::numeric(12,2) AS price`,
    );
  expect(await indexesOf(warehouse)).toEqual(['CREATE INDEX "Select" ON x USING btree (shop)']);
});
