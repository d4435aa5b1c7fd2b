import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PosApi, startPosApi } from "../../../resources/pos_api/server.ts";
import { type FaultyProxy, FAULTS, faultyProxy } from "./faulty_proxy.ts";

// The whole graph through an API that spoils some of its answers: the lines in two loads, the second from where the
// first ended, after one in between that failed. Then questions about what came of it, each answered a second time from
// the Parquet files, by SQL that shares nothing with that of the assets.

/** How much of it, and what comes of that. */
export interface GraphSize {
  /** The tills send the lines of one household in so many; the files from head office are always whole. */
  readonly householdsPerOne: number;
  /** Lines of a page. */
  readonly pageLines: number;
  /** Pages that the faults are spread over, at least. */
  readonly pages: number;
  /** Rows of the tables. */
  readonly rows: Readonly<Record<string, number>> & { readonly raw_events: number };
  /** Lines of the first load, at least. */
  readonly firstLines: number;
  /** Sums of the cleaned lines. */
  readonly money: { readonly revenue: string; readonly discount: string };
  /** Most pieces of one line. */
  readonly mostPieces: number;
}

const DATA = "data/completejourney";
/** Where the API's clock stands for the first load. */
const CLOCK = "2017-12-20T00:00:00Z";
const TABLES = [
  "raw_events",
  "transactions",
  "products",
  "demographics",
  "cleaned_events",
  "user_metrics",
  "dashboard_data",
  "revenue_by_store_daily",
  "validate_revenue",
  "rollout",
  "sales_hourly",
  "sales_daily",
  "coupon_redemptions",
];

interface Ran {
  readonly exitCode: number | null;
  readonly stderr: string;
}

/** Runs it once and asks. */
export function describeGraph(size: GraphSize): void {
  let folder: string;
  let api: PosApi;
  let proxy: FaultyProxy;
  let first: Ran;
  let breakdown: Ran & { readonly requests: number; readonly lines: unknown; readonly last: unknown };
  let ran: Ran;
  let instance: DuckDBInstance | undefined;
  let connection: DuckDBConnection;

  async function run(apiUrl: string, ...tables: readonly string[]): Promise<Ran> {
    const keys = tables.map((table) => `retail/${table}`);
    const child = spawn(process.execPath, ["runtime/main.ts", "--partitions", "2017-01-01...2018-01-01", ...keys], {
      env: {
        ...process.env,
        DUCKDB_PATH: join(folder, "warehouse.duckdb"),
        POS_API_URL: apiUrl,
        INBOX_DIR: join(folder, "inbox"),
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const [exitCode] = (await once(child, "close")) as [number | null];
    return { exitCode, stderr };
  }

  async function open(): Promise<void> {
    instance = await DuckDBInstance.create(":memory:");
    connection = await instance.connect();
    await connection.run(`SET TimeZone = 'UTC'; ATTACH '${join(folder, "warehouse.duckdb")}' AS w (READ_ONLY)`);
    for (const name of ["transactions", "products", "demographics", "coupon_redemptions"]) {
      await connection.run(`CREATE VIEW ${name} AS FROM read_parquet('${DATA}/${name}.parquet')`);
    }
    await connection.run(`CREATE VIEW lines AS FROM read_parquet('${folder}/lines.parquet')`);
  }

  /** Makes the file of the lines that the tills send. */
  async function writeLines(): Promise<void> {
    const own = await DuckDBInstance.create(":memory:");
    const writing = await own.connect();
    await writing.run(`
    COPY (FROM '${DATA}/transactions.parquet' WHERE household_id % ${size.householdsPerOne} = 0)
    TO '${folder}/lines.parquet'`);
    writing.closeSync();
    own.closeSync();
  }

  /** What the warehouse has of the lines. */
  async function loaded(): Promise<{ readonly lines: unknown; readonly last: unknown }> {
    const own = await DuckDBInstance.create(join(folder, "warehouse.duckdb"), { access_mode: "READ_ONLY" });
    const reading = await own.connect();
    try {
      const reader = await reading.runAndReadAll(
        "SELECT count(*), max(received_at) < TIMESTAMPTZ '2017-12-20 00:00:00+00' FROM retail.raw_events",
      );
      const [lines, last] = reader.getRowsJson()[0] ?? [];
      return { lines, last };
    } finally {
      reading.closeSync();
      own.closeSync();
    }
  }

  function close(): void {
    if (instance === undefined) return;
    connection.closeSync();
    instance.closeSync();
  }

  async function ask(sql: string): Promise<Record<string, unknown>[]> {
    return (await connection.runAndReadAll(sql)).getRowObjectsJson();
  }

  /** Expects two queries to return the same rows, whatever their order. */
  async function expectSame(left: string, right: string): Promise<void> {
    await connection.run(`CREATE OR REPLACE TEMP TABLE l AS ${left}; CREATE OR REPLACE TEMP TABLE r AS ${right}`);
    const [result] = await ask(`
    SELECT
      (SELECT count(*) FROM l) AS left_rows,
      (SELECT count(*) FROM r) AS right_rows,
      (SELECT count(*) FROM (FROM l EXCEPT ALL FROM r)) AS only_left,
      (SELECT count(*) FROM (FROM r EXCEPT ALL FROM l)) AS only_right`);
    expect(result).toEqual({
      left_rows: result?.["right_rows"],
      right_rows: result?.["left_rows"],
      only_left: "0",
      only_right: "0",
    });
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "reference-"));
    const inbox = { folder: join(folder, "inbox"), parquetPath: `${DATA}/coupon_redemptions.parquet` };
    await writeLines();
    api = await startPosApi({ parquetPath: join(folder, "lines.parquet"), inbox, now: new Date(CLOCK) });
    const faults = Object.values(FAULTS);
    // First each fault hits one page, then, in the second round, also the first retry of another one.
    const { pageLines } = size;
    proxy = await faultyProxy(api.url, pageLines, (count) => {
      const [turn, rest] = [Math.floor(count / 9) - 1, count % 9];
      return rest === 0 || (rest === 1 && turn >= faults.length) ? faults[turn % faults.length] : undefined;
    });
    first = await run(proxy.url, "raw_events");
    await fetch(`${api.url}/v1/clock?now=2018-02-01T00:00:00Z`, { method: "PUT" });
    await using broken = await faultyProxy(api.url, pageLines, (count) => (count > 3 ? FAULTS["500"] : undefined));
    breakdown = {
      ...(await run(broken.url, "raw_events", "cleaned_events")),
      requests: broken.requests,
      ...(await loaded()),
    };
    ran = await run(proxy.url, ...TABLES);
    if (ran.exitCode === 0) await open();
  }, 300_000);

  afterAll(async () => {
    close();
    await proxy[Symbol.asyncDispose]();
    await api.close();
    await rm(folder, { recursive: true, force: true });
  });

  describe("the whole graph, over an API that fails now and then", () => {
    test("an API that breaks down for good fails the asset with the reason, and leaves the table as it was", () => {
      expect(first.exitCode).toBe(0);
      expect(breakdown.exitCode).toBe(1);
      expect(breakdown.stderr).toContain("answered 500: out of paper. Gave up after 5 attempts");
      expect(breakdown.requests).toBe(3 + 5);
      const lines = Number(/raw_events {2}published, ([\d,]+) rows/.exec(first.stderr)?.[1]?.replaceAll(",", ""));
      expect(lines).toBeGreaterThan(size.firstLines);
      expect(breakdown).toMatchObject({ lines: String(lines), last: true });
      expect(ran.stderr).toContain(
        `raw_events  published, ${(size.rows.raw_events - lines).toLocaleString("en")} rows`,
      );
    });

    test("is published, each fault having been met and logged", () => {
      expect(ran.stderr).toContain("retail/dashboard_data");
      expect(ran.exitCode).toBe(0);
      expect(proxy.requests).toBeGreaterThan(size.pages + Object.keys(FAULTS).length);
      for (const said of [
        "answered 500: out of paper",
        "answered 429",
        "is not JSON",
        "leads back to an earlier page",
      ]) {
        expect(first.stderr + ran.stderr).toContain(said);
      }
    });

    test.each(Object.entries(size.rows))("%s has %s rows", async (table, rows) => {
      expect(await ask(`SELECT count(*) AS n FROM w.retail.${table}`)).toEqual([{ n: String(rows) }]);
    });

    test("the four checks that the page tells of fail, and only warn; all others pass", async () => {
      const checks = await ask(`
      SELECT DISTINCT c ->> 'passed' AS passed, asset_key || '.' || (c ->> 'name') AS name, c ->> 'severity' AS severity
      FROM (SELECT asset_key, unnest(from_json(report -> 'checks', '["JSON"]')) AS c FROM w._dagster_typescript.ledger)
      ORDER BY ALL`);
      expect(checks.length).toBeGreaterThan(40);
      for (const table of ["sales_hourly", "sales_daily"])
        expect(checks).toContainEqual({ passed: "true", name: `retail/${table}.revenue_adds_up`, severity: "ERROR" });
      expect(checks.filter(({ passed }) => passed !== "true")).toEqual(
        [
          "retail/cleaned_events.references_product_id",
          "retail/products.not_null_product_type",
          "retail/raw_events.between_quantity",
          "retail/transactions.no_outsized_sale",
        ].map((name) => ({ passed: "false", name, severity: "WARN" })),
      );
    });

    const cents = (column: string): string => `CAST(round(${column} * 100) AS BIGINT)`;

    test("raw_events holds every line of the file once, with its time and its money", async () => {
      await expectSame(
        `SELECT event_id, user_id::BIGINT, store_id::BIGINT, quantity::BIGINT, occurred_at, (revenue * 100)::BIGINT,
         (retail_discount * 100)::BIGINT, (coupon_discount * 100)::BIGINT, (coupon_match_discount * 100)::BIGINT
       FROM w.retail.raw_events`,
        `SELECT concat(basket_id, '-', product_id), household_id, store_id, quantity,
         timezone('UTC', transaction_timestamp), ${cents("sales_value")}, ${cents("retail_disc")},
         ${cents("coupon_disc")}, ${cents("coupon_match_disc")}
       FROM lines`,
      );
    });

    test("transactions holds every line of the file once, with its time and its money", async () => {
      await expectSame(
        `SELECT basket_id, product_id::BIGINT, household_id::BIGINT, store_id::BIGINT, quantity::BIGINT, sold_at,
         (sales_value * 100)::BIGINT, (retail_discount * 100)::BIGINT
       FROM w.retail.transactions`,
        `SELECT basket_id, product_id, household_id, store_id, quantity,
         timezone('UTC', transaction_timestamp), ${cents("sales_value")}, ${cents("retail_disc")}
       FROM transactions`,
      );
    });

    test("products and demographics are the files, column by column", async () => {
      for (const [table, id] of [
        ["products", "product_id"],
        ["demographics", "household_id"],
      ] as const) {
        const rest = `* EXCLUDE (${table === "products" ? "product_id, manufacturer_id" : "household_id"})`;
        await expectSame(`SELECT ${id}::BIGINT, ${rest} FROM w.retail.${table}`, `SELECT ${id}, ${rest} FROM ${table}`);
      }
    });

    test("cleaned_events keeps the lines on which something was sold, and the money on them", async () => {
      await expectSame(
        `SELECT event_id, department, (revenue * 100)::BIGINT, (discount * 100)::BIGINT,
         CASE WHEN fuel_gallons IS NULL THEN quantity ELSE (fuel_gallons * 1000)::BIGINT END
       FROM w.retail.cleaned_events`,
        `SELECT concat(basket_id, '-', product_id), (SELECT p.department FROM products p WHERE p.product_id = t.product_id),
         ${cents("sales_value")}, ${cents("retail_disc")} + ${cents("coupon_disc")} + ${cents("coupon_match_disc")}, quantity
       FROM lines t WHERE quantity <> 0`,
      );
      expect(
        await ask("SELECT sum(revenue) AS revenue, sum(discount) AS discount FROM w.retail.cleaned_events"),
      ).toEqual([size.money]);
    });

    test("fuel, and fuel alone, is taken as measured", async () => {
      const [fuel] = await ask(`
      SELECT count(*) AS n, sum(fuel_gallons) AS gallons, bool_and(quantity = 1) AS one_piece
      FROM w.retail.cleaned_events WHERE fuel_gallons IS NOT NULL`);
      const [direct] = await ask(`
      SELECT count(*) AS n, CAST(sum(quantity) / 1000 AS DECIMAL(38, 3)) AS gallons
      FROM lines
      WHERE quantity > 100 AND product_id IN (SELECT product_id FROM products WHERE starts_with(product_type, 'GASOLINE'))`);
      expect(fuel).toEqual({ ...direct, one_piece: true });
      const [rest] = await ask("SELECT max(quantity) AS most FROM w.retail.cleaned_events WHERE fuel_gallons IS NULL");
      expect(rest).toEqual({ most: size.mostPieces });
    });

    test("user_metrics says of each household what its lines say", async () => {
      await expectSame(
        `SELECT user_id::BIGINT, age, income, first_seen_at, last_seen_at, baskets, stores, (revenue * 100)::BIGINT,
         (revenue_per_basket * 100)::BIGINT
       FROM w.retail.user_metrics`,
        `WITH sold AS (SELECT *, ${cents("sales_value")} AS value FROM lines WHERE quantity > 0)
       SELECT h.household_id, d.age, d.income,
         timezone('UTC', h.first_at), timezone('UTC', h.last_at), h.baskets, h.stores, h.value,
         (2 * h.value + h.baskets) // (2 * h.baskets)
       FROM (
         SELECT household_id, min(transaction_timestamp) AS first_at, max(transaction_timestamp) AS last_at,
           len(list_distinct(list(basket_id)))::BIGINT AS baskets, len(list_distinct(list(store_id)))::BIGINT AS stores,
           sum(value)::BIGINT AS value
         FROM sold GROUP BY household_id
       ) AS h
       LEFT JOIN demographics AS d ON d.household_id = h.household_id`,
      );
    });

    test("dashboard_data adds up to all households and all revenue", async () => {
      const [total] = await ask(`
      SELECT sum(households) AS households, sum(baskets) AS baskets, sum(revenue) AS revenue,
        round(sum(revenue_share), 9) AS share
      FROM w.retail.dashboard_data`);
      const [direct] = await ask(`
      SELECT count(DISTINCT household_id) AS households, count(DISTINCT basket_id) AS baskets,
        CAST(sum(${cents("sales_value")}) / 100 AS DECIMAL(38, 2)) AS revenue, 1.0::DOUBLE AS share
      FROM lines WHERE quantity > 0`);
      expect(total).toMatchObject({ households: direct?.["households"], revenue: direct?.["revenue"], share: 1 });
      expect(total).toMatchObject({ baskets: direct?.["baskets"] });
    });

    test("revenue_by_store_daily is the file's, on the clock by which the chain counts its weeks", async () => {
      await expectSame(
        "SELECT store_id::BIGINT, day, baskets, (revenue * 100)::BIGINT FROM w.retail.revenue_by_store_daily",
        `SELECT store_id, CAST(timezone('America/New_York', timezone('UTC', transaction_timestamp)) AS DATE),
         count(DISTINCT basket_id), sum(${cents("sales_value")})::BIGINT
       FROM transactions GROUP BY ALL`,
      );
      // Week 1 is Sunday, 1 January; the others begin on Mondays.
      const [other] = await ask(`
      SELECT count(*) AS n FROM transactions
      WHERE week <> 1 + (CAST(timezone('America/New_York', timezone('UTC', transaction_timestamp)) AS DATE)
        - DATE '2016-12-26') // 7`);
      expect(other).toEqual({ n: "0" });
    });

    test("sales_hourly and sales_daily are the cleaned lines, by the hour and by the day", async () => {
      for (const [table, unit, time] of [
        ["sales_hourly", "hour", "hour"],
        ["sales_daily", "day", "timezone('UTC', day::TIMESTAMP)"],
      ] as const) {
        await expectSame(
          `SELECT ${time} AS at, department, lines, baskets, pieces, revenue, discount FROM w.retail.${table}`,
          `SELECT date_trunc('${unit}', occurred_at), coalesce(department, 'UNKNOWN'), count(*),
           len(list_distinct(list(basket_id)))::BIGINT, sum(quantity)::BIGINT, sum(revenue)::DECIMAL(14, 2),
           sum(discount)::DECIMAL(14, 2)
         FROM w.retail.cleaned_events GROUP BY ALL`,
        );
      }
    });

    test("coupon_redemptions holds every redemption of the file, from the files of the inbox", async () => {
      await expectSame(
        "SELECT household_id::BIGINT, coupon_upc, campaign_id::BIGINT, redeemed_on FROM w.retail.coupon_redemptions",
        "SELECT household_id, coupon_upc, campaign_id, redemption_date::DATE FROM coupon_redemptions",
      );
    });
  });
}
