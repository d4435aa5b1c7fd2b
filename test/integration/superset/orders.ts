import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { onTestFinished } from "vitest";
import { z } from "zod";
import type { Engine } from "../../../ops/engines/engine.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { SupersetClient } from "../../../resources/superset/client/client.ts";
import { tryReadDataset } from "../../../resources/superset/dataset/find.ts";
import type { Dataset } from "../../../resources/superset/dataset/model.ts";
import type { PublishedData, WantedColumn, WantedDataset } from "../../../resources/superset/dataset/wanted.ts";
import { supersetUuid } from "../../../resources/superset/uuid.ts";
import { type LocalSuperset, localSuperset } from "./local_superset.ts";
import { ownDatabase } from "./own_database.ts";

/** Tables of orders in a PostgreSQL, and what Superset makes of them. */
export class Orders {
  readonly superset: LocalSuperset;
  readonly client: SupersetClient;
  /** Of the database connection. */
  readonly databaseId: number;
  readonly sql: pg.Client;
  readonly url: string;
  readonly #postgres: Engine;
  readonly #folder: string;

  private constructor(superset: LocalSuperset, databaseId: number, sql: pg.Client, postgres: Engine, folder: string) {
    this.superset = superset;
    this.client = superset.client();
    this.databaseId = databaseId;
    this.sql = sql;
    this.url = postgres.url;
    this.#postgres = postgres;
    this.#folder = folder;
  }

  /** @param database Name of the database connection in Superset. */
  static async open(database: string): Promise<Orders> {
    const folder = mkdtempSync(join(tmpdir(), "orders-"));
    const [superset, postgres] = await Promise.all([
      localSuperset(),
      startEngine("postgres", { dataDir: join(folder, "postgres"), durable: false }),
    ]);
    const sql = new pg.Client({ connectionString: postgres.url });
    await sql.connect();
    const id = await ownDatabase(superset.client(), database, "postgres", { DATABASE_URL: postgres.url });
    return new Orders(superset, id, sql, postgres, folder);
  }

  async close(): Promise<void> {
    await this.sql.end();
    await this.#postgres.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** A table in a schema of its own, and the dataset that it should have. */
  async create(
    columns = "sold_at timestamptz, revenue numeric(12, 2), note text",
  ): Promise<WantedDataset & { readonly schema: string }> {
    const schema = `s${randomUUID().replaceAll("-", "").slice(0, 12)}`;
    await this.sql.query(`CREATE SCHEMA ${schema}`);
    await this.sql.query(`CREATE TABLE ${schema}.orders (${columns})`);
    return {
      uuid: supersetUuid("dataset", "test", schema),
      databaseId: this.databaseId,
      schema,
      table: "orders",
      assetKey: "shop/orders",
      description: "All orders.",
      columns: [
        column("sold_at", { type: "timestamptz", isTime: true }),
        column("revenue", { type: "numeric(12, 2)", label: "Revenue", description: "Paid, EUR", filterable: false }),
        column("note"),
      ],
      metrics: [{ ...NOTHING, name: "revenue", expression: 'SUM("revenue")', label: "Revenue, EUR", format: ",.2f" }],
      timeColumn: "sold_at",
      cacheTimeoutSeconds: 600,
      certifiedBy: "Finance",
      owners: [],
      onConflict: "keep",
      link: "http://dagster/assets/shop/orders",
    };
  }

  async read({ uuid }: WantedDataset): Promise<Dataset> {
    const dataset = await tryReadDataset(this.client, uuid);
    if (dataset === undefined) throw new Error("there is no such dataset");
    return dataset;
  }

  /** What the dataset keeps of our last sync. */
  async recorded(wanted: WantedDataset): Promise<unknown> {
    const { extra } = await this.read(wanted);
    return (JSON.parse(extra ?? "{}") as { dagster_typescript?: unknown }).dagster_typescript;
  }

  async changedOn({ uuid }: WantedDataset): Promise<string> {
    const answer = z.object({ result: z.object({ changed_on: z.string() }) });
    return (await this.client.get(`/dataset/${uuid}`, answer, { query: { columns: ["changed_on"] } })).result
      .changed_on;
  }

  /** What a chart of one number shows. */
  async ask(datasetId: number, metric: string): Promise<{ readonly value: number; readonly isCached: boolean }> {
    const answer = z.object({
      result: z.tuple([
        z.object({ is_cached: z.boolean().nullable(), data: z.array(z.record(z.string(), z.unknown())) }),
      ]),
    });
    const body = {
      datasource: { id: datasetId, type: "table" },
      queries: [{ columns: [], metrics: [metric], row_limit: 10 }],
      result_format: "json",
      result_type: "full",
    };
    const { result } = await this.client.post("/chart/data", body, answer);
    return { value: Number(Object.values(result[0].data[0] ?? {})[0]), isCached: result[0].is_cached === true };
  }

  /** What a person writes about a column; Superset puts the comment of the store there when it reads the table again. */
  async describe(wanted: WantedDataset, name: string, description: string): Promise<void> {
    const { id, columns } = await this.read(wanted);
    await this.sql.query(`COMMENT ON COLUMN ${wanted.schema}.${wanted.table}.${name} IS 'the comment'`);
    const edited = columns.map((one) => ({
      ...{ id: one.id, column_name: one.column_name },
      ...(one.column_name === name ? { description } : {}),
    }));
    await this.client.put(`/dataset/${id}`, { columns: edited }, z.unknown());
  }

  async createUser(email: string, roles: readonly number[]): Promise<{ id: number; password: string }> {
    const password = randomUUID();
    const names = { first_name: "Some", last_name: "One", username: email, email };
    const all = roles.length > 0 ? roles : [await this.#roleOf("Gamma")];
    const body = { ...names, password, active: true, roles: all };
    const { id } = await this.client.post("/security/users/", body, z.object({ id: z.number() }));
    onTestFinished(async () => {
      await this.client.delete(`/security/users/${id}`);
    });
    return { id, password };
  }

  /** Somebody who may read and write datasets, but owns none. */
  async createStranger(): Promise<SupersetClient> {
    const email = `${randomUUID()}@example.org`;
    const { password } = await this.createUser(email, [await this.#roleOf("Alpha")]);
    return new SupersetClient({ url: this.superset.url, credentials: { username: email, password } });
  }

  async #roleOf(name: string): Promise<number> {
    const roles = await this.client.list("security/roles", z.object({ id: z.number(), name: z.string() }));
    const found = roles.find((role) => role.name === name);
    if (found === undefined) throw new Error(`there is no role ${name}`);
    return found.id;
  }
}

/** What a metric that says nothing more has. */
export const NOTHING = { label: undefined, description: undefined, format: undefined } as const;

export function column(name: string, changes: Partial<WantedColumn> = {}): WantedColumn {
  const nothing = { label: undefined, description: undefined };
  return { name, type: "text", ...nothing, filterable: true, groupable: true, isTime: false, ...changes };
}

export function version(dataVersion: string): PublishedData {
  return { dataVersion, runId: `run-${dataVersion}`, at: "2026-01-01T00:00:00Z" };
}

export function columnOf(dataset: Dataset, name: string): Dataset["columns"][number] {
  const found = dataset.columns.find(({ column_name }) => column_name === name);
  if (found === undefined) throw new Error(`there is no column ${name}`);
  return found;
}
