import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { assetFile, createProject, type Launch, type PipesMessage, type Project } from "./project.ts";

const KEY = "a/x";
const columns = `columns: z.strictObject({ id: z.int32().nullable(), t: z.string() })`;

/** An asset whose rows are as many as the file says, some of them with NULL. */
const counted = (checks: string, body = ""): string =>
  assetFile(
    KEY,
    `${columns}, checks: [${checks}], body: ${body === "" ? "{ async *rows({ row }) { for (let i = 0; i < Number(process.env.ROWS); i += 1) yield row({ id: i < Number(process.env.NULLS ?? 0) ? null : i, t: `x${i}` }); } }" : body}`,
  );

interface Verdict {
  readonly passed: boolean;
  readonly metadata: Readonly<Record<string, unknown>>;
}

async function launch(
  project: Project,
  options: Launch = {},
  key = KEY,
): Promise<{ readonly outcome: string; readonly checks: Readonly<Record<string, Verdict>>; readonly text: string }> {
  const run = project.launch(key, options);
  const { code, stderr } = await run.ended;
  const messages = run.messages();
  expect(code, stderr + JSON.stringify(messages.at(-1))).toBe(0);
  return { outcome: outcomeOf(messages), checks: checksOf(messages), text: JSON.stringify(messages) };
}

function outcomeOf(messages: readonly PipesMessage[]): string {
  return /"outcome":"(\w+)"/.exec(JSON.stringify(messages))?.[1] ?? "none";
}

function checksOf(messages: readonly PipesMessage[]): Record<string, Verdict> {
  const checks = messages.filter(({ method }) => method === "report_asset_check").map(({ params }) => params);
  return Object.fromEntries(
    checks.map((check) => {
      const metadata = Object.entries(check["metadata"] as Record<string, { raw_value: unknown }>);
      const values = Object.fromEntries(metadata.map(([name, value]) => [name, value.raw_value]));
      return [String(check["check_name"]), { passed: check["passed"] as boolean, metadata: values }];
    }),
  );
}

const rows = (count: number, nulls = 0): Launch => ({ env: { ROWS: String(count), NULLS: String(nulls) } });

test("a drift is measured against the last publishes, and a refused run is none of them", async () => {
  const project = createProject({
    "assets/a/x.ts": counted(`d.rowCountDrift({ max: 0.2, last: 3 }), d.nullRateDrift("id", { max: 0.1 })`),
  });
  for (const [count, nulls] of [
    [100, 0],
    [110, 5],
    [90, 0],
  ] as const)
    // prettier-ignore
    expect(await launch(project, rows(count, nulls))).toMatchObject({ outcome: "published" });
  const fewer = await launch(project, rows(50));
  expect(fewer.outcome).toBe("refused");
  expect(fewer.checks["row_count_drift"]?.metadata).toMatchObject({ measured: "50 rows; median of 3: 100" });
  expect((await launch(project, rows(100, 20))).checks["null_rate_drift_id"]).toMatchObject({
    passed: false,
    metadata: { published: false, measured: "20 % NULL; median of 3: 0 %" },
  });
  expect(await launch(project, rows(119, 11))).toMatchObject({ outcome: "published" });
  expect(await project.query("SELECT count(*) FROM a.x")).toEqual([["119"]]);
});

test("each verdict carries its counts, its share, its threshold and some of the rows, cut and without secrets", async () => {
  const project = createProject({
    "assets/a/x.ts": counted(
      `d.warn(d.keepFailedRows(d.between("id", { min: 2 }))), d.warn(d.recent("at", "1h")), d.allow(0.5, d.notNull("t")),
       d.warn(d.tsCheck("secret", () => [{ token: process.env.MY_TOKEN, "a|b": "x".repeat(500) }])),
       d.warn(d.tsCheck("broken", () => { throw new Error("no " + process.env.MY_TOKEN); }))`,
      `sql\`SELECT CAST(id AS INTEGER) AS id, 't' AS t, TIMESTAMPTZ '2020-01-01 00:00:00+00' AS at FROM range(4) AS r(id)\``,
    ).replace("t: z.string()", "t: z.string(), at: d.timestamp()"),
  });
  const { outcome, checks, text } = await launch(project, { env: { MY_TOKEN: "hunter2-hunter2" } });
  expect(outcome).toBe("published");
  expect(text).not.toContain("hunter2");
  expect(checks["between_id"]).toMatchObject({
    passed: false,
    metadata: { failed_rows: 2, checked_rows: 4, failed_share: 0.5, threshold: "any row" },
  });
  expect(String(checks["between_id"]?.metadata["failed_sample"])).toContain("| 0 | t |");
  expect(checks["not_null_t"]).toMatchObject({ passed: true, metadata: { threshold: "more than 50 % of the rows" } });
  expect(checks["recent_at"]?.metadata["measured"]).toMatch(/^2020-01-01T00:00:00.000Z, \d+\.\d h before/);
  const shown = String(checks["secret"]?.metadata["failed_sample"]);
  expect(shown).toContain("redacted");
  expect(shown.length).toBeLessThan(200);
  expect(checks["broken"]).toMatchObject({ passed: false, metadata: { error: "no [redacted]" } });
  expect(
    await project.query("SELECT check_name, value ->> 'id' FROM _dagster_typescript.failed_rows ORDER BY 2"),
  ).toEqual([["between_id", "0"], ["between_id", "1"]]); // prettier-ignore
});

test("a blocking check that cannot be run refuses the publish, and is no skipped one; the failed rows are kept", async () => {
  const project = createProject({ "assets/a/x.ts": counted("") });
  await launch(project, rows(2));
  project.write({
    "assets/a/x.ts": counted(
      `d.keepFailedRows(d.notNull("id")), d.sqlCheck("broken", sql\`SELECT * FROM \${self} WHERE CAST(t AS INTEGER) = id\`)`,
      `sql\`SELECT CAST(NULL AS INTEGER) AS id, 't' AS t UNION ALL SELECT 1, 't'\``,
    ),
  });
  const { outcome, checks } = await launch(project);
  expect(outcome).toBe("refused");
  expect(checks["broken"]).toMatchObject({
    passed: false,
    metadata: { published: false, error: expect.stringContaining("Could not convert") as unknown },
  });
  expect(checks["not_null_id"]).toMatchObject({ passed: false, metadata: { failed_rows: 1 } });
  expect(await project.query("SELECT count(*) FROM a.x")).toEqual([["2"]]);
  expect(await project.query("SELECT check_name FROM _dagster_typescript.failed_rows")).toEqual([["not_null_id"]]);

  // Only a warning; but in DuckDB it ends the transaction of the rows.
  project.write({
    "assets/a/x.ts": counted(
      `d.warn(d.sqlCheck("broken", sql\`SELECT * FROM \${self} WHERE CAST(t AS INTEGER) = id\`))`,
      `sql\`SELECT 1 AS id, 't' AS t\``,
    ),
  });
  expect(await launch(project)).toMatchObject({ outcome: "refused" });
  expect(await project.query("SELECT count(*) FROM a.x")).toEqual([["2"]]);
});

test("partitions are each held to what is about all rows: their number, its drift, how recent they are, their sum", async () => {
  const lines = assetFile(
    "a/lines",
    `columns: z.strictObject({ sold_at: d.timestamp(), amount: d.decimal(12, 2) }),
     body: sql\`SELECT TIMESTAMPTZ '2024-01-01 00:00:00+00' + INTERVAL (h) HOUR AS sold_at, CAST(1.25 AS DECIMAL(12, 2)) AS amount FROM range(96) AS r(h)\``,
  );
  const byDay = (where: string): string =>
    assetFile(
      "a/days",
      `columns: z.strictObject({ sold_at: d.timestamp(), amount: z.number() }), partitions: d.daily("sold_at", { start: "2024-01-01" }),
       checks: [d.rowCountDrift({ max: 0.1 }), d.recent("sold_at", "1h"),
         d.sameSum("amount", lines, "amount", { where: sql\`sold_at >= \${d.window.start} AND sold_at < \${d.window.end}\` })],
       body: sql\`SELECT sold_at, CAST(amount AS DOUBLE) AS amount FROM \${lines} WHERE sold_at >= \${d.window.start} AND sold_at < \${d.window.end} \${sql\`${where}\`}\``,
      `import { lines } from "./lines.ts";`,
    );
  const project = createProject({ "assets/a/lines.ts": lines, "assets/a/days.ts": byDay("") });
  await launch(project, {}, "a/lines");
  const window = (first: number, last: number): { start: string; end: string } => ({
    start: `2024-01-0${first}T00:00:00Z`,
    end: `2024-01-0${last + 1}T00:00:00Z`,
  });
  const of = (...days: number[]): Launch => ({
    partitionKeys: days.map((day) => `2024-01-0${day}`),
    window: window(days[0] ?? 1, days.at(-1) ?? 1),
    windows: days.map((day) => window(day, day)),
  });
  const first = await launch(project, of(1, 2), "a/days");
  expect(first.outcome, first.text).toBe("published");
  expect(first.checks).toMatchObject({
    row_count_drift: { passed: true },
    recent_sold_at: { passed: true },
    same_sum_amount: { passed: true, metadata: { measured: "60 here, 60.00 there" } },
  });
  // An hour of the fourth day is missing, and the third has one row too few.
  project.write({
    "assets/a/days.ts": byDay("AND hour(sold_at) < 23 AND sold_at <> TIMESTAMPTZ '2024-01-03 05:00:00+00'"),
  });
  const second = await launch(project, of(3, 4), "a/days");
  expect(second.outcome).toBe("refused");
  expect(second.checks["row_count_drift"]).toMatchObject({ passed: true });
  expect(second.checks["recent_sold_at"]).toMatchObject({ passed: false, metadata: { failed_rows: 2 } });
  expect(String(second.checks["recent_sold_at"]?.metadata["measured"])).toMatch(/^2024-01-03: 2024-01-03T22:00:00.000Z, 2.0 h before 2024-01-04/); // prettier-ignore
  expect(second.checks["same_sum_amount"]).toMatchObject({ passed: false });
  expect(second.text).toContain(
    '["row_count_drift",true,0,22],["recent_sold_at",false,1,22],["same_sum_amount",false,null,null]',
  );
});

test("checks alone look at the published rows of the partitions that are named, and publish nothing", async () => {
  const days = (checks: string): string =>
    assetFile(
      "a/x",
      `columns: z.strictObject({ day: d.date(), n: z.int32() }), partitions: d.daily("day", { start: "2024-01-01" }),
       checks: [${checks}],
       body: { async *rows({ row }) { for (let n = 0; n < 5; n += 1) yield row({ day: "2024-01-0" + (n < 2 ? 1 : 2), n }); } }`,
    );
  const project = createProject({ "assets/a/x.ts": days("") });
  const window = (first: number, last: number): { start: string; end: string } => ({
    start: `2024-01-0${first}T00:00:00Z`,
    end: `2024-01-0${last + 1}T00:00:00Z`,
  });
  const both: Launch = {
    partitionKeys: ["2024-01-01", "2024-01-02"],
    window: window(1, 2),
    windows: [window(1, 1), window(2, 2)],
  };
  await launch(project, both);
  const before = await project.query("SELECT count(*) FROM _dagster_typescript.ledger");
  project.write({
    "assets/a/x.ts": days(`d.rowCount({ min: 3 }), d.between("n", { max: 3 }), d.unique("n"), d.recent("day", "1d")`),
  });
  const checksOnly = ["row_count", "between_n", "recent_day"];
  const { outcome, checks, text } = await launch(project, { ...both, checksOnly });
  expect(outcome).toBe("checked");
  expect(Object.entries(checks).map(([name, { passed }]) => [name, passed])).toEqual([
    ...[["row_count", false], ["between_n", false], ["recent_day", true]],
  ]); // prettier-ignore
  expect(text).toContain('"checks":[["row_count",false,1,2],["between_n",true,0,2],["recent_day",true,0,2]]');
  expect(text).not.toContain("report_asset_materialization");
  const second: Launch = { partitionKeys: ["2024-01-02"], window: window(2, 2), checksOnly };
  expect((await launch(project, second)).checks).toMatchObject({
    row_count: { passed: true, metadata: { published: true } },
    between_n: { passed: false, metadata: { failed_rows: 1, checked_rows: 3 } },
  });
  expect((await launch(project, { checksOnly })).checks["between_n"]?.metadata).toMatchObject({ checked_rows: 5 });
  expect(await project.query("SELECT count(*) FROM _dagster_typescript.ledger")).toEqual(before);
  expect(project.staging()).toEqual([]);
});

test("the SQL of a check says the window and the keys of its run; of the whole table those of all partitions", async () => {
  const shops = ["a", "it's"];
  const lines = assetFile(
    "a/lines",
    `columns: z.strictObject({ sold_at: d.timestamp(), shop: z.string(), amount: d.decimal(12, 2) }),
     body: sql\`SELECT TIMESTAMPTZ '2024-01-01 00:00:00+00' + INTERVAL (h) HOUR AS sold_at, s AS shop, CAST(1.25 AS DECIMAL(12, 2)) AS amount
       FROM range(96) AS r(h), (VALUES ('a'), ('it''s')) AS shops(s)\``,
  );
  const inRun = `sold_at >= \${d.window.start} AND sold_at < \${d.window.end} AND shop IN \${d.keys}`;
  const cells = (missing: string): string =>
    assetFile(
      "a/cells",
      `columns: z.strictObject({ sold_at: d.timestamp(), shop: z.string(), amount: d.decimal(12, 2) }),
       partitions: d.twoDimensional(d.daily("sold_at", { start: "2024-01-01", end: "2024-01-05" }), d.staticKeys("shop", ${JSON.stringify(shops)})),
       checks: [
         d.sqlCheck("adds_up", sql\`SELECT own.amount, theirs.amount AS theirs
           FROM (SELECT coalesce(sum(amount), 0) AS amount FROM \${self}) AS own
           CROSS JOIN (SELECT coalesce(sum(amount), 0) AS amount FROM \${lines} WHERE ${inRun}) AS theirs
           WHERE own.amount <> theirs.amount\`),
         d.sameSum("amount", lines, "amount", { where: sql\`${inRun}\` }), d.rowCount({ min: 24, max: 24 }), d.recent("sold_at", "1h"),
       ],
       body: sql\`SELECT sold_at, shop, amount FROM \${lines} WHERE ${inRun} AND sold_at <> CAST(\${${JSON.stringify(missing)}} AS TIMESTAMPTZ)\``,
      `import { lines } from "./lines.ts";`,
    );
  const project = createProject({ "assets/a/lines.ts": lines, "assets/a/cells.ts": cells("1970-01-01") });
  await launch(project, {}, "a/lines");
  const day = (first: number, last = first): { start: string; end: string } => ({
    start: `2024-01-0${first}T00:00:00Z`,
    end: `2024-01-0${last + 1}T00:00:00Z`,
  });
  const of = (first: number, last: number, ...values: string[]): Launch => {
    const days = Array.from({ length: last - first + 1 }, (_, index) => first + index);
    const all = days.flatMap((number) => values.map((value) => ({ number, value })));
    return {
      partitionKeys: all.map(({ number, value }) => `2024-01-0${number}|${value}`),
      window: day(first, last),
      windows: all.map(({ number }) => day(number)),
      values: all.map(({ value }) => value),
    };
  };
  const passed = ({ checks }: Awaited<ReturnType<typeof launch>>): unknown =>
    Object.fromEntries(Object.entries(checks).map(([name, verdict]) => [name, verdict.passed]));
  const fine = { adds_up: true, same_sum_amount: true, row_count: true, recent_sold_at: true };
  expect(passed(await launch(project, of(1, 2, ...shops), "a/cells"))).toEqual(fine);
  // An hour of the third day is missing, in both shops.
  project.write({ "assets/a/cells.ts": cells("2024-01-03T05:00:00Z") });
  const refused = await launch(project, of(3, 4, ...shops), "a/cells");
  expect(refused.outcome).toBe("refused");
  expect(passed(refused)).toEqual({ ...fine, adds_up: false, same_sum_amount: false, row_count: false });
  expect(refused.text).toContain(
    `{"key":"2024-01-04|it's","row_count":null,"data_version":null,"checks":[["adds_up",false,null,null],["same_sum_amount",false,null,null],["row_count",true,0,24],["recent_sold_at",true,0,24]]}`,
  );
  expect(passed(await launch(project, of(4, 4, "it's"), "a/cells"))).toEqual(fine);

  const checksOnly = Object.keys(fine);
  const some = await launch(project, { ...of(1, 2, "it's"), checksOnly }, "a/cells");
  expect(passed(some)).toEqual(fine);
  expect(some.text).toContain(`{"key":"2024-01-02|it's","row_count":null,"data_version":null,"checks":[["adds_up"`);
  const all = ["adds_up", "same_sum_amount"];
  const whole = await launch(project, { checksOnly: all }, "a/cells");
  expect(passed(whole)).toEqual({ adds_up: false, same_sum_amount: false });
  expect(whole.checks["same_sum_amount"]?.metadata).toMatchObject({ measured: "150.00 here, 240.00 there" });
  project.write({ "assets/a/cells.ts": cells("1970-01-01") });
  await launch(project, of(3, 4, ...shops), "a/cells");
  expect(passed(await launch(project, { checksOnly: all }, "a/cells"))).toEqual({
    adds_up: true,
    same_sum_amount: true,
  });
});

test("checks alone of a table that is not there fail, and make none", async () => {
  const project = createProject({ "assets/a/x.ts": counted(`d.notNull("id")`) });
  const run = project.launch(KEY, { checksOnly: ["not_null_id"] });
  expect((await run.ended).code).not.toBe(0);
  expect(JSON.stringify(run.messages())).toContain("materialize it first");
  expect(existsSync(project.warehouse)).toBe(false);
});

test("partitions that are computed side by side keep their failed rows beside each other's, and know the past", async () => {
  const project = createProject({
    "assets/a/x.ts": assetFile(
      KEY,
      `columns: z.strictObject({ day: d.date(), n: z.int32().nullable() }), partitions: d.daily("day", { start: "2024-01-01" }),
       each: { concurrency: 4 },
       checks: [d.warn(d.keepFailedRows(d.notNull("n"))), d.rowCountDrift({ max: 0 }), d.warn(d.recent("day", "1d"))],
       body: { async *rows({ row, window }) {
         const day = window.start.toISOString().slice(0, 10);
         yield [row({ day, n: 1 }), row({ day, n: null })];
       } }`,
    ),
  });
  const keys = Array.from({ length: 6 }, (_, day) => `2024-01-0${day + 1}`);
  const windows = keys.map((key, day) => ({ start: `${key}T00:00:00Z`, end: `2024-01-0${day + 2}T00:00:00Z` }));
  const of = { partitionKeys: keys, window: { start: "2024-01-01T00:00:00Z", end: "2024-01-07T00:00:00Z" }, windows };
  for (const runId of ["first", "second"]) {
    const { outcome, checks } = await launch(project, { ...of, runId });
    expect(outcome).toBe("published");
    expect(checks["not_null_n"]).toMatchObject({ passed: false, metadata: { failed_rows: 6, failed_share: 0.5 } });
    expect(checks["recent_day"]).toMatchObject({ passed: true });
    const kept = "SELECT run_id, partition_keys, value ->> 'day' FROM _dagster_typescript.failed_rows ORDER BY 3";
    expect(await project.query(kept)).toEqual(keys.map((key) => [runId, `["${key}"]`, key]));
  }
});
