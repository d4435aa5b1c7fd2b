import { describeGraph } from "./graph.ts";

// With the lines of one household in 25, in as many pages as at full size; `npm run soak -- tests` takes them all.
describeGraph({
  householdsPerOne: 25,
  pageLines: 400,
  pages: 164,
  rows: {
    raw_events: 65_594,
    transactions: 1_469_307,
    products: 92_331,
    demographics: 801,
    cleaned_events: 65_224,
    user_metrics: 99,
    dashboard_data: 19,
    revenue_by_store_daily: 38_410,
    sales_hourly: 12_935,
    sales_daily: 3_893,
    coupon_redemptions: 2_102,
  },
  firstLines: 63_000,
  money: { revenue: "215730.40", discount: "38797.87" },
  mostPieces: 48,
});
