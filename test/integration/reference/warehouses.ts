import { join } from "node:path";
import { createClient } from "@clickhouse/client";
import { DuckDBInstance } from "@duckdb/node-api";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { connect, textOf, type TextRows } from "../postgres/server.ts";

/** A store with an engine of its own, and a reader that is not the store's. */
export interface Warehouse {
  /** What a process of the runtime needs to know to find it. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs SQL; values as the engine writes them. */
  readonly query: (text: string) => Promise<TextRows>;
  readonly close: () => Promise<void>;
}

/** Starts the engine of every store that the reference graph runs on, with its data in a folder. */
export const WAREHOUSES: Readonly<Record<string, (folder: string) => Promise<Warehouse>>> = {
  duckdb: (folder) => {
    const path = join(folder, "warehouse.duckdb");
    return Promise.resolve({
      env: { DUCKDB_PATH: path },
      query: async (text) => {
        const instance = await DuckDBInstance.create(path, { access_mode: "READ_ONLY" });
        try {
          const connection = await instance.connect();
          await connection.run("SET TimeZone = 'UTC'");
          const rows = (await connection.runAndReadAll(text)).getRows();
          return rows.map((row) => row.map((value) => (value === null ? null : String(value))));
        } finally {
          instance.closeSync();
        }
      },
      close: () => Promise.resolve(),
    });
  },

  postgres: async (folder) => {
    const engine = await startEngine("postgres", { dataDir: join(folder, "postgres"), durable: false });
    const reader = await connect(engine.url);
    return {
      env: { DATABASE_URL: engine.url },
      query: (text) => textOf(reader, text),
      close: async () => {
        await reader.end();
        await engine.stop();
      },
    };
  },

  clickhouse: async (folder) => {
    const engine = await startEngine("clickhouse", { dataDir: join(folder, "clickhouse") });
    const reader = createClient({ url: engine.url });
    return {
      env: { CLICKHOUSE_URL: engine.url },
      query: async (text) => {
        const answer = await reader.query({
          query: text,
          format: "JSONCompactEachRow",
          clickhouse_settings: {
            date_time_output_format: "iso",
            output_format_decimal_trailing_zeros: 1,
            output_format_json_quote_64bit_integers: 1,
            output_format_json_quote_decimals: 1,
            output_format_json_quote_denormals: 1,
          },
        });
        const rows = await answer.json<(string | number | null)[]>();
        return rows.map((row) => row.map((value) => (value === null ? null : String(value))));
      },
      close: async () => {
        await reader.close();
        await engine.stop();
      },
    };
  },

  hyper: async (folder) => {
    const engine = await startEngine("hyper", { dataDir: join(folder, "hyper") });
    const reader = await connect(engine.url);
    // Else it writes 15 digits of a double.
    await reader.query("SET extra_float_digits = 3");
    return {
      env: { HYPER_URL: engine.url },
      query: (text) => textOf(reader, text),
      close: async () => {
        await reader.end();
        await engine.stop();
      },
    };
  },
};
