import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { type Browser, chromium, type ConsoleMessage, type Page, type Request, type Response } from "playwright-core";
import { z } from "zod";
import { findProgram, installDebian } from "../../../ops/engines/install_debian.ts";
import { checkout } from "../../../ops/process.ts";
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

/** Where a browser is unpacked on a machine that has none. */
const HOME = path.join(checkout, ".state/engines/chromium");

/** Starts Chromium without a window: the one that `CHROMIUM` names, the system's, or Debian's, unpacked below `.state`. */
export async function startBrowser(): Promise<Browser> {
  const args = ["--no-sandbox", "--disable-background-networking"];
  const { command, libraries } = await findChromium();
  const env = libraries.length === 0 ? {} : { LD_LIBRARY_PATH: libraries.join(path.delimiter) };
  return await chromium.launch({ executablePath: command, args, env: { ...process.env, ...env } });
}

async function findChromium(): Promise<ReturnType<typeof findProgram>> {
  const named = process.env["CHROMIUM"] ?? "";
  if (named !== "") return { command: named, libraries: [] };
  // Its package has a script that looks for the program where it would be installed.
  const unpacked = path.join(HOME, "root/usr/lib/chromium/chromium");
  if (!existsSync(unpacked)) {
    mkdirSync(HOME, { recursive: true });
    await installDebian(HOME, "Chromium", "chromium");
  }
  const found = findProgram(HOME, "chromium");
  return existsSync(unpacked) ? { ...found, command: unpacked } : found;
}

/** A page of a person who has logged in, high enough for a whole dashboard: Superset loads what is seen. */
export async function logIn(
  browser: Browser,
  { url, username, password }: Pick<LocalSuperset, "url" | "username" | "password">,
): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1440, height: 2200 } });
  // The page of the login reports what it shows. Its answer brings the cookie of nobody, and where it comes after that of
  // the login, it logs out again.
  await page.route("**/superset/log/**", async (route) => {
    await route.abort();
  });
  await page.goto(`${url}/login/`);
  await page.fill("input[name=username], #username", username);
  await page.fill("input[name=password], #password", password);
  await page.click("button[type=submit], input[type=submit]");
  await page.waitForURL((address) => !address.pathname.includes("login"));
  await page.unroute("**/superset/log/**");
  return page;
}

/**
 * Opens a dashboard and waits until the page has had so many answers.
 *
 * @returns the answers, in no order
 * @throws Error with what the page shows and what went wrong on it, when they do not come
 */
export async function openDashboard(page: Page, url: string, answers: number): Promise<SeenAnswer[]> {
  const seen: Promise<SeenAnswer>[] = [];
  const events: string[] = [];
  const began = performance.now();
  const note = (event: string): void => {
    events.push(`${((performance.now() - began) / 1000).toFixed(1)} s ${event}`);
  };
  const listeners = {
    response: (response: Response): void => {
      const { pathname } = new URL(response.url());
      if (pathname.endsWith("/api/v1/chart/data")) seen.push(read(response));
      if (!pathname.startsWith("/static/")) note(`${response.status()} ${response.request().method()} ${pathname}`);
    },
    requestfailed: (request: Request): void => {
      note(`failed: ${request.url()} ${request.failure()?.errorText ?? ""}`);
    },
    console: (message: ConsoleMessage): void => {
      if (message.type() === "error") note(`console: ${message.text()}`);
    },
    pageerror: (error: Error): void => {
      note(`error: ${error.message}`);
    },
    crash: (): void => {
      note("the page crashed");
    },
  };
  for (const [name, listener] of Object.entries(listeners)) page.on(name as "crash", listener as () => void);
  try {
    await page.goto(url);
    const spinners = page.locator('[data-test="loading-indicator"]');
    // Whatever is still spinning is not shown yet, and may ask more than was expected.
    while (seen.length < answers || (await spinners.count()) > 0) {
      if (performance.now() - began > 90_000) {
        const shown = await page.locator("body").innerText();
        throw new Error(
          `${seen.length} of ${answers} answers, ${await spinners.count()} spinners\n${events.join("\n")}\nThe page: ${shown}`,
        );
      }
      await page.waitForTimeout(100);
    }
    return await Promise.all(seen);
  } finally {
    for (const [name, listener] of Object.entries(listeners)) page.off(name as "crash", listener as () => void);
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
