import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@clickhouse/client";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { clickhouse } from "../../../resources/clickhouse/kind.ts";
import { quote, tableName } from "../../../resources/clickhouse/quote.ts";
import { describeStore } from "./contract.ts";

describeStore("ClickHouse", async () => {
  const folder = mkdtempSync(join(tmpdir(), "clickhouse-store-"));
  const engine = await startEngine("clickhouse", { dataDir: join(folder, "engine") });
  process.env["CLICKHOUSE_URL"] = engine.url;
  const store = await clickhouse.open(folder, process.env);
  const reader = createClient({ url: engine.url });
  return {
    kind: clickhouse,
    store,
    table: tableName,
    quote,
    query: async (text) => {
      const answer = await reader.query({
        query: text,
        format: "JSONCompactStringsEachRow",
        clickhouse_settings: { date_time_output_format: "iso", output_format_decimal_trailing_zeros: 1 },
      });
      const rows = await answer.json<(string | null)[]>();
      return rows.map((row) => row.map((value) => (value === "ᴺᵁᴸᴸ" ? null : value)));
    },
    close: async () => {
      delete process.env["CLICKHOUSE_URL"];
      await store.close();
      await reader.close();
      await engine.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
});
