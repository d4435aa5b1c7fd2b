import { existsSync } from "node:fs";
import { type Browser, chromium, type Page, type Response } from "playwright-core";
import { z } from "zod";
import type { LocalSuperset } from "../../integration/superset/local_superset.ts";

/** An answer that a page got for a chart or for the values of a filter. */
export interface SeenAnswer {
  /** Superset's number of the chart; `null`: the values of a filter. */
  readonly chartId: number | null;
  readonly status: number;
  readonly isCached: boolean;
  readonly data: unknown;
  /** What the page asked. */
  readonly queries: unknown;
}

const body = z.looseObject({
  result: z.array(z.looseObject({ is_cached: z.boolean().nullish(), data: z.unknown() })).optional(),
});

/** Starts the system's Chromium without a window. */
export async function startBrowser(): Promise<Browser> {
  const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const executablePath = process.env["CHROMIUM"] ?? places.find((place) => existsSync(place));
  if (executablePath === undefined)
    throw new Error("no Chromium on this machine: install Debian's package chromium, or name one in CHROMIUM");
  return await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-background-networking"] });
}

/** A page of a person who has logged in, high enough for a whole dashboard: Superset loads what is seen. */
export async function logIn(
  browser: Browser,
  { url, username, password }: Pick<LocalSuperset, "url" | "username" | "password">,
): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1440, height: 2200 } });
  await page.goto(`${url}/login/`);
  await page.fill("input[name=username], #username", username);
  await page.fill("input[name=password], #password", password);
  await page.click("button[type=submit], input[type=submit]");
  await page.waitForURL((address) => !address.pathname.includes("login"));
  return page;
}

/** Opens a dashboard and waits until the page has had so many answers. @returns the answers, in no order */
export async function openDashboard(page: Page, url: string, answers: number): Promise<SeenAnswer[]> {
  const seen: Promise<SeenAnswer>[] = [];
  const listen = (response: Response): void => {
    if (new URL(response.url()).pathname.endsWith("/api/v1/chart/data")) seen.push(read(response));
  };
  page.on("response", listen);
  try {
    await page.goto(url);
    const deadline = performance.now() + 90_000;
    while (seen.length < answers && performance.now() < deadline) await page.waitForTimeout(100);
    // Whatever is still spinning is not shown yet; more questions than expected would come now.
    await page.waitForLoadState("networkidle");
    return await Promise.all(seen);
  } finally {
    page.off("response", listen);
  }
}

async function read(response: Response): Promise<SeenAnswer> {
  const form = new URL(response.url()).searchParams.get("form_data");
  const { slice_id: chartId = null } = z.object({ slice_id: z.number().optional() }).parse(JSON.parse(form ?? "{}"));
  const { result = [] } = body.parse(await response.json());
  return {
    chartId,
    status: response.status(),
    isCached: result.length > 0 && result.every(({ is_cached: cached }) => cached === true),
    data: result.map(({ data }) => data),
    queries: (response.request().postDataJSON() as { readonly queries: unknown }).queries,
  };
}
