import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@clickhouse/client";
import { clickhouse } from "../../../resources/clickhouse/kind.ts";
import { quote, tableName } from "../../../resources/clickhouse/quote.ts";
import type { StoreHarness } from "./contract.ts";

/** A store on a server, which runs of the contract find as `CLICKHOUSE_URL` until it is closed. */
export async function openClickHouse(url: string): Promise<StoreHarness> {
  const folder = mkdtempSync(join(tmpdir(), "clickhouse-store-"));
  const before = process.env["CLICKHOUSE_URL"];
  process.env["CLICKHOUSE_URL"] = url;
  const store = await clickhouse.open(folder, process.env);
  const reader = createClient({ url });
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
      if (before === undefined) delete process.env["CLICKHOUSE_URL"];
      else process.env["CLICKHOUSE_URL"] = before;
      await store.close();
      await reader.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
