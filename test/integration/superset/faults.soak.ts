import { expect, test } from "vitest";
import { z } from "zod";
import { ProjectError } from "../../../definitions/project_error.ts";
import { bar, bigNumber, pie } from "../../../definitions/superset/chart.ts";
import { chartData } from "../../../resources/superset/chart_data.ts";
import { dashboardUuid, syncDashboard } from "../../../resources/superset/dashboard.ts";
import { compareDataset, syncDataset } from "../../../resources/superset/dataset/sync.ts";
import { warmDashboard } from "../../../resources/superset/warm.ts";
import { Server } from "../postgres/server.ts";
import { Front, type Fault } from "./front.ts";
import { localSuperset } from "./local_superset.ts";
import { column, columnOf, Orders, version } from "./orders.ts";
import { makeShop } from "./shop.ts";

const ROUNDS = 30;
/** Of all requests. */
const FAULTY = 0.2;

const page = (status: number): Fault => ({ kind: "answer", status, body: "<title>Sorry</title>" });
const FAULTS: readonly Fault[] = [
  page(502),
  page(404),
  { kind: "answer", status: 429, body: "{}", headers: { "retry-after": "0" } },
  { kind: "answer", status: 401, body: '{"msg":"Token has expired"}' },
  { kind: "answer", status: 400, body: '{"message":"The CSRF session token is missing."}' },
  { kind: "cut", after: false },
  { kind: "cut", after: true },
];

const IMPATIENT = { maxAttempts: 3, baseDelayMs: 1, maxDelayMs: 5 };

const anyFault = (): Fault | undefined =>
  Math.random() < FAULTY ? FAULTS[Math.floor(Math.random() * FAULTS.length)] : undefined;

/** Does something again until it succeeds, as Dagster does, and people after it. */
function again(): { untilDone: (work: () => Promise<unknown>) => Promise<void>; failed: () => number } {
  let failed = 0;
  const untilDone = async (work: () => Promise<unknown>): Promise<void> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await work();
        return;
      } catch (error) {
        // What is no fault of Superset would be one of ours.
        if (!(error instanceof ProjectError) || attempt === 200) throw error;
        failed += 1;
      }
    }
  };
  return { untilDone, failed: () => failed };
}

test(`with faults in a fifth of all requests, ${ROUNDS} rounds of sync and warm are done again until they succeed, and leave one of each object and no old number`, async () => {
  const [superset, server] = await Promise.all([localSuperset(), Server.start()]);
  await using front = await Front.open(superset.url);
  try {
    const client = superset.client();
    const faulty = superset.client({ url: front.url, retry: IMPATIENT });
    const shop = await makeShop(client, server, "chaos", faulty);
    const { sales, datasets } = shop;
    const charts = [
      bigNumber("revenue", { dataset: sales, metric: "revenue" }),
      bar("bars", { dataset: sales, metrics: ["revenue", "lines"], by: "department" }),
      pie("shares", { dataset: sales, metric: "lines", by: "department" }),
    ];
    const { untilDone, failed } = again();
    front.choose = anyFault;
    for (let round = 2; round < ROUNDS + 2; round += 1) {
      const revenue = await shop.publish(round);
      await untilDone(() => shop.sync(round));
      expect((await chartData(client, shop.revenueQuery())).data, `round ${round}`).toEqual([[{ revenue }]]);
      const shown = round % 2 === 0 ? charts : charts.slice(0, 2);
      await untilDone(() =>
        syncDashboard(faulty, { name: "chaos", title: "Chaos", charts: shown, filters: [], datasets }),
      );
      await untilDone(async () => {
        const outcomes = await warmDashboard([{ role: null, client: faulty }], dashboardUuid("chaos"), {
          concurrency: 2,
        });
        expect(outcomes).toHaveLength(shown.length);
        if (outcomes.some(({ fault }) => fault !== null)) throw new Cold("not warm yet");
      });
      const listed = z.object({ id: z.number() });
      const filters = [{ column: "datasource_id", operator: "eq", value: shop.datasetId }];
      expect(await client.list("chart", listed, { filters }), `round ${round}`).toHaveLength(shown.length);
    }
    const titled = [{ column: "dashboard_title", operator: "eq", value: "Chaos" }];
    expect(await client.list("dashboard", z.object({ id: z.number() }), { filters: titled })).toHaveLength(1);
    const own = [{ column: "schema", operator: "eq", value: "chaos" }];
    expect(await client.list("dataset", z.object({ id: z.number() }), { filters: own })).toHaveLength(1);
    console.log(`${front.seen.length} requests, ${failed()} attempts failed`);
  } finally {
    await server.stop();
  }
});

test(`with faults in a fifth of all requests, what a person wrote is there after ${ROUNDS} changes of the columns`, async () => {
  const orders = await Orders.open("faulty");
  await using front = await Front.open(orders.superset.url);
  try {
    const wanted = await orders.create();
    await syncDataset(orders.client, wanted, version("1"));
    await orders.describe(wanted, "revenue", "Mine");
    const faulty = orders.superset.client({ url: front.url, retry: IMPATIENT });
    const { untilDone, failed } = again();
    front.choose = anyFault;
    for (let round = 2; round < ROUNDS + 2; round += 1) {
      const has = round % 2 === 0;
      await orders.sql.query(
        `ALTER TABLE ${wanted.schema}.orders ${has ? "ADD COLUMN shop text" : "DROP COLUMN shop"}`,
      );
      const now = has ? { ...wanted, columns: [...wanted.columns, column("shop")] } : wanted;
      await untilDone(() => syncDataset(faulty, now, version(String(round))));
      const dataset = await orders.read(wanted);
      expect(columnOf(dataset, "revenue"), `round ${round}`).toMatchObject({ description: "Mine", filterable: false });
      expect(dataset.columns).toHaveLength(has ? 4 : 3);
      expect(await compareDataset(orders.client, now, version(String(round)))).toEqual([]);
    }
    console.log(`${front.seen.length} requests, ${failed()} attempts failed`);
  } finally {
    await orders.close();
  }
});

class Cold extends ProjectError {
  readonly code = "cold";
  readonly retryable = true;
}
