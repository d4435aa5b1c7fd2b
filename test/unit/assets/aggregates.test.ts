import { describe, expect, test } from "vitest";
import { type Given, runSql } from "./run_sql.ts";

describe("revenue_by_store_daily", () => {
  const columns = `basket_id BIGINT, store_id INTEGER, sold_at TIMESTAMPTZ, sales_value DECIMAL(12, 2),
    retail_discount DECIMAL(12, 2), coupon_discount DECIMAL(12, 2), coupon_match_discount DECIMAL(12, 2)`;

  test("a day ends at midnight on the store's clock, in winter and in summer", async () => {
    const times = [
      "2017-02-02 04:59:59+00",
      "2017-02-02 05:00:00+00",
      "2017-07-02 03:59:59+00",
      "2017-07-02 04:00:00+00",
    ];
    const rows = times.map((time, index) => `(${index}, 1, '${time}', 1, 0, 0, 0)`);
    const days = await runSql("retail/revenue_by_store_daily.sql", { transactions: { columns, rows } });
    expect(days.map(({ day }) => day).sort()).toEqual(["2017-02-01", "2017-02-02", "2017-07-01", "2017-07-02"]);
  });

  test("baskets are counted once, money adds up to the cent, stores stay apart", async () => {
    const noon = "'2017-02-02 17:00:00+00'";
    const rows = [
      `(1, 1, ${noon}, 0.10, 0.01, 0.02, 0.03)`,
      `(1, 1, ${noon}, 0.20, 0, 0, 0)`,
      `(2, 1, ${noon}, 0.30, 0, 0, 0)`,
      `(3, 2, ${noon}, 5.00, 0, 0, 0)`,
    ];
    const days = await runSql("retail/revenue_by_store_daily.sql", { transactions: { columns, rows } });
    expect(days).toHaveLength(2);
    expect(days).toContainEqual({ store_id: 1, day: "2017-02-02", baskets: "2", revenue: "0.60", discount: "0.06" });
    expect(days).toContainEqual({ store_id: 2, day: "2017-02-02", baskets: "1", revenue: "5.00", discount: "0.00" });
  });
});

describe("user_metrics", () => {
  const events = (...rows: readonly string[]): Given => ({
    columns: `user_id INTEGER, basket_id BIGINT, store_id INTEGER, occurred_at TIMESTAMPTZ, department VARCHAR,
      quantity INTEGER, revenue DECIMAL(12, 2), discount DECIMAL(12, 2)`,
    rows,
  });
  const demographics: Given = {
    columns: "household_id INTEGER, age VARCHAR, income VARCHAR, household_size VARCHAR",
    rows: ["(1, '25-34', '50-74K', '3')"],
  };

  test("a household's visits, pieces and money are summed up, and the survey is added", async () => {
    const cleaned_events = events(
      "(1, 10, 300, '2017-03-01 12:00:00+00', 'GROCERY', 2, 10.00, 1.00)",
      "(1, 10, 300, '2017-03-01 12:00:00+00', 'FUEL', 1, 25.00, 0.00)",
      "(1, 11, 301, '2017-04-01 12:00:00+00', 'GROCERY', 1, 20.00, 0.50)",
    );
    expect(await runSql("retail/user_metrics.sql", { cleaned_events, demographics })).toEqual([
      {
        user_id: 1,
        age: "25-34",
        income: "50-74K",
        household_size: "3",
        first_seen_at: "2017-03-01 12:00:00+00",
        last_seen_at: "2017-04-01 12:00:00+00",
        baskets: "2",
        stores: "2",
        pieces: "4",
        revenue: "55.00",
        discount: "1.50",
        revenue_per_basket: "27.50",
        favourite_department: "GROCERY",
      },
    ]);
  });

  test("a household outside the survey stays, with what is known", async () => {
    const cleaned_events = events("(2, 10, 300, '2017-03-01 12:00:00+00', NULL, 1, 10.00, 0)");
    expect(await runSql("retail/user_metrics.sql", { cleaned_events, demographics })).toMatchObject([
      { user_id: 2, age: null, favourite_department: null, revenue: "10.00" },
    ]);
  });

  test("an average that ends on half a cent rounds up, though 4.185 has no exact floating-point number", async () => {
    const cleaned_events = events(
      "(1, 10, 300, '2017-03-01 12:00:00+00', 'DELI', 1, 8.37, 0)",
      "(1, 11, 300, '2017-03-01 12:00:00+00', 'DELI', 1, 0.00, 0)",
    );
    const [user] = await runSql("retail/user_metrics.sql", { cleaned_events, demographics });
    expect(user).toMatchObject({ revenue_per_basket: "4.19" });
  });

  test("of equal favourite departments the first in the alphabet is named, so that the same data gives the same table", async () => {
    const lines = ["'SALAD'", "'DELI'", "'MEAT'"].map(
      (department, index) => `(1, ${index}, 300, '2017-03-01 12:00:00+00', ${department}, 1, 5.00, 0)`,
    );
    for (const rows of [lines, lines.toReversed()]) {
      const [user] = await runSql("retail/user_metrics.sql", { cleaned_events: events(...rows), demographics });
      expect(user).toMatchObject({ favourite_department: "DELI" });
    }
  });
});

describe("dashboard_data", () => {
  test("everybody is in one segment, and who was not surveyed is in one of their own", async () => {
    const user_metrics: Given = {
      columns: "age VARCHAR, income VARCHAR, last_seen_at TIMESTAMPTZ, baskets BIGINT, revenue DECIMAL(14, 2)",
      rows: [
        "('25-34', '50-74K', '2017-12-31 00:00:00+00', 3, 100.00)",
        "('25-34', '50-74K', '2017-12-03 00:00:00+00', 1, 50.00)",
        "('25-34', '50-74K', '2017-12-02 23:59:59+00', 1, 50.01)",
        "(NULL, NULL, '2017-06-01 00:00:00+00', 1, 599.97)",
      ],
    };
    const segments = await runSql("retail/dashboard_data.sql", { user_metrics });
    expect(segments).toHaveLength(2);
    expect(segments).toContainEqual({
      age: "25-34",
      income: "50-74K",
      households: "3",
      active_households: "2",
      baskets: "5",
      revenue: "200.01",
      revenue_per_household: "66.67",
      revenue_per_basket: "40.00",
      revenue_share: expect.closeTo(0.250018751, 6) as number,
    });
    expect(segments).toContainEqual(expect.objectContaining({ age: "Unknown", income: "Unknown", households: "1" }));
  });
});
