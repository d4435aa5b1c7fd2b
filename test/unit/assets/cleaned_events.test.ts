import { expect, test } from "vitest";
import { type Given, runSql } from "./run_sql.ts";

const products: Given = {
  columns: "product_id INTEGER, department VARCHAR, product_type VARCHAR",
  rows: [
    "(1, 'GROCERY', 'FLUID MILK')",
    "(2, 'FUEL', 'GASOLINE-REG UNLEADED')",
    "(3, 'PRODUCE', 'CORN WHITE')",
    "(4, 'MISCELLANEOUS', NULL)",
  ],
};

interface Event {
  readonly basket?: number;
  readonly product?: number;
  readonly at?: string;
  readonly quantity?: number;
  readonly revenue?: string;
  readonly discounts?: readonly [string, string, string];
}

async function clean(...events: readonly Event[]): Promise<Record<string, unknown>[]> {
  const raw_events: Given = {
    columns: `event_id VARCHAR, basket_id BIGINT, product_id INTEGER, user_id INTEGER, store_id INTEGER,
      occurred_at TIMESTAMPTZ, quantity INTEGER, revenue DECIMAL(12, 2), retail_discount DECIMAL(12, 2),
      coupon_discount DECIMAL(12, 2), coupon_match_discount DECIMAL(12, 2)`,
    rows: events.map(
      ({
        basket = 10,
        product = 1,
        at = "2017-03-01T12:00:00Z",
        quantity = 1,
        revenue = "2.50",
        discounts = ["0", "0", "0"],
      }) =>
        `('${basket}-${product}', ${basket}, ${product}, 7, 300, '${at}', ${quantity}, ${revenue}, ${discounts.join(", ")})`,
    ),
  };
  return await runSql("retail/cleaned_events.sql", { raw_events, products });
}

test("an ordinary line stays as it is, with its department", async () => {
  expect(await clean({ quantity: 2 })).toEqual([
    {
      event_id: "10-1",
      basket_id: "10",
      product_id: 1,
      user_id: 7,
      store_id: 300,
      occurred_at: "2017-03-01 12:00:00+00",
      department: "GROCERY",
      quantity: 2,
      fuel_gallons: null,
      revenue: "2.50",
      discount: "0.00",
    },
  ]);
});

test("a line delivered twice counts once, and a corrected one counts as corrected, in whatever order they come", async () => {
  const wrong: Event = { at: "2017-03-01T12:00:00Z", revenue: "25.00" };
  const right: Event = { at: "2017-03-01T12:00:01Z", revenue: "2.50" };
  for (const events of [
    [wrong, right, right],
    [right, wrong, right],
    [right, right, wrong],
  ]) {
    expect(await clean(...events)).toMatchObject([{ event_id: "10-1", revenue: "2.50" }]);
  }
});

test("the same product in another basket is another event", async () => {
  expect(await clean({ basket: 10 }, { basket: 11 })).toHaveLength(2);
});

test("coupons on the whole basket and voids, on which nothing was sold, are left out", async () => {
  expect(await clean({ quantity: 0, revenue: "0", discounts: ["0", "5.00", "0"] })).toEqual([]);
  expect(await clean({ quantity: 0, revenue: "0.01" })).toEqual([]);
});

test("goods for nothing are kept: they were sold", async () => {
  expect(await clean({ revenue: "0", discounts: ["1.99", "0", "0"] })).toMatchObject([
    { quantity: 1, revenue: "0.00", discount: "1.99" },
  ]);
});

test("fuel measured in thousandths of a gallon counts as one piece, and its gallons are kept exactly", async () => {
  expect(await clean({ product: 2, quantity: 10_393 })).toMatchObject([{ quantity: 1, fuel_gallons: "10.393" }]);
  expect(await clean({ product: 2, quantity: 89_638 })).toMatchObject([{ quantity: 1, fuel_gallons: "89.638" }]);
});

test("fuel paid for in advance is counted, not measured", async () => {
  expect(await clean({ product: 2, quantity: 1 })).toMatchObject([{ quantity: 1, fuel_gallons: null }]);
});

test("many pieces of something else are many pieces", async () => {
  expect(await clean({ product: 3, quantity: 144 })).toMatchObject([{ quantity: 144, fuel_gallons: null }]);
});

test("an article that is unknown, or has no type, keeps its money", async () => {
  expect(await clean({ product: 99, quantity: 3 })).toMatchObject([{ department: null, quantity: 3, revenue: "2.50" }]);
  expect(await clean({ product: 4, quantity: 200 })).toMatchObject([{ department: "MISCELLANEOUS", quantity: 200 }]);
});

test("the three kinds of discount add up to the cent", async () => {
  expect(await clean({ discounts: ["0.10", "0.20", "0.30"] })).toMatchObject([{ discount: "0.60" }]);
});
