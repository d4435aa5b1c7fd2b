import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { bar, bigNumber, pie, table, timeSeries } from "../../../definitions/superset/chart.ts";
import { timeFilter, valueFilter } from "../../../definitions/superset/dashboard_filter.ts";
import { chartData } from "../../../resources/superset/chart_data.ts";
import { SupersetClient } from "../../../resources/superset/client/client.ts";
import type { CallOptions } from "../../../resources/superset/client/call.ts";
import { SupersetNotFoundError, SupersetUnreachableError } from "../../../resources/superset/client/errors.ts";
import { type DashboardPlan, dashboardUuid, syncDashboard } from "../../../resources/superset/dashboard.ts";
import { handMadeDashboards } from "../../../resources/superset/hand_made.ts";
import { roleAccount } from "../../../resources/superset/role_account.ts";
import { supersetUuid } from "../../../resources/superset/uuid.ts";
import { type WarmOutcome, warmDashboard } from "../../../resources/superset/warm.ts";
import { Server } from "../postgres/server.ts";
import { holdFresh } from "./fresh_rounds.ts";
import { exportChart, importChart } from "./exported_chart.ts";
import { Front } from "./front.ts";
import { type LocalSuperset, localSuperset, SUPERSET_TIMEOUT_MS } from "./local_superset.ts";
import { serviceAccount } from "./service_account.ts";
import { makeShop, type Shop } from "./shop.ts";

let server: Server;
let superset: LocalSuperset;
let client: SupersetClient;
let shop: Shop;

beforeAll(async () => {
  [superset, server] = await Promise.all([localSuperset(), Server.start()]);
  client = superset.client();
  shop = await makeShop(client, server, "dash");
}, SUPERSET_TIMEOUT_MS);
afterAll(async () => {
  await server.stop();
});

/** A dashboard with a chart of each kind, and both filters with defaults. */
function plan(name: string, parts: Partial<DashboardPlan> = {}): DashboardPlan {
  const { sales } = shop;
  return {
    name,
    title: `Sales “${name}” / 🦆`,
    charts: [
      bigNumber("revenue", { dataset: sales, metric: "revenue" }),
      timeSeries("by_week", { dataset: sales, time: "day", grain: "week", metrics: ["revenue"], by: "department" }),
      bar("by_department", { dataset: sales, metrics: ["revenue", "lines"], by: "department" }),
      pie("shares", { dataset: sales, metric: "revenue", by: "department" }),
      table("departments", { dataset: sales, metrics: ["revenue", "lines"], by: ["department"] }),
    ],
    filters: [
      timeFilter("period", { default: "2017-01-01 : 2018-01-01" }),
      valueFilter("department", { dataset: sales, column: "department", default: ["MEAT", "DELI"] }),
    ],
    datasets: shop.datasets,
    ...parts,
  };
}

const changed = z.object({ result: z.object({ changed_on: z.string() }) });
const whenChanged = async (name: string): Promise<string> =>
  (await client.get(`/dashboard/${dashboardUuid(name)}`, changed)).result.changed_on;

const faultsOf = (outcomes: readonly WarmOutcome[]): (string | null)[] =>
  outcomes.map(({ fault }) => fault).filter((fault) => fault !== null);

const warm = (name: string): Promise<readonly WarmOutcome[]> =>
  warmDashboard([{ role: null, client }], dashboardUuid(name), { concurrency: 4 });

test("a dashboard is made as declared, once however often it is synced, and a person's change is changed back", async () => {
  const first = await syncDashboard(client, plan("twice"));
  expect(first).toMatchObject({ change: "created", removed: [] });
  expect(new Set(first.charts.map(({ change }) => change))).toEqual(new Set(["created"]));
  const before = await whenChanged("twice");
  const second = await syncDashboard(client, plan("twice"));
  expect(second).toMatchObject({ id: first.id, change: "unchanged" });
  expect(new Set(second.charts.map(({ change }) => change))).toEqual(new Set(["unchanged"]));
  expect(await whenChanged("twice")).toBe(before);
  await client.put(`/dashboard/${first.id}`, { dashboard_title: "Mine", json_metadata: "{}" }, z.unknown());
  expect(await syncDashboard(client, plan("twice"))).toMatchObject({ id: first.id, change: "updated" });
  expect(await syncDashboard(client, plan("twice"))).toMatchObject({ change: "unchanged" });
});

test("two syncs at once make one dashboard and one of each chart", async () => {
  const both = await Promise.all([syncDashboard(client, plan("race")), syncDashboard(client, plan("race"))]);
  expect(both[0].id).toBe(both[1].id);
  const charts = z.object({ id: z.number() });
  const filters = [{ column: "dashboards", operator: "rel_m_m", value: both[0].id }];
  expect(await client.list("chart", charts, { filters })).toHaveLength(5);
});

test("a chart that is no longer declared is deleted, one that a person made stays", async () => {
  const { id } = await syncDashboard(client, plan("less"));
  const own = { slice_name: "by hand", viz_type: "table", datasource_id: shop.datasetId, datasource_type: "table" };
  const made = await client.post("/chart/", { ...own, params: "{}", dashboards: [id] }, z.object({ id: z.number() }));
  // A copy has all the settings of ours.
  const kept = z.object({ id: z.number(), params: z.string() });
  const [ours] = await client.list("chart", kept, {
    filters: [{ column: "slice_name", operator: "eq", value: "Shares" }],
    columns: ["params"],
  });
  const params = ours?.params.replace(/"dashboard":\s*"[a-z_]+"/, '"dashboard":"less"') ?? "";
  expect(params).toContain("dagster_typescript");
  const copy = await client.post("/chart/", { ...own, params, dashboards: [id] }, z.object({ id: z.number() }));
  const [revenue, ...others] = plan("less").charts;
  const { removed } = await syncDashboard(client, plan("less", { charts: revenue === undefined ? [] : [revenue] }));
  expect(removed.toSorted()).toEqual(others.map(({ title }) => title).toSorted());
  for (const one of [made, copy])
    await expect(client.get(`/chart/${one.id}`, z.looseObject({}))).resolves.toBeDefined();
});

test("a chart that is on the dashboard in name alone is not passed over: warming names it, and the next sync brings it back", async () => {
  const { id } = await syncDashboard(client, plan("taken_off"));
  const charts = await client.list("chart", z.object({ id: z.number(), slice_name: z.string() }), {
    filters: [{ column: "dashboards", operator: "rel_m_m", value: id }],
    columns: ["slice_name"],
  });
  const revenue = charts.find(({ slice_name: name }) => name === "Revenue") ?? expect.fail();
  await client.put(`/chart/${revenue.id}`, { dashboards: [] }, z.unknown());
  const without = await warm("taken_off");
  expect(without.filter(({ fault }) => fault !== null).map(({ name }) => name)).toEqual(["Revenue"]);
  // And one that somebody has put there is taken off again.
  const own = { slice_name: "by hand", viz_type: "table", datasource_id: shop.datasetId, datasource_type: "table" };
  await client.post("/chart/", { ...own, params: "{}", dashboards: [id] }, z.object({ id: z.number() }));
  expect(faultsOf(await warm("taken_off")).join()).toContain("keeps no question that could be asked");
  expect((await syncDashboard(client, plan("taken_off"))).change).toBe("updated");
  const healed = await warm("taken_off");
  expect(faultsOf(healed)).toEqual([]);
  expect(healed).toHaveLength(6);
  for (const one of charts) await client.put(`/chart/${one.id}`, { dashboards: [] }, z.unknown());
  await client.put(`/dashboard/${id}`, { json_metadata: "{}", position_json: "{}" }, z.unknown());
  expect(faultsOf(await warm("taken_off"))).toEqual([expect.stringContaining("has no charts")]);
});

test("a filter that somebody has changed into another kind is named, and no dashboard passes for warm with it", async () => {
  const { id } = await syncDashboard(client, plan("filter"));
  const kept = z.object({ result: z.object({ json_metadata: z.string() }) });
  const { json_metadata: text } = (await client.get(`/dashboard/${id}`, kept)).result;
  const changed = text.replace('"op": "IN"', '"op": "NOT IN"').replace('"op":"IN"', '"op":"NOT IN"');
  expect(changed).not.toBe(text);
  await client.put(`/dashboard/${id}`, { json_metadata: changed }, z.unknown());
  const outcomes = await warm("filter");
  expect(outcomes.filter(({ fault }) => fault !== null).map(({ name }) => name)).toEqual(["filter Department"]);
});

test("a sync that is cut off leaves no chart behind that is no longer declared", async () => {
  const { charts } = plan("cut");
  await syncDashboard(client, plan("cut"));
  const less = plan("cut", { charts: charts.slice(0, 1) });
  await using front = await Front.open(superset.url, ({ method, path }) =>
    method === "PUT" && path.startsWith("/api/v1/dashboard/") ? { kind: "cut", after: true } : undefined,
  );
  const broken = superset.client({ url: front.url, retry: { maxAttempts: 1 } });
  await expect(syncDashboard(broken, less)).rejects.toThrow(SupersetUnreachableError);
  await syncDashboard(client, less);
  const gone = supersetUuid("chart", "cut", charts.at(-1)?.name ?? "");
  await expect(client.get(`/chart/${gone}`, z.unknown())).rejects.toThrow(SupersetNotFoundError);
});

test("a chart that is no longer declared stays where a person shows it on a dashboard of theirs", async () => {
  const { id } = await syncDashboard(client, plan("shared"));
  const mine = await client.post("/dashboard/", { dashboard_title: "Theirs" }, z.object({ id: z.number() }));
  const charts = z.object({ id: z.number() });
  const on = (dashboard: number): Promise<{ id: number }[]> =>
    client.list("chart", charts, { filters: [{ column: "dashboards", operator: "rel_m_m", value: dashboard }] });
  const [first] = await on(id);
  await client.put(`/chart/${first?.id ?? 0}`, { dashboards: [id, mine.id] }, z.unknown());
  const { removed } = await syncDashboard(client, plan("shared", { charts: [bigNumber("other", { dataset: shop.sales, metric: "revenue" })] })); // prettier-ignore
  expect(removed).toHaveLength(4);
  expect(await on(mine.id)).toEqual([{ id: first?.id }]);
  expect(await on(id)).toHaveLength(1);
});

test("charts that are computed in the background are refused, since nobody could say when they are warm", async () => {
  const answer = { kind: "answer", status: 202, body: '{"job_id": "1", "status": "pending"}' } as const;
  await using front = await Front.open(superset.url, ({ path }) =>
    path === "/api/v1/chart/data" ? answer : undefined,
  );
  const asking = chartData(superset.client({ url: front.url }), shop.revenueQuery());
  await expect(asking).rejects.toThrow("GLOBAL_ASYNC_QUERIES");
});

test("the rights that the documentation names are enough to sync a dataset and a dashboard, and to warm it", async () => {
  const service = superset.client({ credentials: await serviceAccount(superset) });
  const own = await makeShop(client, server, "service", service);
  const { sales, datasets } = own;
  const charts = plan("service").charts.map((chart) => ({ ...chart, dataset: sales }));
  await syncDashboard(service, plan("service", { charts, datasets }));
  expect(await syncDashboard(service, plan("service", { charts, datasets }))).toMatchObject({ change: "unchanged" });
  const outcomes = await warmDashboard([{ role: null, client: service }], dashboardUuid("service"), { concurrency: 4 });
  expect(faultsOf(outcomes)).toEqual([]);
  const listed = await handMadeDashboards(service, new Map([[own.datasetUuid, "shop/sales"]]), new Set());
  expect(listed).toHaveLength(1);
});

test("no answer after a sync is of the old rows, and all come from the cache after warming, in 5 rounds", async () => {
  await syncDashboard(client, plan("fresh"));
  const warmAll = async (): Promise<void> => {
    const outcomes = await warm("fresh");
    expect(faultsOf(outcomes)).toEqual([]);
    expect(outcomes).toHaveLength(6);
  };
  expect(await holdFresh({ client, shop, rounds: 5, warm: warmAll })).toBeGreaterThan(0);
});

test("the answers of a role with rows of its own are warm too, and are its own", async () => {
  await syncDashboard(client, plan("roles"));
  const id = z.object({ id: z.number() });
  const roles = await client.list("security/roles", z.object({ id: z.number(), name: z.string() }));
  const alpha = roles.find(({ name }) => name === "Alpha") ?? expect.fail();
  const butcher = await client.post("/security/roles/", { name: "Butcher" }, id);
  const credentials = { username: "butcher", password: "a long enough secret" };
  const person = { first_name: "B", last_name: "B", email: "butcher@example.com", active: true };
  await client.post("/security/users/", { ...person, ...credentials, roles: [alpha.id, butcher.id] }, id);
  const rule = { name: "meat", filter_type: "Regular", clause: "department = 'MEAT'", group_key: "" };
  await client.post("/rowlevelsecurity/", { ...rule, roles: [butcher.id], tables: [shop.datasetId] }, id);
  const env = { ...superset.env, SUPERSET_ROLE_BUTCHER_USERNAME: "butcher" };
  const account = { ...env, SUPERSET_ROLE_BUTCHER_PASSWORD: credentials.password };
  await expect(roleAccount("Butcher", env)).rejects.toThrow("SUPERSET_ROLE_BUTCHER_PASSWORD of an account that has it");
  const others = { SUPERSET_ROLE_BAKER_USERNAME: "butcher", SUPERSET_ROLE_BAKER_PASSWORD: credentials.password };
  await expect(roleAccount("Baker", { ...account, ...others })).rejects.toThrow("does not have the role");
  const own = await roleAccount("Butcher", account);

  const accounts = [
    { role: null, client },
    { role: "Butcher", client: own },
  ] as const;
  const outcomes = await warmDashboard(accounts, dashboardUuid("roles"), { concurrency: 4 });
  expect(faultsOf(outcomes)).toEqual([]);
  expect(outcomes.filter(({ role }) => role === "Butcher")).toHaveLength(6);
  const [all, meat] = [await chartData(client, shop.revenueQuery()), await chartData(own, shop.revenueQuery())];
  expect([all.isCached, meat.isCached]).toEqual([true, true]);
  const [[sum] = []] = await server.sql("SELECT sum(amount) FROM dash.sales WHERE department = 'MEAT'");
  expect(meat.data).toEqual([[{ revenue: Number(sum) }]]);
  expect(all.data).not.toEqual(meat.data);
});

test("a chart that cannot be answered is named with its reason, and the others are warm", async () => {
  await syncDashboard(client, plan("broken"));
  await shop.breakLines("SUM(no_such_column)");
  try {
    const outcomes = await warm("broken");
    const broken = outcomes.filter(({ fault }) => fault !== null);
    expect(broken.map(({ name }) => name).toSorted()).toEqual(["By department", "Departments"]);
    expect(faultsOf(outcomes).join()).toContain("no_such_column");
  } finally {
    await shop.breakLines("COUNT(*)");
  }
});

test("a chart whose second answer is not from the cache, or has other rows than the store, is named", async () => {
  await syncDashboard(client, plan("cold"));
  // Keeps all answers of the dataset out of the cache.
  await client.put(`/dataset/${shop.datasetId}`, { cache_timeout: -1 }, z.unknown());
  const cold = await warm("cold");
  expect(cold).toHaveLength(6);
  for (const { name, fault } of cold) expect(fault, name).toContain("computed again instead of being answered from");
  await shop.sync(1);
  expect(faultsOf(await warm("cold"))).toEqual([]);

  const { url, username, password } = superset;
  const stale = new StaleClient({ url, credentials: { username, password } });
  const outcomes = await warmDashboard([{ role: null, client: stale }], dashboardUuid("cold"), { concurrency: 4 });
  expect(outcomes.filter(({ fault }) => fault !== null)).toMatchObject([
    { name: "Revenue", fault: "is answered from the cache with other rows than the store has" },
  ]);
});

/** What it gets from the cache for a big number is the number of before. */
class StaleClient extends SupersetClient {
  override async post<T>(path: string, body: unknown, schema: z.ZodType<T>, options?: CallOptions): Promise<T> {
    const answer = await super.post(path, body, z.looseObject({ result: z.array(z.unknown()) }), options);
    const { force, queries } = z.looseObject({ force: z.boolean(), queries: z.array(z.looseObject({})) }).parse(body);
    const isNumber = JSON.stringify([queries[0]?.["columns"], queries[0]?.["metrics"]]) === '[[],["revenue"]]';
    if (force || !isNumber) return schema.parse(answer);
    return schema.parse({ result: answer.result.map((one) => ({ ...(one as object), data: [{ revenue: 1 }] })) });
  }
}

test("a dataset that is not in Superset is named, with what to do", async () => {
  const lacking = syncDashboard(client, plan("lacking", { datasets: new Map() }));
  await expect(lacking).rejects.toThrow(
    /shows shop\/sales, whose dataset is not in Superset: materialize superset\/dataset/,
  );
});

test("a dashboard that a person made is found by the datasets that it shows, and a declared one is not", async () => {
  const declared = await syncDashboard(client, plan("declared"));
  const id = z.object({ id: z.number() });
  const empty = await client.post("/dashboard/", { dashboard_title: "Nothing in it" }, id);
  const mine = await client.post("/dashboard/", { dashboard_title: "Mine" }, id);
  const own = { slice_name: "by hand", viz_type: "table", datasource_id: shop.datasetId, datasource_type: "table" };
  await client.post("/chart/", { ...own, params: "{}", dashboards: [mine.id] }, id);
  const datasets = new Map([
    [shop.datasetUuid, "shop/sales"],
    [dashboardUuid("no dataset"), "shop/never_synced"],
  ]);
  const found = await handMadeDashboards(client, datasets, new Set([dashboardUuid("declared")]));
  expect(found).toContainEqual({
    id: mine.id,
    title: "Mine",
    url: `${superset.url}/superset/dashboard/${mine.id}/`,
    assets: ["shop/sales"],
  });
  const ids = found.map((one) => one.id);
  expect(ids).not.toContain(declared.id);
  expect(ids).not.toContain(empty.id);
});

// Last, since the others show the same dataset.
test("a dataset that somebody deletes leaves no chart warm, and the next syncs heal dashboard and charts", async () => {
  const before = await syncDashboard(client, plan("deleted"));
  await client.delete(`/dataset/${shop.datasetId}`);
  const cold = await warm("deleted");
  expect(cold.every(({ fault }) => fault !== null)).toBe(true);
  const id = await shop.sync(1);
  expect(id).not.toBe(shop.datasetId);
  const shown = { id, timeColumn: "day", columns: ["day", "department", "amount"] };
  const after = await syncDashboard(client, plan("deleted", { datasets: new Map([["shop/sales", shown]]) }));
  expect(after.id).toBe(before.id);
  expect(faultsOf(await warm("deleted"))).toEqual([]);
});

test("a Superset that lost everything has the same dataset, dashboard and charts again, and takes in the charts that people exported", async () => {
  const idOf = z.object({ id: z.number() });
  const shown = (id: number): Partial<DashboardPlan> => ({
    datasets: new Map([["shop/sales", { id, timeColumn: "day", columns: ["day", "department", "amount"] }]]),
  });
  const dataset = await shop.sync(1);
  const before = await syncDashboard(client, plan("rebuilt", shown(dataset)));
  const own = { slice_name: "Mine", viz_type: "table", datasource_id: dataset, datasource_type: "table", params: "{}" };
  const mine = await client.post("/chart/", own, idOf);
  const exported = await exportChart(superset, mine.id);
  await client.delete(`/dashboard/${before.id}`);
  const all = await client.list("chart", idOf, {
    filters: [{ column: "datasource_id", operator: "eq", value: dataset }],
  });
  for (const { id } of all) await client.delete(`/chart/${id}`);
  await client.delete(`/dataset/${dataset}`);

  const id = await shop.sync(2);
  expect(id).not.toBe(dataset);
  const after = await syncDashboard(client, plan("rebuilt", shown(id)));
  expect(after.change).toBe("created");
  for (const { name } of plan("rebuilt").charts) {
    const chart = await client.get(`/chart/${supersetUuid("chart", "rebuilt", name)}`, z.object({ result: idOf }));
    expect(all.map((one) => one.id)).not.toContain(chart.result.id);
  }
  expect(faultsOf(await warm("rebuilt"))).toEqual([]);
  await importChart(superset, exported);
  const shape = z.object({ datasource_id: z.number(), slice_name: z.string(), id: z.number() });
  const found = await client.list("chart", shape, {
    filters: [{ column: "slice_name", operator: "eq", value: "Mine" }],
    columns: ["slice_name", "datasource_id"],
  });
  expect(found).toMatchObject([{ datasource_id: id }]);
});
