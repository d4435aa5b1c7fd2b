import { afterEach, expect, test, vi } from "vitest";
import type { Rows } from "../../../definitions/body.ts";
import { definedAssets } from "../../../definitions/registry.ts";
import { raw_events } from "../../../assets/retail/raw_events.ts";
import { json, scriptedServer } from "../sources/scripted_server.ts";

const GOOD = {
  basket_id: 31198570044,
  product_id: 1095275,
  household_id: 900,
  store_id: 330,
  quantity: 1,
  sales_value: "0.50",
  retail_disc: "0.00",
  coupon_disc: "0.00",
  coupon_match_disc: "0.00",
  sold_at: "2017-01-01T11:53:26Z",
  received_at: "2017-01-03T13:53:26Z",
};

afterEach(() => {
  vi.unstubAllEnvs();
});

/** What the body yields when the API sends these lines. */
async function ingest(...lines: readonly unknown[]): Promise<unknown[]> {
  await using server = await scriptedServer(json({ lines, next_cursor: null }));
  vi.stubEnv("POS_API_URL", new URL(server.url).origin);
  const body = definedAssets().find(({ key }) => key === raw_events.assetKey)?.options.body as Rows<unknown>;
  const silent = (): void => undefined;
  const log = { debug: silent, info: silent, warning: silent, error: silent };
  const signal = new AbortController().signal;
  const rows: unknown[] = [];
  for await (const page of body.rows({
    row: (row) => row,
    signal,
    log,
    partitionKeys: null,
    window: null,
    keys: null,
    cursor: null,
    saveCursor: () => undefined,
  })) {
    rows.push(...(page as readonly unknown[]));
  }
  return rows;
}

test("a line of the API becomes a row that keeps the contract", async () => {
  const rows = await ingest(GOOD);
  expect(rows.map((row) => raw_events.columns.parse(row))).toEqual([
    {
      event_id: "31198570044-1095275",
      basket_id: 31198570044,
      product_id: 1095275,
      user_id: 900,
      store_id: 330,
      occurred_at: new Date("2017-01-01T11:53:26Z"),
      received_at: new Date("2017-01-03T13:53:26Z"),
      quantity: 1,
      revenue: "0.50",
      retail_discount: "0.00",
      coupon_discount: "0.00",
      coupon_match_discount: "0.00",
    },
  ]);
});

test.each([
  ["without a household", { household_id: null }, "user_id"],
  ["with a household that is text", { household_id: "900" }, "user_id"],
  ["with half a piece", { quantity: 0.5 }, "quantity"],
  ["with money as a number", { sales_value: 0.5 }, "revenue"],
  ["with a fraction of a cent", { sales_value: "0.505" }, "revenue"],
  ["with money in another spelling", { sales_value: "$0.50" }, "revenue"],
  ["with a time without a zone", { sold_at: "2017-01-01T11:53:26" }, "occurred_at"],
  ["without a time", { sold_at: null }, "occurred_at"],
  ["with a basket beyond what a number holds", { basket_id: 2 ** 53 }, "basket_id"],
] as const)("a line %s breaks the contract and is not guessed at", async (_name, wrong, column) => {
  const [row] = await ingest({ ...GOOD, ...wrong });
  const columns = raw_events.columns.safeParse(row).error?.issues.map(({ path }) => path[0]);
  expect(columns).toEqual([column]);
});

test("a page of something else than lines is an error, not a page without lines", async () => {
  await expect(ingest("a line")).rejects.toMatchObject({ code: "invalid_page" });
});
