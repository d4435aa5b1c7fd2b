import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ClickHouseClient, createClient } from "@clickhouse/client";
import { afterAll, beforeAll } from "vitest";
import type { Check } from "../../../definitions/check.ts";
import { parquet } from "../../../definitions/index.ts";
import type { Sql } from "../../../definitions/sql.ts";
import type { Engine } from "../../../ops/engines/engine.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { ClickHouseStore } from "../../../resources/clickhouse/clickhouse_store.ts";
import { clickhouseConfig } from "../../../resources/clickhouse/config.ts";
import type {
  Attempt,
  CheckOutcome,
  QueryWindow,
  Staged,
  StagedFacts,
  Store,
  Target,
} from "../../../resources/store.ts";
import { attempt, publish } from "./warehouse_values.ts";

/** The rows of a table, as the engine writes them. */
export type TextRows = (string | null)[][];

/** As the runtime does it. */
async function publishOrDiscard(staged: Staged, target: Target, given: Attempt): Promise<StagedFacts> {
  try {
    return await publish(staged, target, given);
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

/** Users and their policies come from a file: the engine makes none by SQL. */
function writePolicies(folder: string, policies: Readonly<Record<string, string>>): string {
  const databases = Object.entries(policies).map(([key, condition]) => {
    const [schema = "", table = ""] = key.split("/");
    return `<${schema}><${table}><filter>${condition}</filter></${table}></${schema}>`;
  });
  const [users, config] = [join(folder, "users.xml"), join(folder, "config.xml")];
  writeFileSync(
    users,
    `<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users><default>
      <password/><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
      <databases>${databases.join("")}</databases>
    </default></users></clickhouse>`,
  );
  writeFileSync(config, `<clickhouse><users_config>${users}</users_config></clickhouse>`);
  return config;
}

/** An engine for the tests of one file, a store on it, and a reader that is not the store's own. */
export class Warehouse {
  readonly dir = mkdtempSync(join(tmpdir(), "clickhouse-"));
  #engine: Engine | undefined;
  #reader: ClickHouseClient | undefined;
  #store: ClickHouseStore | undefined;

  /**
   * Starts it before the file's tests, and stops it after them.
   *
   * @param policies Row policies for its user: `schema/table` to the condition under which a row is seen.
   */
  static forThisFile(policies: Readonly<Record<string, string>> = {}): Warehouse {
    const warehouse = new Warehouse();
    beforeAll(async () => {
      warehouse.#engine = await startEngine("clickhouse", {
        dataDir: join(warehouse.dir, "engine"),
        ...(Object.keys(policies).length === 0 ? {} : { configFile: writePolicies(warehouse.dir, policies) }),
      });
      warehouse.#reader = createClient({ url: warehouse.url });
      warehouse.#store = warehouse.another();
    });
    afterAll(async () => {
      await warehouse.#store?.close();
      await warehouse.#reader?.close();
      await warehouse.#engine?.stop();
      rmSync(warehouse.dir, { recursive: true, force: true });
    });
    return warehouse;
  }

  get url(): string {
    if (this.#engine === undefined) throw new TypeError("the engine starts before the tests");
    return this.#engine.url;
  }

  get store(): ClickHouseStore {
    if (this.#store === undefined) throw new TypeError("the engine starts before the tests");
    return this.#store;
  }

  /** Another store on the same engine, as another process has one. */
  another(env: Readonly<Record<string, string>> = {}): ClickHouseStore {
    return new ClickHouseStore(clickhouseConfig({ CLICKHOUSE_URL: this.url, ...env }), this.dir);
  }

  async stageRows(target: Target, rows: readonly object[], given: Attempt, store: Store = this.store): Promise<Staged> {
    const writer = await store.stageRows(target, given);
    try {
      await writer.append(rows as readonly Record<string, unknown>[]);
    } catch (error) {
      await writer.discard();
      throw error;
    }
    return await writer.finish();
  }

  async publishRows(target: Target, rows: readonly object[], change: Partial<Attempt> = {}): Promise<StagedFacts> {
    const given = attempt(change);
    return await publish(await this.stageRows(target, rows, given), target, given);
  }

  async publishQuery(target: Target, sql: Sql, window: QueryWindow | null = null): Promise<StagedFacts> {
    const given = attempt();
    return await publishOrDiscard(await this.store.stageQuery(target, sql, window, given), target, given);
  }

  async publishCopy(
    target: Target,
    path: string,
    columns: Readonly<Record<string, string>> = {},
  ): Promise<StagedFacts> {
    const given = attempt();
    const staged = await this.store.stageCopy(target, parquet(path), new Map(Object.entries(columns)), given);
    return await publishOrDiscard(staged, target, given);
  }

  /** Checks rows without publishing them. */
  async check(target: Target, rows: readonly object[], checks: readonly Check[]): Promise<readonly CheckOutcome[]> {
    const staged = await this.stageRows(target, rows, attempt());
    try {
      return await staged.check(checks);
    } finally {
      await staged.discard();
    }
  }

  /** Runs a query as another client would. */
  async sql(query: string): Promise<TextRows> {
    if (this.#reader === undefined) throw new TypeError("the engine starts before the tests");
    const answer = await this.#reader.query({
      query,
      format: "JSONCompactStringsEachRow",
      clickhouse_settings: { output_format_decimal_trailing_zeros: 1 },
    });
    const rows = await answer.json<string[]>();
    return rows.map((row) => row.map((value) => (value === "ᴺᵁᴸᴸ" ? null : value)));
  }

  /** Runs statements as another client would, one after the other. */
  async run(...statements: string[]): Promise<void> {
    for (const query of statements) await this.#reader?.command({ query });
  }

  /** Writes a Parquet file, by the engine. */
  async parquet(path: string, query: string): Promise<void> {
    await this.run(`INSERT INTO FUNCTION file('${path}', Parquet) ${query}`);
  }

  /** Tables that staging and publishing left behind. */
  async leftovers(): Promise<string[]> {
    const rows = await this.sql(
      "SELECT name FROM system.tables WHERE database = '_dagster_typescript' AND name NOT IN ('ledger', 'ledger_prepared', 'quarantine') ORDER BY name",
    );
    return rows.map(([name]) => name ?? "");
  }
}
