import { z } from "zod";
import { type Asset, count, date, defineAsset, sum } from "../../../definitions/index.ts";
import { bigNumber } from "../../../definitions/superset/chart.ts";
import { chartQuery, type QueryContext, withFilters } from "../../../resources/superset/chart_query.ts";
import type { SupersetClient } from "../../../resources/superset/client/client.ts";
import type { DashboardDataset } from "../../../resources/superset/dashboard.ts";
import { syncDataset } from "../../../resources/superset/dataset/sync.ts";
import type { WantedDataset } from "../../../resources/superset/dataset/wanted.ts";
import { supersetUuid } from "../../../resources/superset/uuid.ts";
import type { Server } from "../postgres/server.ts";
import { ownDatabase } from "./own_database.ts";

const columns = z.strictObject({ day: date(), department: z.string(), amount: z.int() });
type Sales = Asset<(typeof columns)["shape"], "revenue" | "lines">;

/** A table in PostgreSQL, and its dataset in Superset. */
export interface Shop {
  readonly sales: Sales;
  readonly datasetId: number;
  readonly datasetUuid: string;
  readonly datasets: ReadonlyMap<string, DashboardDataset>;
  /** Publishes other rows. @returns the revenue of meat and deli */
  readonly publish: (round: number) => Promise<number>;
  /** Syncs the dataset after a publish. @returns its number in Superset */
  readonly sync: (round: number) => Promise<number>;
  /** What a page asks for the revenue of meat and deli in 2017. */
  readonly revenueQuery: () => QueryContext;
  /** Gives the metric `lines` another expression. */
  readonly breakLines: (expression: string) => Promise<void>;
}

/**
 * Makes the table `<schema>.sales`, its database connection and its dataset.
 *
 * @param owner Syncs the dataset.
 */
export async function makeShop(
  client: SupersetClient,
  server: Server,
  schema: string,
  owner: SupersetClient = client,
): Promise<Shop> {
  const sales = defineAsset("shop/sales", {
    description: "x",
    columns,
    superset: { metrics: { revenue: sum("amount"), lines: count() }, timeColumn: "day" },
    body: { async *rows() {} },
  });
  await server.sql(`CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.sales (day date, department text, amount bigint);`);
  const publish = async (round: number): Promise<number> => {
    await server.sql(`BEGIN; DELETE FROM ${schema}.sales;
      INSERT INTO ${schema}.sales SELECT date '2017-01-01' + i % 300, (ARRAY['MEAT', 'DELI', 'FUEL'])[1 + i % 3], i * ${round}
      FROM generate_series(1, 600) AS t (i); COMMIT;`);
    const [[total] = []] = await server.sql(
      `SELECT sum(amount) FROM ${schema}.sales WHERE department IN ('MEAT', 'DELI')`,
    );
    return Number(total);
  };
  await publish(1);
  const databaseId = await ownDatabase(client, schema, "postgres", { DATABASE_URL: server.url });
  const wanted = wantedSales(schema, databaseId);
  const at = new Date().toISOString();
  const sync = async (round: number, lines = "COUNT(*)"): Promise<number> => {
    const metrics = wanted.metrics.map((metric) =>
      metric.name === "lines" ? { ...metric, expression: lines } : metric,
    );
    const published = { dataVersion: `version ${round}`, runId: `run ${round}`, at };
    return (await syncDataset(owner, { ...wanted, metrics }, published)).datasetId;
  };
  const id = await sync(1);
  const shown = { id, timeColumn: "day", columns: Object.keys(columns.shape) };
  return {
    sales,
    datasetId: id,
    datasetUuid: wanted.uuid,
    datasets: new Map([["shop/sales", shown]]),
    publish,
    sync: (round) => sync(round),
    revenueQuery: () =>
      withFilters(chartQuery(bigNumber("total", { dataset: sales, metric: "revenue" }), shown), [
        { time_range: "2017-01-01 : 2018-01-01" },
        { filters: [{ col: "department", op: "IN", val: ["MEAT", "DELI"] }] },
      ]),
    breakLines: async (expression) => {
      await sync(1, expression);
    },
  };
}

function wantedSales(schema: string, databaseId: number): WantedDataset {
  const column = { label: undefined, description: undefined, filterable: true, groupable: true };
  const metric = { label: undefined, description: undefined, format: undefined };
  return {
    uuid: supersetUuid("dataset", "postgres", `${schema}/sales`),
    databaseId,
    schema,
    table: "sales",
    assetKey: "shop/sales",
    description: "x",
    columns: [
      { ...column, name: "day", type: "date", isTime: true },
      { ...column, name: "department", type: "text", isTime: false },
      { ...column, name: "amount", type: "bigint", isTime: false },
    ],
    metrics: [
      { ...metric, name: "revenue", expression: "SUM(amount)" },
      { ...metric, name: "lines", expression: "COUNT(*)" },
    ],
    timeColumn: "day",
    cacheTimeoutSeconds: 600,
    certifiedBy: undefined,
    owners: [],
    onConflict: "overwrite",
    link: undefined,
  };
}
