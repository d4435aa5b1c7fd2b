import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { HttpStatusError, getJson, pages } from "../../../resources/sources/index.ts";
import { type PosApi, startPosApi } from "../../../resources/pos_api/server.ts";

const parquetPath = "data/completejourney/transactions.parquet";
/** Counted by other means; see docs/reference_pipeline.md. */
const LINES = 1_469_307;
/** The last six weeks of them, with 223 that arrived late. */
const RECENT = { since: "2017-11-15T00:00:00Z", lines: 193_016, cents: 62_663_287n };

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
  received_at: z.iso.datetime(),
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

function keyOf({ received_at, basket_id, product_id }: Page["lines"][number]): string {
  return `${received_at} ${basket_id} ${product_id}`;
}

describe("GET /v1/lines", () => {
  test("hands out every line once, in the order of their arrival, with money to the cent", async () => {
    const seen = new Set<string>();
    let cents = 0n;
    let last = "";
    let inOrder = true;
    for await (const { lines } of read(`since=${RECENT.since}&limit=50000`)) {
      for (const each of lines) {
        seen.add(`${each.basket_id}-${each.product_id}`);
        cents += BigInt(each.sales_value.replace(".", ""));
        inOrder &&= each.received_at >= last;
        last = each.received_at;
      }
    }
    expect(inOrder).toBe(true);
    expect(seen.size).toBe(RECENT.lines);
    expect(cents).toBe(RECENT.cents);
    expect(last).toBe("2018-01-02T19:01:15Z");
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
    const christmas = "since=2017-12-25T06:00:00Z&until=2017-12-25T22:00:00Z";
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
    last: "2018-01-02T19:01:15Z",
  });
});

test("other paths are 404, other methods 405", async () => {
  expect((await fetch(`${api.url}/v1/stores`)).status).toBe(404);
  expect((await fetch(`${api.url}/v1/lines`, { method: "POST" })).status).toBe(405);
});

describe("with a clock", () => {
  let folder: string;
  let standing: PosApi;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "inbox-"));
    const inbox = { folder, parquetPath: "data/completejourney/coupon_redemptions.parquet" };
    standing = await startPosApi({ parquetPath, now: new Date("2017-01-06T12:00:00Z"), inbox });
  });
  afterAll(async () => {
    await standing.close();
    rmSync(folder, { recursive: true });
  });

  const received = async (): Promise<string[]> => {
    const all: string[] = [];
    const url = `${standing.url}/v1/lines?limit=7000`;
    for await (const { lines } of pages({ url, schema: page, nextCursor: (p) => p.next_cursor, maxAttempts: 1 }))
      all.push(...lines.map((each) => each.received_at));
    return all;
  };
  const move = (now: string): Promise<Response> => fetch(`${standing.url}/v1/clock?now=${now}`, { method: "PUT" });

  test("what head office receives later is not there until the clock is moved, and nothing comes in behind", async () => {
    const before = await received();
    expect(before.length).toBeGreaterThan(1000);
    expect(before.every((at) => at < "2017-01-06T12:00:00Z")).toBe(true);
    const answer = await move("2017-01-08T00:00:00Z");
    expect(await answer.json()).toEqual({ now: "2017-01-08T00:00:00.000Z" });
    const after = await received();
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after.slice(before.length).every((at) => at >= "2017-01-06T12:00:00Z" && at < "2017-01-08")).toBe(true);
    expect(after.length).toBeGreaterThan(before.length);
  });

  test("some lines arrive fifty hours after their sale", async () => {
    const { lines } = await getJson({ url: `${standing.url}/v1/lines?limit=50000`, schema: page });
    const late = lines.filter((each) => each.received_at !== each.sold_at);
    expect(late.length).toBeGreaterThan(0);
    expect(late.every((each) => Date.parse(each.received_at) - Date.parse(each.sold_at) === 50 * 3_600_000)).toBe(true);
  });

  test("it does not go back, and wants a time", async () => {
    for (const [now, reason] of [
      ["2017-01-01T00:00:00Z", "forward only"],
      ["noon", "now is not a time"],
      ["", "now is not a time"],
    ] as const) {
      const response = await move(now);
      expect(response.status).toBe(400);
      expect(JSON.stringify(await response.json())).toContain(reason);
    }
  });

  test("each day that has ended leaves a file in the inbox, whole and never changed", async () => {
    await move("2017-01-09T00:00:00Z");
    const days = [1, 2, 3, 4, 5, 6, 7, 8].map((day) => `redemptions_2017-01-0${day}.jsonl`);
    expect(readdirSync(folder).sort()).toEqual(days);
    for (const name of days) {
      const lines = readFileSync(join(folder, name), "utf8").trimEnd().split("\n");
      expect(JSON.parse(lines.pop() ?? "")).toEqual({ redemptions: lines.length });
      for (const each of lines) expect(each).toContain(name.slice(12, 22));
    }
    const first = statSync(join(folder, days[0] ?? "")).mtimeMs;
    await move("2017-01-10T00:00:00Z");
    expect(readdirSync(folder)).toHaveLength(9);
    expect(statSync(join(folder, days[0] ?? "")).mtimeMs).toBe(first);
  });
});

test("a file that is not there is an error at the start", async () => {
  await expect(startPosApi({ parquetPath: "data/no_such.parquet" })).rejects.toThrow("no_such.parquet");
});
