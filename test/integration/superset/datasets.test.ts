import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, request as forwardTo } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import type { Engine } from "../../../ops/engines/engine.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { SupersetClient } from "../../../resources/superset/client/client.ts";
import { SupersetForbiddenError, SupersetRefusedError } from "../../../resources/superset/client/errors.ts";
import { tryReadDataset } from "../../../resources/superset/dataset/find.ts";
import { DatasetConflictError } from "../../../resources/superset/dataset/conflict.ts";
import { compareDataset, syncDataset } from "../../../resources/superset/dataset/sync.ts";
import { unfedDatasets } from "../../../resources/superset/dataset/unfed.ts";
import type { PublishedData, WantedColumn, WantedDataset } from "../../../resources/superset/dataset/wanted.ts";
import { supersetUuid } from "../../../resources/superset/uuid.ts";
import { createProject } from "../runtime/project.ts";
import { type LocalSuperset, localSuperset, SUPERSET_TIMEOUT_MS } from "./local_superset.ts";
import { ownDatabase } from "./own_database.ts";

const DATABASE = "datasets' own";

let superset: LocalSuperset;
let client: SupersetClient;
let databaseId: number;
let sql: pg.Client;
let postgres: Engine;
const folder = mkdtempSync(join(tmpdir(), "datasets-"));

beforeAll(async () => {
  [superset, postgres] = await Promise.all([
    localSuperset(),
    startEngine("postgres", { dataDir: join(folder, "postgres"), durable: false }),
  ]);
  client = superset.client();
  sql = new pg.Client({ connectionString: postgres.url });
  await sql.connect();
  databaseId = await ownDatabase(client, DATABASE, "postgres", { DATABASE_URL: postgres.url });
}, SUPERSET_TIMEOUT_MS);
afterAll(async () => {
  await sql.end();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("a dataset shows what its asset declares, and the same again writes nothing", async () => {
  const wanted = await createOrders();
  const made = await syncDataset(client, wanted, version("1"));
  expect(made).toMatchObject({ isNew: true, isNewData: true, columns: 3, metrics: 1, kept: [], unknownOwners: [] });
  const dataset = await read(wanted);
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
  const before = await changedOn(wanted);
  const again = await syncDataset(client, wanted, version("1"));
  expect(again).toMatchObject({ differences: [], isRefreshed: false, syncId: made.syncId });
  expect(await changedOn(wanted)).toBe(before);
});

test("the cache is emptied by new data only", async () => {
  const wanted = await createOrders();
  const { datasetId } = await syncDataset(client, wanted, version("1"));
  await sql.query(`INSERT INTO ${wanted.schema}.orders VALUES (now(), 5, 'a')`);
  expect(await ask(datasetId, "revenue")).toEqual({ value: 5, isCached: false });
  expect(await ask(datasetId, "revenue")).toEqual({ value: 5, isCached: true });
  await sql.query(`INSERT INTO ${wanted.schema}.orders VALUES (now(), 6, 'a')`);
  await syncDataset(client, wanted, version("1"));
  expect(await ask(datasetId, "revenue")).toEqual({ value: 5, isCached: true });
  await syncDataset(client, wanted, version("2"));
  expect(await ask(datasetId, "revenue")).toEqual({ value: 11, isCached: false });
});

test("what people edit survives, is written over, or fails the sync, as the asset says", async () => {
  const wanted = await createOrders();
  await syncDataset(client, wanted, version("1"));
  const dataset = await read(wanted);
  const metric = { metric_name: "mine", expression: "COUNT(*)" };
  await client.put(
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
  await expect(syncDataset(client, failing, version("2"))).rejects.toThrow(DatasetConflictError);
  expect(await recorded(wanted)).toMatchObject({ data_version: "1" });
  // A new description where nobody has edited one is written all the same.
  const changed = { ...wanted, columns: wanted.columns.map((one) => ({ ...one, description: `${one.name}!` })) };
  const kept = await syncDataset(client, changed, version("2"));
  expect(kept.kept).toEqual([
    expect.stringContaining('column revenue: verbose_name is "Umsatz"'),
    expect.stringContaining("dataset: cache_timeout is 77"),
  ]);
  const after = await read(wanted);
  expect(columnOf(after, "revenue")).toMatchObject({ verbose_name: "Umsatz", description: "revenue!" });
  expect(columnOf(after, "half")).toMatchObject({ expression: "revenue / 2" });
  expect(after.metrics.map(({ metric_name }) => metric_name).sort()).toEqual(["count", "mine", "revenue"]);
  expect(after.cache_timeout).toBe(77);
  await syncDataset(client, { ...changed, onConflict: "overwrite" }, version("2"));
  const last = await read(wanted);
  expect(columnOf(last, "revenue").verbose_name).toBe("Revenue");
  expect(last.cache_timeout).toBe(600);
  expect(columnOf(last, "half")).toBeDefined();
});

test("new columns come with their descriptions, and one that comes back still has the label that people gave it", async () => {
  const wanted = await createOrders();
  await syncDataset(client, wanted, version("1"));
  const dataset = await read(wanted);
  const columns = dataset.columns.map(({ id, column_name }) =>
    column_name === "note" ? { id, column_name, verbose_name: "Remark" } : { id, column_name },
  );
  await client.put(`/dataset/${dataset.id}`, { columns }, z.unknown());
  await sql.query(`ALTER TABLE ${wanted.schema}.orders DROP COLUMN note, ADD COLUMN shop text`);
  const other = {
    ...wanted,
    columns: [...wanted.columns.filter(({ name }) => name !== "note"), column("shop", { description: "Where" })],
  };
  const changed = await syncDataset(client, other, version("2"));
  expect(changed.isRefreshed).toBe(true);
  const without = await read(wanted);
  expect(without.columns.map((one) => one.column_name).sort()).toEqual(["revenue", "shop", "sold_at"]);
  expect(columnOf(without, "shop")).toMatchObject({ description: "Where", type: "TEXT" });
  // Superset makes all columns filterable when it reads the table again.
  expect(columnOf(without, "revenue").filterable).toBe(false);
  await sql.query(`ALTER TABLE ${wanted.schema}.orders ADD COLUMN note text`);
  await syncDataset(client, { ...other, columns: [...other.columns, column("note")] }, version("3"));
  expect(columnOf(await read(wanted), "note").verbose_name).toBe("Remark");
});

test("tables of one name in two schemas have a dataset each, and a dataset that people made is taken over", async () => {
  const [one, two] = [await createOrders(), await createOrders()];
  const made = z.object({ id: z.number() });
  const body = { database: databaseId, schema: one.schema, table_name: "orders" };
  const { id } = await client.post("/dataset/", body, made);
  const taken = await syncDataset(client, one, version("1"));
  expect(taken).toMatchObject({ datasetId: id, isNew: false });
  expect((await syncDataset(client, two, version("1"))).datasetId).not.toBe(id);
  expect((await read(one)).id).toBe(id);
});

test("syncs at once make one dataset and none fails", async () => {
  const wanted = await createOrders();
  const clients = Array.from({ length: 4 }, () => superset.client());
  const synced = await Promise.all(clients.map((own) => syncDataset(own, wanted, version("1"))));
  expect(new Set(synced.map(({ datasetId }) => datasetId)).size).toBe(1);
  expect(await compareDataset(client, wanted, version("1"))).toEqual([]);
});

test("a dataset that is deleted before or during a sync is made again, with the UUID that charts know", async () => {
  const wanted = await createOrders();
  const { datasetId } = await syncDataset(client, wanted, version("1"));
  await client.delete(`/dataset/${datasetId}`);
  const { datasetId: second } = await syncDataset(client, wanted, version("2"));
  const interrupted = new DeletingClient(superset, second);
  const { datasetId: third, isNew } = await syncDataset(interrupted, wanted, version("3"));
  expect(isNew).toBe(true);
  expect([datasetId, second]).not.toContain(third);
  expect(await read(wanted)).toMatchObject({ id: third, uuid: wanted.uuid });
});

test("a Superset that restarts while a sync runs loses no sync and makes no second dataset", async () => {
  const wanted = await createOrders();
  const proxy = await startCuttingProxy(superset.url);
  const retry = { baseDelayMs: 10 };
  const { datasetId } = await syncDataset(superset.client({ url: proxy.url, retry }), wanted, version("1"));
  // The answers to the POST and to the PUT were lost; what they asked for was done.
  expect(proxy.cut).toEqual(["POST /api/v1/dataset/", `PUT /api/v1/dataset/${datasetId}`]);
  expect(await compareDataset(client, wanted, version("1"))).toEqual([]);
  const list = await client.list("dataset", z.object({ id: z.number() }), {
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
    ...superset.env,
    DATABASE_URL: postgres.url,
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
  // Without the version that Dagster knows, what was synced last counts as current.
  const { stdout } = await project.start("runtime/superset/compare.ts", [], env).ended;
  expect(stdout).toContain(`superset/dataset/${schema}/orders: as it should be`);
  expect(stdout).toContain("No asset feeds:");
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

test("300 columns with quotes, emoji and slashes in their names are synced, and their metrics answer", async () => {
  const names = [`it's "50%" /of\\ it:x 🦆`, ...Array.from({ length: 299 }, (_, index) => `c_${index}`)];
  const columns = names.map((name) => column(name, { type: "integer", description: `About ${name}`, label: name }));
  const quoted = names.map((name) => `"${name.replaceAll('"', '""')}"`);
  const base = await createOrders(quoted.map((name) => `${name} integer`).join(", "));
  await sql.query(`INSERT INTO ${base.schema}.orders (${quoted[0]}) VALUES (41), (1)`);
  const metrics = [{ ...NOTHING, name: "odd", expression: `SUM(${quoted[0]})` }];
  const wanted = { ...base, columns, metrics, timeColumn: undefined };
  const { datasetId } = await syncDataset(client, wanted, version("1"));
  expect((await syncDataset(client, wanted, version("1"))).differences).toEqual([]);
  expect((await read(wanted)).columns).toHaveLength(300);
  expect(await ask(datasetId, "odd")).toEqual({ value: 42, isCached: false });
});

test("a user without rights, and a table that is not there, are errors that say what to do", async () => {
  const wanted = await createOrders();
  await syncDataset(client, wanted, version("1"));
  const stranger = await createStranger();
  await expect(syncDataset(stranger, wanted, version("2"))).rejects.toThrow(SupersetForbiddenError);
  await expect(syncDataset(stranger, wanted, version("2"))).rejects.toThrow(/make it an owner|role/);
  expect(await recorded(wanted)).toMatchObject({ data_version: "1" });
  const missing = { ...wanted, table: "missing", uuid: randomUUID() };
  await expect(syncDataset(client, missing, version("1"))).rejects.toThrow(SupersetRefusedError);
  await expect(syncDataset(client, missing, version("1"))).rejects.toThrow(/materialise shop\/orders/);
});

test("owners are added to those that there are, unknown ones are told, and datasets that no asset feeds are listed", async () => {
  const [wanted, other] = [await createOrders(), await createOrders()];
  await syncDataset(client, other, version("1"));
  const owners = ["someone@example.org", "nobody@example.org"];
  const email = "someone@example.org";
  await createUser(email, []);
  const synced = await syncDataset(client, { ...wanted, owners }, version("1"));
  expect(synced.unknownOwners).toEqual(["nobody@example.org"]);
  expect((await read(wanted)).owners).toHaveLength(2);
  const unfed = await unfedDatasets(client, new Set([wanted.uuid]));
  const names = unfed.map(({ name }) => name);
  expect(names).toContain(`${DATABASE}: ${other.schema}.orders`);
  expect(names).not.toContain(`${DATABASE}: ${wanted.schema}.orders`);
});

test("an owner who is missing is a difference, and to add one is told like any change", async () => {
  const wanted = await createOrders();
  const { syncId } = await syncDataset(client, wanted, version("1"));
  const email = `${randomUUID()}@example.org`;
  await createUser(email, []);
  const owned = { ...wanted, owners: [email] };
  expect(await compareDataset(client, owned, version("1"))).toEqual(["owners: added"]);
  // It changes the dataset, and with it the keys of all answers: dashboards have to be warmed.
  expect((await syncDataset(client, owned, version("1"))).syncId).not.toBe(syncId);
  expect(await compareDataset(client, owned, version("1"))).toEqual([]);
});

/** What a person writes about a column; Superset puts the store's comment there when it reads the table again. */
async function describe(wanted: WantedDataset, name: string, description: string): Promise<void> {
  const { id, columns } = await read(wanted);
  await sql.query(`COMMENT ON COLUMN ${wanted.schema}.${wanted.table}.${name} IS 'the comment'`);
  const edited = columns.map((one) => ({
    ...{ id: one.id, column_name: one.column_name },
    ...(one.column_name === name ? { description } : {}),
  }));
  await client.put(`/dataset/${id}`, { columns: edited }, z.unknown());
}

test("what people edited outlives a sync that is cut off after Superset has read the table again", async () => {
  const wanted = await createOrders();
  await syncDataset(client, wanted, version("1"));
  await describe(wanted, "revenue", "Mine");
  await sql.query(`ALTER TABLE ${wanted.schema}.orders ADD COLUMN shop text`);
  const more = { ...wanted, columns: [...wanted.columns, column("shop")] };
  await expect(syncDataset(new DyingClient(superset), more, version("2"))).rejects.toThrow("killed");
  expect(columnOf(await read(wanted), "revenue").description).toBe("the comment");
  const { kept } = await syncDataset(client, more, version("2"));
  expect(kept).toEqual([expect.stringContaining('column revenue: description is "Mine"')]);
  expect(columnOf(await read(wanted), "revenue")).toMatchObject({ description: "Mine", filterable: false });
  expect(await compareDataset(client, more, version("2"))).toEqual([]);
});

test('onConflict: "fail" changes nothing, also where the table has new columns', async () => {
  const wanted = await createOrders();
  await syncDataset(client, wanted, version("1"));
  await describe(wanted, "revenue", "Mine");
  const before = await read(wanted);
  await sql.query(`ALTER TABLE ${wanted.schema}.orders ADD COLUMN shop text`);
  const failing = { ...wanted, columns: [...wanted.columns, column("shop")], onConflict: "fail" } as const;
  await expect(syncDataset(client, failing, version("2"))).rejects.toThrow(DatasetConflictError);
  expect(await read(wanted)).toEqual(before);
});

test("a column that nobody declared is no column of the dataset, until a person lets Superset read it; then it stays", async () => {
  const wanted = await createOrders("sold_at timestamptz, revenue numeric(12, 2), note text, evolved text");
  const names = async (): Promise<string[]> => (await read(wanted)).columns.map((one) => one.column_name).sort();
  const { datasetId } = await syncDataset(client, wanted, version("1"));
  expect(await names()).toEqual(["note", "revenue", "sold_at"]);
  await client.put(`/dataset/${datasetId}/refresh`, {}, z.unknown());
  expect(await names()).toContain("evolved");
  const { isRefreshed } = await syncDataset(client, wanted, version("2"));
  expect(isRefreshed).toBe(false);
  expect(await names()).toContain("evolved");
  // Declared, it is ours; and no longer declared, it goes.
  const declared = { ...wanted, columns: [...wanted.columns, column("evolved", { label: "Evolved" })] };
  await syncDataset(client, declared, version("2"));
  expect(columnOf(await read(wanted), "evolved").verbose_name).toBe("Evolved");
  await syncDataset(client, wanted, version("2"));
  expect(await names()).toEqual(["note", "revenue", "sold_at"]);
});

test("data that was other in between empties the cache, although it is the same again", async () => {
  const wanted = await createOrders();
  const { datasetId } = await syncDataset(client, wanted, version("1"));
  await sql.query(`INSERT INTO ${wanted.schema}.orders VALUES (now(), 5, 'a')`);
  expect(await ask(datasetId, "revenue")).toEqual({ value: 5, isCached: false });
  // What was asked for meanwhile is in the cache under the key of the first version.
  await sql.query(`DELETE FROM ${wanted.schema}.orders; INSERT INTO ${wanted.schema}.orders VALUES (now(), 1, 'a')`);
  const again = { ...version("1"), runId: "run-3", wasOther: true };
  expect(await compareDataset(client, wanted, again)).toEqual(["data: was other, and is 1 again"]);
  expect(await syncDataset(client, wanted, again)).toMatchObject({ isNewData: true });
  expect(await ask(datasetId, "revenue")).toEqual({ value: 1, isCached: false });
});

test("a query that people call like the table is not taken for it", async () => {
  const wanted = await createOrders();
  const body = { database: databaseId, schema: wanted.schema, table_name: "orders", sql: "SELECT 1 AS revenue" };
  const { id } = await client.post("/dataset/", body, z.object({ id: z.number() }));
  await expect(syncDataset(client, wanted, version("1"))).rejects.toThrow(DatasetConflictError);
  await expect(syncDataset(client, wanted, version("1"))).rejects.toThrow(/is a query of its own/);
  await client.put(`/dataset/${id}`, { table_name: "orders_query" }, z.unknown());
  expect((await syncDataset(client, wanted, version("1"))).datasetId).not.toBe(id);
});

test("a dataset follows its table to another connection, unless people have made one there", async () => {
  const wanted = await createOrders();
  const { datasetId } = await syncDataset(client, wanted, version("1"));
  const elsewhere = await ownDatabase(client, randomUUID(), "postgres", { DATABASE_URL: postgres.url });
  const moved = { ...wanted, databaseId: elsewhere };
  const body = { database: elsewhere, schema: wanted.schema, table_name: "orders" };
  const { id } = await client.post("/dataset/", body, z.object({ id: z.number() }));
  await expect(syncDataset(client, moved, version("2"))).rejects.toThrow(`two datasets for shop/orders: ${datasetId}`);
  await client.delete(`/dataset/${id}`);
  expect((await syncDataset(client, moved, version("2"))).datasetId).toBe(datasetId);
  expect((await read(wanted)).database.id).toBe(elsewhere);
});

/** Passes everything on, but cuts the answer to the first POST and the first PUT of a dataset. */
async function startCuttingProxy(target: string): Promise<{ readonly url: string; readonly cut: readonly string[] }> {
  const cut: string[] = [];
  const server = createServer((request, response) => {
    const { method = "", url = "", headers } = request;
    const forward = forwardTo(`${target}${url}`, { method, headers }, (answer) => {
      const isFirst = /^\/api\/v1\/dataset\/\d*$/.test(url) && !cut.some((one) => one.startsWith(method));
      if (["POST", "PUT"].includes(method) && isFirst) {
        cut.push(`${method} ${url}`);
        answer.on("end", () => response.destroy()).resume();
      } else answer.pipe(response.writeHead(answer.statusCode ?? 500, answer.headers));
    });
    request.pipe(forward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, cut };
}

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

const NOTHING = { label: undefined, description: undefined, format: undefined } as const;

function column(name: string, changes: Partial<WantedColumn> = {}): WantedColumn {
  const nothing = { label: undefined, description: undefined };
  return { name, type: "text", ...nothing, filterable: true, groupable: true, isTime: false, ...changes };
}

/** A table in a schema of its own, and the dataset that it should have. */
async function createOrders(
  columns = "sold_at timestamptz, revenue numeric(12, 2), note text",
): Promise<WantedDataset & { readonly schema: string }> {
  const schema = `s${randomUUID().replaceAll("-", "").slice(0, 12)}`;
  await sql.query(`CREATE SCHEMA ${schema}`);
  await sql.query(`CREATE TABLE ${schema}.orders (${columns})`);
  return {
    uuid: supersetUuid("dataset", "test", schema),
    databaseId,
    schema,
    table: "orders",
    assetKey: "shop/orders",
    description: "All orders.",
    columns: [
      column("sold_at", { type: "timestamptz", isTime: true }),
      column("revenue", { type: "numeric(12, 2)", label: "Revenue", description: "Paid, EUR", filterable: false }),
      column("note"),
    ],
    metrics: [{ ...NOTHING, name: "revenue", expression: 'SUM("revenue")', label: "Revenue, EUR", format: ",.2f" }],
    timeColumn: "sold_at",
    cacheTimeoutSeconds: 600,
    certifiedBy: "Finance",
    owners: [],
    onConflict: "keep",
    link: "http://dagster/assets/shop/orders",
  };
}

function version(dataVersion: string): PublishedData {
  return { dataVersion, runId: `run-${dataVersion}`, at: "2026-01-01T00:00:00Z" };
}

async function read({ uuid }: WantedDataset): Promise<NonNullable<Awaited<ReturnType<typeof tryReadDataset>>>> {
  const dataset = await tryReadDataset(client, uuid);
  if (dataset === undefined) throw new Error("there is no such dataset");
  return dataset;
}

type Dataset = Awaited<ReturnType<typeof read>>;

function columnOf(dataset: Dataset, name: string): Dataset["columns"][number] {
  const found = dataset.columns.find(({ column_name }) => column_name === name);
  if (found === undefined) throw new Error(`there is no column ${name}`);
  return found;
}

async function recorded(wanted: WantedDataset): Promise<unknown> {
  const { extra } = await read(wanted);
  return (JSON.parse(extra ?? "{}") as { dagster_typescript?: unknown }).dagster_typescript;
}

async function changedOn({ uuid }: WantedDataset): Promise<string> {
  const answer = z.object({ result: z.object({ changed_on: z.string() }) });
  return (await client.get(`/dataset/${uuid}`, answer, { query: { columns: ["changed_on"] } })).result.changed_on;
}

/** What a chart of one number shows. */
async function ask(datasetId: number, metric: string): Promise<{ readonly value: number; readonly isCached: boolean }> {
  const answer = z.object({
    result: z.tuple([
      z.object({ is_cached: z.boolean().nullable(), data: z.array(z.record(z.string(), z.unknown())) }),
    ]),
  });
  const body = {
    datasource: { id: datasetId, type: "table" },
    queries: [{ columns: [], metrics: [metric], row_limit: 10 }],
    result_format: "json",
    result_type: "full",
  };
  const { result } = await client.post("/chart/data", body, answer);
  return { value: Number(Object.values(result[0].data[0] ?? {})[0]), isCached: result[0].is_cached === true };
}

async function createUser(email: string, roles: readonly number[]): Promise<{ id: number; password: string }> {
  const password = randomUUID();
  const names = { first_name: "Some", last_name: "One", username: email, email };
  const all = roles.length > 0 ? roles : [await roleOf("Gamma")];
  const body = { ...names, password, active: true, roles: all };
  const { id } = await client.post("/security/users/", body, z.object({ id: z.number() }));
  onTestFinished(async () => {
    await client.delete(`/security/users/${id}`);
  });
  return { id, password };
}

/** Somebody who may read and write datasets, but owns none. */
async function createStranger(): Promise<SupersetClient> {
  const email = `${randomUUID()}@example.org`;
  const { password } = await createUser(email, [await roleOf("Alpha")]);
  return new SupersetClient({ url: superset.url, credentials: { username: email, password } });
}

async function roleOf(name: string): Promise<number> {
  const roles = await client.list("security/roles", z.object({ id: z.number(), name: z.string() }));
  const found = roles.find((role) => role.name === name);
  if (found === undefined) throw new Error(`there is no role ${name}`);
  return found.id;
}
