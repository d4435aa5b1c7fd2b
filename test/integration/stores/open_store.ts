import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@clickhouse/client";
import { DuckDBInstance } from "@duckdb/node-api";
import pg from "pg";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { clickhouse } from "../../../resources/clickhouse/kind.ts";
import * as clickhouseQuote from "../../../resources/clickhouse/quote.ts";
import { duckdb } from "../../../resources/duckdb/kind.ts";
import { hyper } from "../../../resources/hyper/kind.ts";
import { postgres } from "../../../resources/postgres/kind.ts";
import { literal, quote, tableName } from "../../../resources/quote.ts";
import type { Store, StoreKind } from "../../../resources/store.ts";

export const STORE_NAMES = ["duckdb", "postgres", "clickhouse", "hyper"] as const;
export type StoreName = (typeof STORE_NAMES)[number];

/** A store over a real engine of its own, and a way to read it that is not the store's. */
export interface OpenStore {
  readonly kind: StoreKind;
  readonly store: Store;
  /** The environment in which another process finds the same store. */
  readonly env: Readonly<Record<string, string>>;
  /** A folder that the engine can read; removed in the end. */
  readonly folder: string;
  /** Whether other processes can read while one writes. */
  readonly hasReaders: boolean;
  /** Runs SQL as another client would; values as text, NULL as `null`. */
  query(text: string): Promise<(string | null)[][]>;
  /** The quoted name of an asset's table. */
  table(assetKey: string): string;
  quote(name: string): string;
  /** Tables and files that are there besides the tables of a schema that people know of. */
  leftovers(schema: string, known: readonly string[]): Promise<string[]>;
  close(): Promise<void>;
}

/** Starts an engine and opens its store. */
export function openStore(name: StoreName): Promise<OpenStore> {
  return { duckdb: openDuckDB, postgres: openPostgres, clickhouse: openClickHouse, hyper: openHyper }[name]();
}

const newFolder = (name: string): string => mkdtempSync(join(tmpdir(), `${name}-store-`));
const firsts = (rows: readonly (readonly (string | null)[])[]): string[] => rows.map(([first]) => first ?? "");

async function openDuckDB(): Promise<OpenStore> {
  const folder = newFolder("duckdb");
  const path = join(folder, "warehouse.duckdb");
  const env = { DUCKDB_PATH: path };
  const store = await duckdb.open(folder, env);
  const query = async (text: string): Promise<(string | null)[][]> => {
    const instance = await DuckDBInstance.create(path);
    try {
      const connection = await instance.connect();
      await connection.run("SET TimeZone = 'UTC'");
      const rows = (await connection.runAndReadAll(text)).getRows();
      connection.closeSync();
      return rows.map((row) => row.map((value) => (value === null ? null : String(value))));
    } finally {
      instance.closeSync();
    }
  };
  return {
    kind: duckdb,
    store,
    env,
    folder,
    hasReaders: false,
    table: tableName,
    quote,
    query,
    leftovers: async (schema, known) => {
      const tables = firsts(
        await query(`SELECT table_name FROM information_schema.tables WHERE table_schema = ${literal(schema)}`),
      );
      const files = existsSync(`${path}.staging`) ? readdirSync(`${path}.staging`) : [];
      return [...tables.filter((table) => !known.includes(table)), ...files];
    },
    close: async () => {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function openPostgres(): Promise<OpenStore> {
  const folder = newFolder("postgres");
  const engine = await startEngine("postgres", { dataDir: join(folder, "engine"), durable: false });
  const env = { DATABASE_URL: engine.url };
  const store = await postgres.open(folder, env);
  const reader = new pg.Client({ connectionString: engine.url });
  await reader.connect();
  const query = async (text: string): Promise<(string | null)[][]> => await textRows(reader, text);
  return {
    kind: postgres,
    store,
    env,
    folder,
    hasReaders: true,
    table: tableName,
    quote,
    query,
    leftovers: async (schema, known) => {
      const names = firsts(
        await query(`SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
          WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND (n.nspname = ${literal(schema)}
            OR (n.nspname = '_dagster_typescript' AND c.relname NOT IN ('ledger', 'quarantine')))`),
      );
      return names.filter((name) => !known.includes(name));
    },
    close: async () => {
      await store.close();
      await reader.end();
      await engine.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function openClickHouse(): Promise<OpenStore> {
  const folder = newFolder("clickhouse");
  const engine = await startEngine("clickhouse", { dataDir: join(folder, "engine") });
  const env = { CLICKHOUSE_URL: engine.url };
  const store = await clickhouse.open(folder, env);
  const reader = createClient({ url: engine.url });
  const query = async (text: string): Promise<(string | null)[][]> => {
    const answer = await reader.query({
      query: text,
      format: "JSONCompactStringsEachRow",
      clickhouse_settings: { date_time_output_format: "iso", output_format_decimal_trailing_zeros: 1 },
    });
    return await answer.json<(string | null)[]>();
  };
  return {
    kind: clickhouse,
    store,
    env,
    folder,
    hasReaders: true,
    table: clickhouseQuote.tableName,
    quote: clickhouseQuote.quote,
    query,
    leftovers: async (schema, known) => {
      const names = firsts(
        await query(`SELECT name FROM system.tables WHERE database = ${literal(schema)}
          OR (database = '_dagster_typescript' AND name NOT IN ('ledger', 'ledger_prepared', 'quarantine'))`),
      );
      return names.filter((name) => !known.includes(name));
    },
    close: async () => {
      await store.close();
      await reader.close();
      await engine.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function openHyper(): Promise<OpenStore> {
  const folder = newFolder("hyper");
  const engine = await startEngine("hyper", { dataDir: join(folder, "engine") });
  const env = { HYPER_URL: engine.url };
  const store = await hyper.open(folder, env);
  const reader = new pg.Client({ connectionString: engine.url });
  await reader.connect();
  const query = async (text: string): Promise<(string | null)[][]> => await textRows(reader, text);
  return {
    kind: hyper,
    store,
    env,
    folder,
    hasReaders: true,
    table: tableName,
    quote,
    query,
    leftovers: async (schema, known) => {
      const names = firsts(
        await query(`SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = ${literal(schema)}`),
      );
      return names.filter((name) => !known.includes(name));
    },
    close: async () => {
      await store.close();
      await reader.end();
      await engine.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function textRows(client: pg.Client, text: string): Promise<(string | null)[][]> {
  const types = { getTypeParser: () => (value: string | Buffer) => String(value) };
  return (await client.query<(string | null)[]>({ text, rowMode: "array", types })).rows;
}
