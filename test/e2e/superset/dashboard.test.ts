import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bar, bigNumber, pie, table, timeSeries } from "../../../definitions/superset/chart.ts";
import { timeFilter, valueFilter } from "../../../definitions/superset/dashboard_filter.ts";
import {
  dashboardUrl,
  dashboardUuid,
  type DashboardPlan,
  syncDashboard,
} from "../../../resources/superset/dashboard.ts";
import { warmDashboard } from "../../../resources/superset/warm.ts";
import { Server } from "../../integration/postgres/server.ts";
import { type LocalSuperset, localSuperset, SUPERSET_TIMEOUT_MS } from "../../integration/superset/local_superset.ts";
import { makeShop, type Shop } from "../../integration/superset/shop.ts";
import { logIn, openDashboard, startBrowser } from "./browser.ts";

let server: Server;
let superset: LocalSuperset;
let shop: Shop;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  [superset, server, browser] = await Promise.all([localSuperset(), Server.start(), startBrowser()]);
  shop = await makeShop(superset.client(), server, "seen");
  page = await logIn(browser, superset);
}, SUPERSET_TIMEOUT_MS);
afterAll(async () => {
  await browser.close();
  await server.stop();
});

/** A chart of each kind. */
function plan(filters: DashboardPlan["filters"]): DashboardPlan {
  const { sales } = shop;
  return {
    name: filters.length === 0 ? "seen" : "seen_filtered",
    title: "Seen",
    charts: [
      bigNumber("revenue", { dataset: sales, metric: "revenue", format: ",d" }),
      bigNumber("lines", { dataset: sales, metric: "lines", format: ",d" }),
      timeSeries("by_month", { dataset: sales, time: "day", grain: "month", metrics: ["revenue"], by: "department" }),
      timeSeries("by_day", { dataset: sales, time: "day", metrics: ["revenue", "lines"] }),
      bar("by_department", { dataset: sales, metrics: ["revenue", "lines"], by: "department" }),
      pie("shares", { dataset: sales, metric: "revenue", by: "department" }),
      table("departments", { dataset: sales, metrics: ["revenue", "lines"], by: ["department"], format: ",d" }),
    ],
    filters,
    datasets: shop.datasets,
  };
}

const filtered: DashboardPlan["filters"] = [];
test.each([
  { title: "without filters", where: "true", values: ["MEAT", "DELI", "FUEL"], filters: filtered },
  {
    title: "with filters that choose something at once",
    where: "department IN ('MEAT', 'DELI') AND day >= '2017-02-01' AND day < '2017-06-01'",
    values: ["MEAT", "DELI"],
    filters: "default",
  },
])(
  "every kind of chart shows the store's numbers, all of them from the cache, $title",
  async ({ where, values, filters }) => {
    const own = plan(
      filters === "default"
        ? [
            timeFilter("period", { default: "2017-02-01 : 2017-06-01" }),
            valueFilter("department", { dataset: shop.sales, column: "department", default: ["MEAT", "DELI"] }),
          ]
        : [],
    );
    const client = superset.client();
    await syncDashboard(client, own);
    await shop.publish(7);
    await shop.sync(7);
    const outcomes = await warmDashboard([{ role: null, client }], dashboardUuid(own.name), { concurrency: 4 });
    expect(outcomes.filter(({ fault }) => fault !== null)).toEqual([]);

    const answers = await openDashboard(page, dashboardUrl(client, own.name), outcomes.length);
    expect(answers).toHaveLength(outcomes.length);
    const cold = answers.filter(({ status, isCached }) => status !== 200 || !isCached);
    expect(cold.map(({ chartId, queries }) => JSON.stringify([chartId, queries]))).toEqual([]);

    const rows = await server.sql(
      `SELECT department, sum(amount), count(*) FROM seen.sales WHERE ${where} GROUP BY 1 ORDER BY 2 DESC`,
    );
    expect(rows.map(([department]) => department).toSorted()).toEqual(values.toSorted());
    const grouped = (text: string | null | undefined): string => Number(text).toLocaleString("en-US");
    const shown = rows.map(([department = "", sum, lines]) => [department, grouped(sum), grouped(lines)]);
    await expect.poll(() => tableOf(page), { timeout: 30_000 }).toEqual(shown);
    const total = (index: number): string => grouped(String(rows.reduce((sum, row) => sum + Number(row[index]), 0)));
    await expect.poll(() => page.locator(".header-line").allTextContents()).toEqual([total(1), total(2)]);
    // Lines, bars and slices are painted: on each canvas there is more than one colour.
    await expect.poll(() => paintedCanvases(page), { timeout: 30_000 }).toBe(4);
    if (process.env["SCREENSHOTS"] !== undefined)
      await page.screenshot({ path: `${process.env["SCREENSHOTS"]}/${own.name}.png` });
  },
);

async function tableOf(from: Page): Promise<string[][]> {
  const rows = await from.locator("table tbody tr").all();
  return await Promise.all(
    rows.map(async (row) => (await row.locator("td").allTextContents()).map((text) => text.trim())),
  );
}

/** How many of the charts' canvases have something on them. */
async function paintedCanvases(from: Page): Promise<number> {
  return await from.locator("canvas").evaluateAll((canvases) => {
    const painted = (canvases as unknown as Canvas[]).filter((canvas) => {
      const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      const colours = new Set<string>();
      for (let at = 0; at < pixels.length; at += 4)
        if (pixels[at + 3] === 255) colours.add(pixels.slice(at, at + 3).join());
      return colours.size > 1;
    });
    return painted.length;
  });
}

/** What is used of the browser's own type, which a project for Node does not know. */
interface Canvas {
  readonly width: number;
  readonly height: number;
  getContext(kind: "2d"): {
    getImageData(x: number, y: number, width: number, height: number): { readonly data: Uint8ClampedArray };
  };
}
