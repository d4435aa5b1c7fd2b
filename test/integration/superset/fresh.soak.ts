import { expect, test } from "vitest";
import { bigNumber, pie } from "../../../definitions/superset/chart.ts";
import { timeFilter, valueFilter } from "../../../definitions/superset/dashboard_filter.ts";
import { dashboardUuid, syncDashboard } from "../../../resources/superset/dashboard.ts";
import { warmDashboard } from "../../../resources/superset/warm.ts";
import { Server } from "../postgres/server.ts";
import { holdFresh } from "./fresh_rounds.ts";
import { localSuperset } from "./local_superset.ts";
import { makeShop } from "./shop.ts";

test("in 50 rounds of new rows no answer after the sync is of the old ones", async () => {
  const [superset, server] = await Promise.all([localSuperset(), Server.start()]);
  try {
    const client = superset.client();
    const shop = await makeShop(client, server, "soak");
    const { sales, datasets } = shop;
    const charts = [
      bigNumber("revenue", { dataset: sales, metric: "revenue" }),
      pie("shares", { dataset: sales, metric: "revenue", by: "department" }),
    ];
    const filters = [
      timeFilter("period", { default: "2017-01-01 : 2018-01-01" }),
      valueFilter("department", { dataset: sales, column: "department", default: ["MEAT", "DELI"] }),
    ];
    await syncDashboard(client, { name: "soak", title: "Soak", charts, filters, datasets });
    const warm = async (): Promise<void> => {
      const outcomes = await warmDashboard([{ role: null, client }], dashboardUuid("soak"), { concurrency: 2 });
      expect(outcomes.filter(({ fault }) => fault !== null)).toEqual([]);
    };
    const answers = await holdFresh({ client, shop, rounds: 50, warm });
    console.log(`${answers} answers of a reader meanwhile`);
  } finally {
    await server.stop();
  }
});
