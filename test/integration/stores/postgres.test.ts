import { postgres } from "../../../resources/postgres/kind.ts";
import { quote, tableName } from "../../../resources/quote.ts";
import { Server } from "../postgres/server.ts";
import { describeStore } from "./contract.ts";

describeStore("PostgreSQL", async () => {
  const server = await Server.start();
  process.env["DATABASE_URL"] = server.url;
  const store = await postgres.open(process.cwd(), process.env);
  return {
    kind: postgres,
    store,
    table: tableName,
    quote,
    query: (text) => server.sql(text),
    close: async () => {
      await store.close();
      await server.stop();
    },
  };
});
