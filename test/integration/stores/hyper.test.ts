import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { hyper } from "../../../resources/hyper/kind.ts";
import { quote, tableName } from "../../../resources/quote.ts";
import { describeStore } from "./contract.ts";

describeStore("Hyper", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hyper-store-"));
  const engine = await startEngine("hyper", { dataDir: join(folder, "engine") });
  // Where a proof looks for its server.
  process.env["HYPER_URL"] = engine.url;
  const store = await hyper.open(folder, { HYPER_URL: engine.url });
  const reader = new Client({ connectionString: engine.url });
  await reader.connect();
  return {
    kind: hyper,
    store,
    table: tableName,
    quote,
    // Columns that change are refused otherwise.
    storage: () => ({ hyper: { interruptReaders: true } }),
    query: async (text) => {
      const types = { getTypeParser: () => (value: string | Buffer) => String(value) };
      return (await reader.query<(string | null)[]>({ text, rowMode: "array", types })).rows;
    },
    close: async () => {
      await store.close();
      await reader.end();
      delete process.env["HYPER_URL"];
      await engine.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
});
