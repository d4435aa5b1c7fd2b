import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { HttpStatusError, getJson, pages } from "../../../resources/sources/index.ts";
import { type PosApi, startPosApi } from "../../../resources/pos_api/server.ts";

const parquetPath = "data/completejourney/transactions.parquet";
/** Counted by other means; see docs/reference_pipeline.md. */
const LINES = 1_469_307;

const line = z.strictObject({
  basket_id: z.int(),
  product_id: z.int(),
  household_id: z.int(),
  store_id: z.int(),
  quantity: z.int().min(0),
  sales_value: z.string().regex(/^\d+\.\d\d$/),
  retail_disc: z.string().regex(/^\d+\.\d\d$/),
  coupon_disc: z.string().regex(/^\d+\.\d\d$/),
  coupon_match_disc: z.string().regex(/^\d+\.\d\d$/),
  sold_at: z.iso.datetime(),
});
const page = z.strictObject({ lines: z.array(line), next_cursor: z.string().nullable() });
type Page = z.output<typeof page>;

let api: PosApi;
beforeAll(async () => {
  api = await startPosApi({ parquetPath });
});
afterAll(async () => {
  await api.close();
});

function read(query: string, cursor?: string): AsyncGenerator<Page, void> {
  const url = `${api.url}/v1/lines?${query}`;
  return pages({ url, schema: page, nextCursor: (p) => p.next_cursor, maxAttempts: 1, cursor });
}

async function keys(query: string, cursor?: string): Promise<string[]> {
  const all: string[] = [];
  for await (const { lines } of read(query, cursor)) all.push(...lines.map(keyOf));
  return all;
}

function keyOf({ sold_at, basket_id, product_id }: Page["lines"][number]): string {
  return `${sold_at} ${basket_id} ${product_id}`;
}

describe("GET /v1/lines", () => {
  test("hands out every line once, in the order of the sales, with money to the cent", async () => {
    const seen = new Set<string>();
    let cents = 0n;
    let last = "";
    let inOrder = true;
    for await (const { lines } of read("limit=50000")) {
      for (const each of lines) {
        seen.add(`${each.basket_id}-${each.product_id}`);
        cents += BigInt(each.sales_value.replace(".", ""));
        inOrder &&= each.sold_at >= last;
        last = each.sold_at;
      }
    }
    expect(inOrder).toBe(true);
    expect(seen.size).toBe(LINES);
    expect(cents).toBe(459_603_958n);
    expect(last).toBe("2018-01-01T04:01:20Z");
  });

  test("the size of the pages changes nothing about what is in them", async () => {
    const day = "since=2017-03-01T00:00:00Z&until=2017-03-02T00:00:00Z";
    const whole = await keys(`${day}&limit=50000`);
    expect(whole.length).toBeGreaterThan(1000);
    expect(await keys(`${day}&limit=${whole.length}`)).toEqual(whole);
    expect(await keys(`${day}&limit=${whole.length - 1}`)).toEqual(whole);
    expect(await keys(`${day}&limit=97`)).toEqual(whole);
    expect(await keys(day)).toEqual(whole);
  });

  test("windows that touch share no line and leave none out, even at a second with many lines", async () => {
    // 161 lines were sold in this second.
    const second = "2017-05-28T15:19:55Z";
    const from = "since=2017-05-28T15:00:00Z";
    const to = "until=2017-05-28T16:00:00Z";
    const before = await keys(`${from}&until=${second}&limit=100`);
    const after = await keys(`since=${second}&${to}&limit=100`);
    expect([...before, ...after]).toEqual(await keys(`${from}&${to}&limit=100`));
    expect(after.filter((key) => key.startsWith(second))).toHaveLength(161);
  });

  test("a reader that stopped goes on from its cursor, without gap or repetition", async () => {
    const day = "since=2017-03-01T00:00:00Z&until=2017-03-02T00:00:00Z&limit=500";
    const first = await getJson({ url: `${api.url}/v1/lines?${day}`, schema: page });
    if (first.next_cursor === null) throw new Error("expected a second page");
    const rest = await keys(day, first.next_cursor);
    expect([...first.lines.map(keyOf), ...rest]).toEqual(await keys(day));
  });

  test("a window without a sale is one empty page", async () => {
    const christmas = "since=2017-12-25T06:00:00Z&until=2017-12-26T05:00:00Z";
    const answer = await getJson({ url: `${api.url}/v1/lines?${christmas}`, schema: page });
    expect(answer).toEqual({ lines: [], next_cursor: null });
  });

  test("readers at the same time do not disturb each other", async () => {
    const days = [1, 2, 3, 4].map(
      (day) => `since=2017-06-0${day}T00:00:00Z&until=2017-06-0${day + 1}T00:00:00Z&limit=300`,
    );
    const apart: string[][] = [];
    for (const day of days) apart.push(await keys(day));
    expect(await Promise.all(days.map((day) => keys(day)))).toEqual(apart);
  });

  test.each([
    "limit=0",
    "limit=50001",
    "limit=-1",
    "limit=1.5",
    "limit=",
    "limit=1e3",
    "since=yesterday",
    "since=2017-01-01",
    "since=2017-01-01T00:00:00",
    "since=2017-13-01T00:00:00Z",
    "until=",
    "since=2017-02-01T00:00:00Z&until=2017-01-01T00:00:00Z",
    "cursor=",
    "cursor=12",
    "cursor=cDEy!",
    "cursor=p12",
    "limit=1&limit=2",
    "page=2",
    "limit=1;DROP%20TABLE%20lines",
  ])("%s is answered with 400 and a reason", async (query) => {
    const response = await fetch(`${api.url}/v1/lines?${query}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ error: { code: "bad_request", message: expect.any(String) as string } });
  });

  test("the client passes the reason on", async () => {
    const error: unknown = await getJson({ url: `${api.url}/v1/lines?limit=0`, schema: page }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(HttpStatusError);
    expect(String(error)).toContain("limit is not a whole number from 1 to 50000");
  });
});

test("GET /v1/health tells how many lines there are, and from when to when", async () => {
  const response = await fetch(`${api.url}/v1/health`);
  expect(await response.json()).toEqual({
    status: "ok",
    lines: LINES,
    first: "2017-01-01T11:53:26Z",
    last: "2018-01-01T04:01:20Z",
  });
});

test("other paths are 404, other methods 405", async () => {
  expect((await fetch(`${api.url}/v1/stores`)).status).toBe(404);
  expect((await fetch(`${api.url}/v1/lines`, { method: "POST" })).status).toBe(405);
});

test("a file that is not there is an error at the start", async () => {
  await expect(startPosApi({ parquetPath: "data/no_such.parquet" })).rejects.toThrow("no_such.parquet");
});
