import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { postgres } from "../../../resources/postgres/kind.ts";
import { quote, tableName } from "../../../resources/quote.ts";
import { Server } from "../postgres/server.ts";
import { describeStore } from "./contract.ts";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server.stop());

describeStore("PostgreSQL", async () => {
  process.env["DATABASE_URL"] = server.url;
  const store = await postgres.open(process.cwd(), process.env);
  return {
    kind: postgres,
    store,
    table: tableName,
    quote,
    query: (text) => server.sql(text),
    close: () => store.close(),
  };
});

describeStore("PostgreSQL behind PgBouncer", async () => {
  // One server connection each for the store and for what it leaves behind, if it did.
  const bouncer = await startEngine("pgbouncer", {
    dataDir: join(server.folder, "pgbouncer"),
    target: server.url,
    poolSize: 2,
  });
  process.env["DATABASE_URL"] = bouncer.url;
  const store = await postgres.open(process.cwd(), process.env);
  return {
    kind: postgres,
    store,
    table: tableName,
    quote,
    query: (text) => server.sql(text),
    close: async () => {
      await store.close();
      await bouncer.stop();
    },
  };
});

describeStore("PostgreSQL with partitions and indexes", async () => {
  process.env["DATABASE_URL"] = server.url;
  const store = await postgres.open(process.cwd(), process.env);
  return {
    kind: postgres,
    store,
    table: tableName,
    quote,
    storage: (columns) => {
      const time = columns.find(({ type, nullable }) => ["timestamp", "date"].includes(type.kind) && !nullable);
      const indexes = columns
        .filter(({ type }) => type.kind !== "json")
        .slice(0, 3)
        .map(({ name }) => ({ columns: [name] }));
      const partitionBy = time === undefined ? undefined : ({ column: time.name, every: "day" } as const);
      return { postgres: { indexes, partitionBy } };
    },
    query: (text) => server.sql(text),
    close: () => store.close(),
  };
});
