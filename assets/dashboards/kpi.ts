import { bar, bigNumber, defineDashboard, pie, table, timeFilter, timeSeries, valueFilter } from "dagster-typescript";
import { dashboard_data } from "../retail/dashboard_data.ts";
import { revenue_by_store_daily } from "../retail/revenue_by_store_daily.ts";
import { sales_daily } from "../retail/sales_daily.ts";
import { user_metrics } from "../retail/user_metrics.ts";

export const kpi = defineDashboard("kpi", {
  title: "Retail KPIs",
  description: "What the chain sold in 2017, where, and to whom.",
  owners: ["team:analytics"],
  filters: [
    timeFilter("period", { default: "2017-01-01 : 2018-01-01" }),
    valueFilter("department", { dataset: sales_daily, column: "department" }),
  ],
  charts: [
    bigNumber("revenue", { dataset: sales_daily, metric: "revenue", format: "$,.2f", description: "Paid, USD" }),
    bigNumber("pieces", { dataset: sales_daily, metric: "pieces", format: ",d" }),
    bigNumber("discount_rate", { dataset: sales_daily, metric: "discount_rate", format: ".1%" }),
    bigNumber("households", { dataset: user_metrics, metric: "households", format: ",d" }),
    timeSeries("revenue_by_week", {
      dataset: sales_daily,
      time: "day",
      grain: "week",
      metrics: ["revenue"],
      by: "department",
      limit: 5,
      format: "$,.3s",
      width: 8,
    }),
    pie("revenue_by_department", {
      dataset: sales_daily,
      metric: "revenue",
      by: "department",
      limit: 6,
      format: "$,.3s",
    }),
    bar("revenue_by_age", { dataset: dashboard_data, metrics: ["revenue"], by: "age", format: "$,.3s" }),
    bar("revenue_by_store", {
      dataset: revenue_by_store_daily,
      metrics: ["revenue", "discount"],
      by: "store_id",
      limit: 12,
      format: "$,.3s",
    }),
    table("departments", {
      dataset: sales_daily,
      by: ["department"],
      metrics: ["revenue", "discount", "pieces", "lines"],
      limit: 100,
      format: ",.0f",
      width: 7,
    }),
    table("segments", {
      dataset: dashboard_data,
      by: ["age", "income"],
      metrics: ["revenue", "households", "active_households"],
      limit: 100,
      format: ",.0f",
      width: 5,
    }),
  ],
});
