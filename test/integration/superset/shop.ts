import { z } from "zod";
import { date, type Asset, count, defineAsset, sum } from "../../../definitions/index.ts";
import { bigNumber } from "../../../definitions/superset/chart.ts";
import { chartQuery, type QueryContext, withFilters } from "../../../resources/superset/chart_query.ts";
import type { SupersetClient } from "../../../resources/superset/client/client.ts";
import type { DashboardDataset } from "../../../resources/superset/dashboard.ts";
import type { Server } from "../postgres/server.ts";

const columns = z.strictObject({ day: date(), department: z.string(), amount: z.int() });
type Sales = Asset<(typeof columns)["shape"], "revenue" | "lines">;

/** A table in PostgreSQL, and its dataset in Superset. */
export interface Shop {
  readonly sales: Sales;
  readonly datasetId: number;
  readonly datasets: ReadonlyMap<string, DashboardDataset>;
  /** Publishes other rows and busts the dataset. @returns the revenue of meat and deli */
  readonly publish: (round: number) => Promise<number>;
  /** What a page asks for the revenue of meat and deli in 2017. */
  readonly revenueQuery: () => QueryContext;
  readonly setMetric: (name: string, expression: string) => Promise<void>;
}

const made = z.object({ id: z.number() });
const dataset = z.object({
  result: z.object({ metrics: z.array(z.object({ id: z.number(), metric_name: z.string(), expression: z.string() })) }),
});

/** Makes the table `<schema>.sales` and its dataset. */
export async function makeShop(client: SupersetClient, server: Server, schema: string): Promise<Shop> {
  const sales = defineAsset("shop/sales", {
    description: "x",
    columns,
    superset: { metrics: { revenue: sum("amount"), lines: count() }, timeColumn: "day" },
    body: { async *rows() {} },
  });
  await server.sql(`CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.sales (day date, department text, amount bigint);`);
  const fill = async (round: number): Promise<number> => {
    await server.sql(`BEGIN; DELETE FROM ${schema}.sales;
      INSERT INTO ${schema}.sales SELECT date '2017-01-01' + i % 300, (ARRAY['MEAT', 'DELI', 'FUEL'])[1 + i % 3], i * ${round}
      FROM generate_series(1, 600) AS t (i); COMMIT;`);
    const [[total] = []] = await server.sql(
      `SELECT sum(amount) FROM ${schema}.sales WHERE department IN ('MEAT', 'DELI')`,
    );
    return Number(total);
  };
  await fill(0);
  const uri = server.url.replace(/^postgres:/, "postgresql:");
  const { id: database } = await client.post("/database/", { database_name: schema, sqlalchemy_uri: uri }, made);
  const { id } = await client.post("/dataset/", { database, schema, table_name: "sales" }, made);
  const metrics = [
    { metric_name: "revenue", expression: "SUM(amount)" },
    { metric_name: "lines", expression: "COUNT(*)" },
  ];
  await client.put(`/dataset/${id}`, { metrics, main_dttm_col: "day" }, z.unknown());
  const shown = { id, timeColumn: "day", columns: Object.keys(columns.shape) };
  return {
    sales,
    datasetId: id,
    datasets: new Map([["shop/sales", shown]]),
    publish: async (round) => {
      const total = await fill(round);
      await client.put(`/dataset/${id}`, { extra: JSON.stringify({ run_id: `${schema} ${round}` }) }, z.unknown());
      return total;
    },
    revenueQuery: () =>
      withFilters(chartQuery(bigNumber("total", { dataset: sales, metric: "revenue" }), shown), [
        { time_range: "2017-01-01 : 2018-01-01" },
        { filters: [{ col: "department", op: "IN", val: ["MEAT", "DELI"] }] },
      ]),
    setMetric: async (name, expression) => {
      const { result } = await client.get(`/dataset/${id}`, dataset);
      const changed = result.metrics.map((metric) =>
        metric.metric_name === name ? { ...metric, expression } : metric,
      );
      await client.put(`/dataset/${id}`, { metrics: changed }, z.unknown());
    },
  };
}
