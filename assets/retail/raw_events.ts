import {
  append,
  between,
  decimal,
  defineAsset,
  matches,
  onCron,
  timestamp,
  unique,
  warn,
  within,
  z,
} from "dagster-typescript";
import { instant, pages } from "dagster-typescript/sources";

/** A purchase line as the point-of-sale API should send it. Nothing is taken on trust: the contract below checks each value. */
interface Line {
  readonly basket_id: number;
  readonly product_id: number;
  readonly household_id: number;
  readonly store_id: number;
  readonly quantity: number;
  readonly sales_value: string;
  readonly retail_disc: string;
  readonly coupon_disc: string;
  readonly coupon_match_disc: string;
  readonly sold_at: string;
  readonly received_at: string;
}

const page = z.object({
  lines: z.array(z.custom<Line>((line) => line instanceof Object)),
  next_cursor: z.string().nullable(),
});

export const raw_events = defineAsset("retail/raw_events", {
  description:
    "Purchase lines as the tills sent them: one row per line delivered, nothing corrected. Each hour the new ones.",
  columns: z.strictObject({
    event_id: z.string().describe("Basket and product, joined by a hyphen"),
    basket_id: z.int().describe("One visit to one till"),
    product_id: z.int32().describe("Article; not every one is in retail/products"),
    user_id: z.int32().describe("Household, by its loyalty card"),
    store_id: z.int32().describe("Store"),
    occurred_at: timestamp().describe("Time of the sale, UTC"),
    received_at: timestamp().describe(
      "Time at which head office had it, UTC: mostly at once, after days from some tills",
    ),
    quantity: z
      .int32()
      .describe("As the till counts: pieces, for fuel thousandths of a gallon; 0 for a coupon or a void"),
    revenue: decimal(12, 2).describe("What the store received, coupons of manufacturers included, USD"),
    retail_discount: decimal(12, 2).describe("Taken off by the loyalty card, USD"),
    coupon_discount: decimal(12, 2).describe("Taken off by a manufacturer's coupon, USD"),
    coupon_match_discount: decimal(12, 2).describe("What the store added to the coupon, USD"),
  }),
  key: ["event_id"],
  checks: [
    matches("event_id", "[0-9]+-[0-9]+"),
    between("occurred_at", { min: "2017-01-01T00:00:00Z", max: "2018-01-02T00:00:00Z" }),
    between("received_at", { min: "2017-01-01T00:00:00Z" }),
    between("revenue", { min: "0.00", max: "1000.00" }),
    // Cleaning takes care of these; here they tell what the tills are up to.
    warn(unique("event_id")),
    warn(between("quantity", { min: 1 })),
  ],
  owners: ["team:retail"],
  tags: { domain: "sales", source: "pos_api" },
  freshness: within("3h"),
  automation: onCron("5 * * * *"),
  retry: { maxRetries: 2, delaySeconds: 10, backoff: "exponential" },
  // One till that sends garbage does not stop the chain; a hundred bad lines mean that the API has changed.
  quarantine: { maxRows: 100 },
  // Lines arrive in the order of received_at, and those of one second all at once: nothing comes in behind the cursor.
  write: append({ cursor: "received_at" }),
  body: {
    async *rows({ cursor, row, signal, log }) {
      const url = new URL("/v1/lines?limit=10000", process.env["POS_API_URL"] ?? "http://127.0.0.1:8787");
      if (cursor !== null) url.searchParams.set("since", new Date(Date.parse(cursor) + 1).toISOString());
      for await (const { lines } of pages({ url, schema: page, nextCursor: (p) => p.next_cursor, signal, log })) {
        yield lines.map((line) =>
          row({
            event_id: `${line.basket_id}-${line.product_id}`,
            basket_id: line.basket_id,
            product_id: line.product_id,
            user_id: line.household_id,
            store_id: line.store_id,
            occurred_at: instant(line.sold_at),
            received_at: instant(line.received_at),
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
