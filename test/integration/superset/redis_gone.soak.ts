import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { bigNumber, pie } from "../../../definitions/superset/chart.ts";
import { chartData } from "../../../resources/superset/chart_data.ts";
import { SupersetClient } from "../../../resources/superset/client/client.ts";
import { dashboardUuid, syncDashboard } from "../../../resources/superset/dashboard.ts";
import { warmDashboard, type WarmOutcome } from "../../../resources/superset/warm.ts";
import { Server } from "../postgres/server.ts";
import { makeShop } from "./shop.ts";

test("without Redis no dashboard passes for warm; with it again, the next warming heals", async () => {
  const folder = mkdtempSync(join(tmpdir(), "redis-gone-"));
  const server = await Server.start();
  const redis = await startEngine("redis", { dataDir: join(folder, "redis") });
  const superset = await startEngine("superset", { dataDir: join(folder, "superset"), redisUrl: redis.url });
  try {
    const { url, username, password } = superset;
    const client = new SupersetClient({ url, credentials: { username, password }, retry: { maxAttempts: 2 } });
    const shop = await makeShop(client, server, "gone");
    const { sales, datasets } = shop;
    const charts = [
      bigNumber("revenue", { dataset: sales, metric: "revenue" }),
      pie("shares", { dataset: sales, metric: "revenue", by: "department" }),
    ];
    await syncDashboard(client, { name: "gone", title: "Gone", charts, filters: [], datasets });
    const warm = (): Promise<readonly WarmOutcome[]> =>
      warmDashboard([{ role: null, client }], dashboardUuid("gone"), { concurrency: 2 });
    expect((await warm()).filter(({ fault }) => fault !== null)).toEqual([]);
    await redis.stop();
    const without = await warm();
    expect(without.map(({ fault }) => fault)).not.toContain(null);
    console.log(without.map(({ name, fault }) => `${name}: ${fault}`).join("\n"));
    // A sync needs no cache: what it writes changes the keys of all answers, also of those that come back with Redis.
    const revenue = await shop.publish(2);
    expect(await shop.sync(2)).toBe(shop.datasetId);
    const again = await startEngine("redis", { dataDir: join(folder, "redis"), port: redis.port });
    expect((await warm()).filter(({ fault }) => fault !== null)).toEqual([]);
    expect((await chartData(client, shop.revenueQuery())).data).toEqual([[{ revenue }]]);
    await again.stop();
  } finally {
    await superset.stop();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
