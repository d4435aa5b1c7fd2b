import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { SupersetClient } from "../../../resources/superset/client/client.ts";
import { DatasetConflictError } from "../../../resources/superset/dataset/conflict.ts";
import { compareDataset, syncDataset } from "../../../resources/superset/dataset/sync.ts";
import { type LocalSuperset, SUPERSET_TIMEOUT_MS } from "./local_superset.ts";
import { column, columnOf, Orders, version } from "./orders.ts";
import { ownDatabase } from "./own_database.ts";

const DATABASE = "edited by people";

let orders: Orders;
beforeAll(async () => {
  orders = await Orders.open(DATABASE);
}, SUPERSET_TIMEOUT_MS);
afterAll(async () => {
  await orders.close();
});

test("what people edit survives, is written over, or fails the sync, as the asset says", async () => {
  const wanted = await orders.create();
  await syncDataset(orders.client, wanted, version("1"));
  const dataset = await orders.read(wanted);
  const metric = { metric_name: "mine", expression: "COUNT(*)" };
  await orders.client.put(
    `/dataset/${dataset.id}`,
    {
      cache_timeout: 77,
      columns: [
        ...dataset.columns.map(({ id, column_name }) =>
          column_name === "revenue" ? { id, column_name, verbose_name: "Umsatz" } : { id, column_name },
        ),
        { column_name: "half", expression: "revenue / 2", type: "NUMERIC" },
      ],
      metrics: [...dataset.metrics.map(({ id, metric_name, expression }) => ({ id, metric_name, expression })), metric],
    },
    z.unknown(),
  );
  const failing = { ...wanted, onConflict: "fail" } as const;
  await expect(syncDataset(orders.client, failing, version("2"))).rejects.toThrow(DatasetConflictError);
  expect(await orders.recorded(wanted)).toMatchObject({ data_version: "1" });
  // A new description where nobody has edited one is written all the same.
  const changed = { ...wanted, columns: wanted.columns.map((one) => ({ ...one, description: `${one.name}!` })) };
  const kept = await syncDataset(orders.client, changed, version("2"));
  expect(kept.kept).toEqual([
    expect.stringContaining('column revenue: verbose_name is "Umsatz"'),
    expect.stringContaining("dataset: cache_timeout is 77"),
  ]);
  const after = await orders.read(wanted);
  expect(columnOf(after, "revenue")).toMatchObject({ verbose_name: "Umsatz", description: "revenue!" });
  expect(columnOf(after, "half")).toMatchObject({ expression: "revenue / 2" });
  expect(after.metrics.map(({ metric_name }) => metric_name).sort()).toEqual(["count", "mine", "revenue"]);
  expect(after.cache_timeout).toBe(77);
  await syncDataset(orders.client, { ...changed, onConflict: "overwrite" }, version("2"));
  const last = await orders.read(wanted);
  expect(columnOf(last, "revenue").verbose_name).toBe("Revenue");
  expect(last.cache_timeout).toBe(600);
  expect(columnOf(last, "half")).toBeDefined();
});

test("new columns come with their descriptions, and one that comes back still has the label that people gave it", async () => {
  const wanted = await orders.create();
  await syncDataset(orders.client, wanted, version("1"));
  const dataset = await orders.read(wanted);
  const columns = dataset.columns.map(({ id, column_name }) =>
    column_name === "note" ? { id, column_name, verbose_name: "Remark" } : { id, column_name },
  );
  await orders.client.put(`/dataset/${dataset.id}`, { columns }, z.unknown());
  await orders.sql.query(`ALTER TABLE ${wanted.schema}.orders DROP COLUMN note, ADD COLUMN shop text`);
  const other = {
    ...wanted,
    columns: [...wanted.columns.filter(({ name }) => name !== "note"), column("shop", { description: "Where" })],
  };
  const changed = await syncDataset(orders.client, other, version("2"));
  expect(changed.isRefreshed).toBe(true);
  const without = await orders.read(wanted);
  expect(without.columns.map((one) => one.column_name).sort()).toEqual(["revenue", "shop", "sold_at"]);
  expect(columnOf(without, "shop")).toMatchObject({ description: "Where", type: "TEXT" });
  // Superset makes all columns filterable when it reads the table again.
  expect(columnOf(without, "revenue").filterable).toBe(false);
  await orders.sql.query(`ALTER TABLE ${wanted.schema}.orders ADD COLUMN note text`);
  await syncDataset(orders.client, { ...other, columns: [...other.columns, column("note")] }, version("3"));
  expect(columnOf(await orders.read(wanted), "note").verbose_name).toBe("Remark");
});

test("tables of one name in two schemas have a dataset each, and a dataset that people made is taken over", async () => {
  const [one, two] = [await orders.create(), await orders.create()];
  const made = z.object({ id: z.number() });
  const body = { database: orders.databaseId, schema: one.schema, table_name: "orders" };
  const { id } = await orders.client.post("/dataset/", body, made);
  const taken = await syncDataset(orders.client, one, version("1"));
  expect(taken).toMatchObject({ datasetId: id, isNew: false });
  expect((await syncDataset(orders.client, two, version("1"))).datasetId).not.toBe(id);
  expect((await orders.read(one)).id).toBe(id);
});

test("what people edited outlives a sync that is cut off after Superset has read the table again", async () => {
  const wanted = await orders.create();
  await syncDataset(orders.client, wanted, version("1"));
  await orders.describe(wanted, "revenue", "Mine");
  await orders.sql.query(`ALTER TABLE ${wanted.schema}.orders ADD COLUMN shop text`);
  const more = { ...wanted, columns: [...wanted.columns, column("shop")] };
  await expect(syncDataset(new DyingClient(orders.superset), more, version("2"))).rejects.toThrow("killed");
  expect(columnOf(await orders.read(wanted), "revenue").description).toBe("the comment");
  const { kept } = await syncDataset(orders.client, more, version("2"));
  expect(kept).toEqual([expect.stringContaining('column revenue: description is "Mine"')]);
  expect(columnOf(await orders.read(wanted), "revenue")).toMatchObject({ description: "Mine", filterable: false });
  expect(await compareDataset(orders.client, more, version("2"))).toEqual([]);
});

test('onConflict: "fail" changes nothing, also where the table has new columns', async () => {
  const wanted = await orders.create();
  await syncDataset(orders.client, wanted, version("1"));
  await orders.describe(wanted, "revenue", "Mine");
  const before = await orders.read(wanted);
  await orders.sql.query(`ALTER TABLE ${wanted.schema}.orders ADD COLUMN shop text`);
  const failing = { ...wanted, columns: [...wanted.columns, column("shop")], onConflict: "fail" } as const;
  await expect(syncDataset(orders.client, failing, version("2"))).rejects.toThrow(DatasetConflictError);
  expect(await orders.read(wanted)).toEqual(before);
});

test("a column that nobody declared is no column of the dataset, until a person lets Superset read it; then it stays", async () => {
  const wanted = await orders.create("sold_at timestamptz, revenue numeric(12, 2), note text, evolved text");
  const names = async (): Promise<string[]> => (await orders.read(wanted)).columns.map((one) => one.column_name).sort();
  const { datasetId } = await syncDataset(orders.client, wanted, version("1"));
  expect(await names()).toEqual(["note", "revenue", "sold_at"]);
  await orders.client.put(`/dataset/${datasetId}/refresh`, {}, z.unknown());
  expect(await names()).toContain("evolved");
  const { isRefreshed } = await syncDataset(orders.client, wanted, version("2"));
  expect(isRefreshed).toBe(false);
  expect(await names()).toContain("evolved");
  // Declared, it is ours; and no longer declared, it goes.
  const declared = { ...wanted, columns: [...wanted.columns, column("evolved", { label: "Evolved" })] };
  await syncDataset(orders.client, declared, version("2"));
  expect(columnOf(await orders.read(wanted), "evolved").verbose_name).toBe("Evolved");
  await syncDataset(orders.client, wanted, version("2"));
  expect(await names()).toEqual(["note", "revenue", "sold_at"]);
});

test("a query that people call like the table is not taken for it", async () => {
  const wanted = await orders.create();
  const body = { database: orders.databaseId, schema: wanted.schema, table_name: "orders", sql: "SELECT 1 AS revenue" };
  const { id } = await orders.client.post("/dataset/", body, z.object({ id: z.number() }));
  await expect(syncDataset(orders.client, wanted, version("1"))).rejects.toThrow(DatasetConflictError);
  await expect(syncDataset(orders.client, wanted, version("1"))).rejects.toThrow(/is a query of its own/);
  await orders.client.put(`/dataset/${id}`, { table_name: "orders_query" }, z.unknown());
  expect((await syncDataset(orders.client, wanted, version("1"))).datasetId).not.toBe(id);
});

test("a dataset follows its table to another connection, unless people have made one there", async () => {
  const wanted = await orders.create();
  const { datasetId } = await syncDataset(orders.client, wanted, version("1"));
  const elsewhere = await ownDatabase(orders.client, randomUUID(), "postgres", { DATABASE_URL: orders.url });
  const moved = { ...wanted, databaseId: elsewhere };
  const body = { database: elsewhere, schema: wanted.schema, table_name: "orders" };
  const { id } = await orders.client.post("/dataset/", body, z.object({ id: z.number() }));
  expect(await compareDataset(orders.client, moved, version("1"))).toHaveLength(1);
  await expect(syncDataset(orders.client, moved, version("2"))).rejects.toThrow(
    `two datasets for shop/orders: ${datasetId}`,
  );
  await orders.client.delete(`/dataset/${id}`);
  expect((await syncDataset(orders.client, moved, version("2"))).datasetId).toBe(datasetId);
  expect((await orders.read(wanted)).database.id).toBe(elsewhere);
});

/** Dies before it writes, once Superset has read the table again. */
class DyingClient extends SupersetClient {
  #hasRead = false;

  constructor({ url, username, password }: LocalSuperset) {
    super({ url, credentials: { username, password } });
  }

  override async put<T>(path: string, body: unknown, schema: z.ZodType<T>): Promise<T> {
    if (this.#hasRead) throw new Error("killed");
    this.#hasRead = path.endsWith("/refresh");
    return await super.put(path, body, schema);
  }
}
