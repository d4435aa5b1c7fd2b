import { describeGraph } from "./graph.ts";

// At full size.
describeGraph({
  householdsPerOne: 1,
  pageLines: 10_000,
  pages: 147,
  rows: {
    raw_events: 1_469_307,
    transactions: 1_469_307,
    products: 92_331,
    demographics: 801,
    cleaned_events: 1_460_438,
    user_metrics: 2_469,
    dashboard_data: 63,
    revenue_by_store_daily: 38_410,
    sales_hourly: 71_259,
    sales_daily: 7_066,
    coupon_redemptions: 2_102,
  },
  firstLines: 1_400_000,
  money: { revenue: "4596027.06", discount: "816007.06" },
  mostPieces: 144,
});
