import { decimal, defineAsset, timestamp, z } from "dagster-typescript";
import { readPages } from "./pages.ts";

export const lines = defineAsset("bench/lines", {
  description: "Purchase lines from pages of JSON, with the contract of retail/raw_events.",
  columns: z.strictObject({
    event_id: z.string(),
    basket_id: z.int(),
    product_id: z.int32(),
    user_id: z.int32(),
    store_id: z.int32(),
    occurred_at: timestamp(),
    quantity: z.int32(),
    revenue: decimal(12, 2),
    retail_discount: decimal(12, 2),
    coupon_discount: decimal(12, 2),
    coupon_match_discount: decimal(12, 2),
  }),
  body: {
    // eslint-disable-next-line @typescript-eslint/require-await -- a body is asynchronous, files are not
    async *rows({ row }) {
      for (const page of readPages()) {
        yield page.map((line) =>
          row({
            event_id: `${line.basket_id}-${line.product_id}`,
            basket_id: line.basket_id,
            product_id: line.product_id,
            user_id: line.household_id,
            store_id: line.store_id,
            occurred_at: new Date(line.sold_at),
            quantity: line.quantity,
            revenue: line.sales_value,
            retail_discount: line.retail_disc,
            coupon_discount: line.coupon_disc,
            coupon_match_discount: line.coupon_match_disc,
          }),
        );
      }
    },
  },
});
