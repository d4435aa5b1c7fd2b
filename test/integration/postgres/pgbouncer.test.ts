import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Engine } from "../../../ops/engines/engine.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { requestCancel } from "../../../resources/cancel_request.ts";
import { z } from "../../../definitions/index.ts";
import { Server } from "./server.ts";
import { Warehouse } from "./warehouse.ts";

const CANCELS = 60;

let server: Server;
let bouncer: Engine;
beforeAll(async () => {
  server = await Server.start();
  bouncer = await startEngine("pgbouncer", {
    dataDir: join(server.folder, "pgbouncer"),
    target: server.url,
    poolSize: 4,
  });
}, 900_000);
afterAll(async () => {
  await bouncer.stop();
  await server.stop();
});

test("a request to cancel reaches the statement and harms nobody else behind PgBouncer", async () => {
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: bouncer.url });
    client.on("error", () => undefined);
    await client.connect();
    return client;
  };
  const [ours, other] = [await connect(), await connect()];
  const over = new AbortController();
  const others = (async (): Promise<void> => {
    while (!over.signal.aborted) await other.query("SELECT pg_sleep(0.02)");
  })();
  // Its fault is the test's when it is waited for.
  others.catch(() => undefined);
  let cancelled = 0;
  for (let i = 0; i < CANCELS; i += 1) {
    const statement = ours.query("SELECT pg_sleep(0.04)").then(
      () => undefined,
      (error: unknown) => {
        // 57014: cancelled
        if (!(error instanceof pg.DatabaseError && error.code === "57014")) throw error;
        cancelled += 1;
      },
    );
    // Before it begins, within it, when it has ended.
    await wait((i * 7) % 70);
    const { host, port, processID, secretKey } = ours as pg.Client & { processID: number; secretKey: number };
    await Promise.all([requestCancel({ host, port, processID, secretKey }), statement]);
  }
  over.abort();
  await others;
  // Those that came within it, at least; one that is on its way ends the next one.
  expect(cancelled).toBeGreaterThan(CANCELS / 4);
  await Promise.all([ours.end(), other.end()]);
});

test.each([
  ["password", (url: URL) => (url.password = "wr0ng")],
  ["user", (url: URL) => (url.username = "nobody")],
  ["database", (url: URL) => (url.pathname = "/nowhere")],
])("a wrong %s is no matter of time behind PgBouncer either, and no secret is told", async (_name, spoil) => {
  const url = new URL(bouncer.url);
  spoil(url);
  const warehouse = new Warehouse(server, { DATABASE_URL: url.href });
  const publishing = warehouse.publishRows(warehouse.target({ id: z.int32() }), [{ id: 1 }]);
  await expect(publishing).rejects.toMatchObject({ code: "postgres_login_refused", retryable: false });
  await expect(publishing).rejects.not.toThrow(url.password);
});
