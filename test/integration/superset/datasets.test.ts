import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { SupersetClient } from "../../../resources/superset/client/client.ts";
import { SupersetForbiddenError, SupersetRefusedError } from "../../../resources/superset/client/errors.ts";
import { tryReadDataset } from "../../../resources/superset/dataset/find.ts";
import { compareDataset, syncDataset } from "../../../resources/superset/dataset/sync.ts";
import { unfedDatasets } from "../../../resources/superset/dataset/unfed.ts";
import { supersetUuid } from "../../../resources/superset/uuid.ts";
import { createProject } from "../runtime/project.ts";
import { Front } from "./front.ts";
import { type LocalSuperset, SUPERSET_TIMEOUT_MS } from "./local_superset.ts";
import { column, columnOf, NOTHING, Orders, version } from "./orders.ts";

const DATABASE = "datasets' own";

let orders: Orders;
beforeAll(async () => {
  orders = await Orders.open(DATABASE);
}, SUPERSET_TIMEOUT_MS);
afterAll(async () => {
  await orders.close();
});

test("a dataset shows what its asset declares, and the same again writes nothing", async () => {
  const wanted = await orders.create();
  const made = await syncDataset(orders.client, wanted, version("1"));
  expect(made).toMatchObject({ isNew: true, isNewData: true, columns: 3, metrics: 1, kept: [], unknownOwners: [] });
  const dataset = await orders.read(wanted);
  expect(dataset).toMatchObject({
    uuid: wanted.uuid,
    description: "All orders.\n\nDagster: http://dagster/assets/shop/orders",
    main_dttm_col: "sold_at",
    cache_timeout: 600,
  });
  expect(JSON.parse(dataset.extra ?? "")).toMatchObject({
    certification: { certified_by: "Finance" },
    dagster_typescript: { asset: wanted.assetKey, run_id: "run-1", data_version: "1", url: wanted.link },
  });
  expect(columnOf(dataset, "revenue")).toMatchObject({
    verbose_name: "Revenue",
    description: "Paid, EUR",
    filterable: false,
    groupby: true,
    is_dttm: false,
    type: "NUMERIC(12, 2)",
  });
  expect(columnOf(dataset, "sold_at")).toMatchObject({ is_dttm: true, filterable: true });
  expect(dataset.metrics.find(({ metric_name }) => metric_name === "revenue")).toMatchObject({
    expression: 'SUM("revenue")',
    verbose_name: "Revenue, EUR",
    d3format: ",.2f",
  });
  // Superset has to read a column anew whose type changed, and that is a difference too.
  const retyped = wanted.columns.map((one) => (one.name === "note" ? { ...one, type: "varchar" } : one));
  expect(await compareDataset(orders.client, { ...wanted, columns: retyped }, version("1"))).toHaveLength(1);
  const before = await orders.changedOn(wanted);
  const again = await syncDataset(orders.client, wanted, version("1"));
  expect(again).toMatchObject({ differences: [], isRefreshed: false, syncId: made.syncId });
  expect(await orders.changedOn(wanted)).toBe(before);
});

test("the cache is emptied by new data only", async () => {
  const wanted = await orders.create();
  const { datasetId } = await syncDataset(orders.client, wanted, version("1"));
  await orders.sql.query(`INSERT INTO ${wanted.schema}.orders VALUES (now(), 5, 'a')`);
  expect(await orders.ask(datasetId, "revenue")).toEqual({ value: 5, isCached: false });
  expect(await orders.ask(datasetId, "revenue")).toEqual({ value: 5, isCached: true });
  await orders.sql.query(`INSERT INTO ${wanted.schema}.orders VALUES (now(), 6, 'a')`);
  await syncDataset(orders.client, wanted, version("1"));
  expect(await orders.ask(datasetId, "revenue")).toEqual({ value: 5, isCached: true });
  await syncDataset(orders.client, wanted, version("2"));
  expect(await orders.ask(datasetId, "revenue")).toEqual({ value: 11, isCached: false });
});

test("syncs at once make one dataset and none fails", async () => {
  const wanted = await orders.create();
  const clients = Array.from({ length: 4 }, () => orders.superset.client());
  const synced = await Promise.all(clients.map((own) => syncDataset(own, wanted, version("1"))));
  expect(new Set(synced.map(({ datasetId }) => datasetId)).size).toBe(1);
  expect(await compareDataset(orders.client, wanted, version("1"))).toEqual([]);
});

test("a dataset that is deleted before or during a sync is made again, with the UUID that charts know", async () => {
  const wanted = await orders.create();
  const { datasetId } = await syncDataset(orders.client, wanted, version("1"));
  await orders.client.delete(`/dataset/${datasetId}`);
  const { datasetId: second } = await syncDataset(orders.client, wanted, version("2"));
  const interrupted = new DeletingClient(orders.superset, second);
  const { datasetId: third, isNew } = await syncDataset(interrupted, wanted, version("3"));
  expect(isNew).toBe(true);
  expect([datasetId, second]).not.toContain(third);
  expect(await orders.read(wanted)).toMatchObject({ id: third, uuid: wanted.uuid });
});

test("a Superset that restarts while a sync runs loses no sync and makes no second dataset", async () => {
  const wanted = await orders.create();
  const lost: string[] = [];
  // The answers to the first POST and PUT are lost; what they ask for is done.
  await using front = await Front.open(orders.superset.url, ({ method, path }) => {
    if (!/^\/api\/v1\/dataset\/\d*$/.test(path) || method === "GET" || lost.includes(method)) return undefined;
    lost.push(method);
    return { kind: "cut", after: true };
  });
  const broken = orders.superset.client({ url: front.url, retry: { baseDelayMs: 10 } });
  const { datasetId } = await syncDataset(broken, wanted, version("1"));
  expect(lost).toEqual(["POST", "PUT"]);
  expect(await compareDataset(orders.client, wanted, version("1"))).toEqual([]);
  const list = await orders.client.list("dataset", z.object({ id: z.number() }), {
    filters: [{ column: "schema", operator: "eq", value: wanted.schema }],
  });
  expect(list).toEqual([{ id: datasetId }]);
});

test("run as an asset, it tells Dagster of the table, the run that published it and the dataset", async () => {
  const schema = `s${randomUUID().replaceAll("-", "").slice(0, 12)}`;
  const project = createProject({
    [`assets/${schema}/orders.ts`]: ASSET.replaceAll("SCHEMA", schema),
  });
  const env = {
    ...orders.superset.env,
    DATABASE_URL: orders.url,
    SUPERSET_DATABASE_POSTGRES: DATABASE,
    WAREHOUSE: "postgres",
    DAGSTER_URL: "http://dagster:3000",
  };
  expect((await project.run([`${schema}/orders`], env).ended).stderr).toContain("published");
  const recordedData = { data_version: "7", run_id: randomUUID(), at: "2026-01-01T00:00:00Z", was_other: false };
  const upstream = { [`${schema}/orders`]: recordedData };
  const wrong = { ...env, SUPERSET_PASSWORD: "wrong-password" };
  const failing = project.launch(`superset/dataset/${schema}/orders`, { upstream, env: wrong });
  expect((await failing.ended).code).toBe(1);
  const [closed] = failing.messages().filter(({ method }) => method === "closed");
  expect(JSON.stringify(closed?.params)).toContain("correct SUPERSET_USERNAME and SUPERSET_PASSWORD");
  expect(JSON.stringify(closed?.params)).not.toContain("wrong-password");
  const running = project.launch(`superset/dataset/${schema}/orders`, { upstream, env });
  const { stderr } = await running.ended;
  const [reported] = running.messages().filter(({ method }) => method === "report_asset_materialization");
  expect(stderr).toBe("");
  expect(reported?.params).toMatchObject({
    asset_key: `superset/dataset/${schema}/orders`,
    metadata: {
      table: { type: "asset", raw_value: `${schema}/orders` },
      published_by: { type: "dagster_run", raw_value: Object.values(upstream)[0]?.run_id },
      table_data_version: { raw_value: "7" },
      cache_emptied: { raw_value: true },
      dataset: { type: "url" },
    },
  });
  const unfed = await orders.create();
  await syncDataset(orders.client, unfed, version("1"));
  // Without the version that Dagster knows, what was synced last counts as current.
  const { stdout } = await project.start("runtime/superset/compare.ts", [], env).ended;
  expect(stdout).toContain(`superset/dataset/${schema}/orders: as it should be`);
  expect(stdout).toContain(`No asset feeds:\n`);
  expect(stdout).toContain(`${DATABASE}: ${unfed.schema}.orders`);
  const nothing = await project.start("runtime/superset/compare.ts", ["superset/dataset/shop/typo"], env).ended;
  expect(nothing).toMatchObject({ code: 1, stdout: "" });
  expect(nothing.stderr).toContain("superset/dataset/shop/typo");
});

const ASSET = `
import { decimal, defineAsset, sql, sum, z } from "dagster-typescript";

export const orders = defineAsset("SCHEMA/orders", {
  description: "All orders.",
  columns: z.strictObject({ id: z.int32(), revenue: decimal(12, 2) }),
  superset: { metrics: { revenue: sum("revenue") } },
  body: sql\`SELECT 1::integer AS id, 2.50::numeric(12, 2) AS revenue\`,
});
`;

test("an asset and the one that takes its place have a dataset each, the old one says until when, and charts of both answer", async () => {
  const schema = `s${randomUUID().replaceAll("-", "").slice(0, 12)}`;
  const old = `description: "All orders.", deprecated: { on: "2027-01-31", replacedBy: "SCHEMA/orders_v2" }`;
  const project = createProject({
    [`assets/${schema}/orders.ts`]: ASSET.replace('description: "All orders."', old).replaceAll("SCHEMA", schema),
    [`assets/${schema}/orders_v2.ts`]: ASSET.replaceAll("orders", "orders_v2")
      .replaceAll("revenue", "paid")
      .replaceAll("SCHEMA", schema),
  });
  const env = {
    ...orders.superset.env,
    DATABASE_URL: orders.url,
    SUPERSET_DATABASE_POSTGRES: DATABASE,
    WAREHOUSE: "postgres",
  };
  const tables = [`${schema}/orders`, `${schema}/orders_v2`];
  const { stderr, code } = await project.run([...tables, ...tables.map((key) => `superset/dataset/${key}`)], env).ended;
  expect(code, stderr).toBe(0);
  const [before, after] = await Promise.all(
    tables.map((key) => tryReadDataset(orders.client, supersetUuid("dataset", "postgres", key))),
  );
  expect(before?.description).toBe(
    `All orders. Deprecated: read ${schema}/orders_v2 instead, and nothing else from 2027-01-31 on.`,
  );
  expect(after?.description).toBe("All orders_v2.");
  expect(await orders.ask(before?.id ?? 0, "revenue")).toMatchObject({ value: 2.5 });
  expect(await orders.ask(after?.id ?? 0, "paid")).toMatchObject({ value: 2.5 });
});

test("300 columns with quotes, emoji and slashes in their names are synced, and their metrics answer", async () => {
  const names = [`it's "50%" /of\\ it:x 🦆`, ...Array.from({ length: 299 }, (_, index) => `c_${index}`)];
  const columns = names.map((name) => column(name, { type: "integer", description: `About ${name}`, label: name }));
  const quoted = names.map((name) => `"${name.replaceAll('"', '""')}"`);
  const base = await orders.create(quoted.map((name) => `${name} integer`).join(", "));
  await orders.sql.query(`INSERT INTO ${base.schema}.orders (${quoted[0]}) VALUES (41), (1)`);
  const metrics = [{ ...NOTHING, name: "odd", expression: `SUM(${quoted[0]})` }];
  const wanted = { ...base, columns, metrics, timeColumn: undefined };
  const { datasetId } = await syncDataset(orders.client, wanted, version("1"));
  expect((await syncDataset(orders.client, wanted, version("1"))).differences).toEqual([]);
  expect((await orders.read(wanted)).columns).toHaveLength(300);
  expect(await orders.ask(datasetId, "odd")).toEqual({ value: 42, isCached: false });
});

test("a user without rights, and a table that is not there, are errors that say what to do", async () => {
  const wanted = await orders.create();
  await syncDataset(orders.client, wanted, version("1"));
  const stranger = await orders.createStranger();
  await expect(syncDataset(stranger, wanted, version("2"))).rejects.toThrow(SupersetForbiddenError);
  await expect(syncDataset(stranger, wanted, version("2"))).rejects.toThrow(/make it an owner|role/);
  expect(await orders.recorded(wanted)).toMatchObject({ data_version: "1" });
  const missing = { ...wanted, table: "missing", uuid: randomUUID() };
  await expect(syncDataset(orders.client, missing, version("1"))).rejects.toThrow(SupersetRefusedError);
  await expect(syncDataset(orders.client, missing, version("1"))).rejects.toThrow(/materialise shop\/orders/);
});

test("owners are added to those that there are, unknown ones are told, and datasets that no asset feeds are listed", async () => {
  const [wanted, other] = [await orders.create(), await orders.create()];
  await syncDataset(orders.client, other, version("1"));
  const owners = ["someone@example.org", "nobody@example.org"];
  const email = "someone@example.org";
  await orders.createUser(email, []);
  const synced = await syncDataset(orders.client, { ...wanted, owners }, version("1"));
  expect(synced.unknownOwners).toEqual(["nobody@example.org"]);
  expect((await orders.read(wanted)).owners).toHaveLength(2);
  const unfed = await unfedDatasets(orders.client, new Set([wanted.uuid]));
  const names = unfed.map(({ name }) => name);
  expect(names).toContain(`${DATABASE}: ${other.schema}.orders`);
  expect(names).not.toContain(`${DATABASE}: ${wanted.schema}.orders`);
});

test("an owner who is missing is a difference, and to add one is told like any change", async () => {
  const wanted = await orders.create();
  const { syncId } = await syncDataset(orders.client, wanted, version("1"));
  const email = `${randomUUID()}@example.org`;
  await orders.createUser(email, []);
  const owned = { ...wanted, owners: [email] };
  expect(await compareDataset(orders.client, owned, version("1"))).toEqual(["owners: added"]);
  // It changes the dataset, and with it the keys of all answers: dashboards have to be warmed.
  expect((await syncDataset(orders.client, owned, version("1"))).syncId).not.toBe(syncId);
  expect(await compareDataset(orders.client, owned, version("1"))).toEqual([]);
});

test("data that was other in between empties the cache, although it is the same again", async () => {
  const wanted = await orders.create();
  const { datasetId } = await syncDataset(orders.client, wanted, version("1"));
  await orders.sql.query(`INSERT INTO ${wanted.schema}.orders VALUES (now(), 5, 'a')`);
  expect(await orders.ask(datasetId, "revenue")).toEqual({ value: 5, isCached: false });
  // What was asked for meanwhile is in the cache under the key of the first version.
  await orders.sql.query(
    `DELETE FROM ${wanted.schema}.orders; INSERT INTO ${wanted.schema}.orders VALUES (now(), 1, 'a')`,
  );
  const again = { ...version("1"), runId: "run-3", wasOther: true };
  expect(await compareDataset(orders.client, wanted, again)).toEqual(["data: was other, and is 1 again"]);
  expect(await syncDataset(orders.client, wanted, again)).toMatchObject({ isNewData: true });
  expect(await orders.ask(datasetId, "revenue")).toEqual({ value: 1, isCached: false });
});

/** Deletes the dataset between reading and writing it, once. */
class DeletingClient extends SupersetClient {
  #id: number | undefined;

  constructor({ url, username, password }: LocalSuperset, id: number) {
    super({ url, credentials: { username, password } });
    this.#id = id;
  }

  override async put<T>(path: string, body: unknown, schema: z.ZodType<T>): Promise<T> {
    if (this.#id !== undefined) await this.delete(`/dataset/${this.#id}`);
    this.#id = undefined;
    return await super.put(path, body, schema);
  }
}
