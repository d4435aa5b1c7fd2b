import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { Client } from "../../../resources/duckdb/client.ts";
import { withFrozenTables as snapshotOfDuckDB } from "../../../resources/duckdb/frozen_tables.ts";
import { postgresConfig } from "../../../resources/postgres/config.ts";
import { Connections } from "../../../resources/postgres/connections.ts";
import { withFrozenTables as snapshotOfPostgres } from "../../../resources/postgres/frozen_tables.ts";
import { compareTables, type DiffRequest, type TableDiff } from "../../../resources/store_diff.ts";
import type { FrozenTables } from "../../../resources/frozen_tables.ts";
import { attempt } from "../stores/attempt.ts";
import { Server } from "../postgres/server.ts";

export type SideName = "postgres" | "duckdb";

/** A PostgreSQL server and a DuckDB file for one test file, with tables to compare. */
export class Sides {
  #server: Server | undefined;
  #duckdb: Client | undefined;
  #connections: Connections | undefined;

  static forThisFile(): Sides {
    const sides = new Sides();
    beforeAll(async () => {
      sides.#server = await Server.start();
      sides.#connections = new Connections(postgresConfig({ DATABASE_URL: sides.#server.url }));
      sides.#duckdb = await Client.open(join(sides.#server.folder, "warehouse.duckdb"));
    });
    afterAll(async () => {
      sides.#duckdb?.close();
      await sides.#connections?.close();
      await sides.#server?.stop();
    });
    return sides;
  }

  get url(): string {
    return this.#server?.url ?? "";
  }

  /** Runs statements of ours on one side. */
  async run(side: SideName, ...statements: readonly string[]): Promise<void> {
    for (const text of statements) await (side === "postgres" ? this.#server?.sql(text) : this.#duckdb?.run(text));
  }

  /** Makes a table of a query, in a schema of its own on both sides or one; returns its name there. */
  async make(side: SideName, definition: string, query = ""): Promise<{ schema: string; table: string }> {
    const name = { schema: `t_${randomUUID().slice(0, 8)}`, table: "rows" };
    await this.run(side, `CREATE SCHEMA ${name.schema}`);
    await this.run(side, `CREATE TABLE ${name.schema}.rows ${definition}`);
    if (query !== "") await this.run(side, `INSERT INTO ${name.schema}.rows ${query}`);
    return name;
  }

  /** Compares a table of one side with one of the other side, or of the same. */
  async compare(
    left: readonly [SideName, { schema: string; table: string }],
    right: readonly [SideName, { schema: string; table: string }],
    options: { readonly key: readonly string[] } & Partial<Pick<DiffRequest, "columns" | "limit">>,
  ): Promise<TableDiff> {
    const open = <T>(side: SideName, act: (snapshot: FrozenTables) => Promise<T>): Promise<T> => {
      if (this.#connections === undefined || this.#duckdb === undefined) throw new TypeError("not started");
      return side === "postgres"
        ? snapshotOfPostgres(this.#connections, attempt(), act)
        : snapshotOfDuckDB(this.#duckdb, { path: "warehouse.duckdb" }, attempt(), act);
    };
    const compare = (a: FrozenTables, b: FrozenTables): Promise<TableDiff> =>
      compareTables({
        left: { snapshot: a, table: left[1] },
        right: { snapshot: b, table: right[1] },
        key: options.key.map((name) => ({ left: name, right: name })),
        columns: options.columns ?? null,
        limit: options.limit ?? 1_000,
        signal: new AbortController().signal,
      });
    return await open(left[0], (a) => (left[0] === right[0] ? compare(a, a) : open(right[0], (b) => compare(a, b))));
  }
}
