import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { z } from "../../../definitions/index.ts";
import { literal as clickhouseLiteral, quote as clickhouseQuote } from "../../../resources/clickhouse/quote.ts";
import { clickhouse } from "../../../resources/clickhouse/kind.ts";
import { duckdb } from "../../../resources/duckdb/kind.ts";
import { hyper } from "../../../resources/hyper/kind.ts";
import { postgres } from "../../../resources/postgres/kind.ts";
import { literal, quote } from "../../../resources/quote.ts";
import type { Attempt, Staged, StoreKind, Target } from "../../../resources/store.ts";
import { OpenStores } from "../../../resources/stores.ts";
import type { CopiedSource } from "../../../runtime/copied_source.ts";
import { stageCopy } from "../../../runtime/stage_copy.ts";
import { attempt, columnsOf, publish } from "../duckdb/warehouse.ts";
import { type Warehouse, WAREHOUSES } from "../reference/warehouses.ts";

export { attempt } from "../duckdb/warehouse.ts";

export const KINDS: readonly StoreKind[] = [duckdb, postgres, clickhouse, hyper];

/** Every way from one store to another. */
export const PAIRS: readonly { readonly from: StoreKind; readonly to: StoreKind }[] = KINDS.flatMap((from) =>
  KINDS.filter((to) => to !== from).map((to) => ({ from, to })),
);

type Rows = (string | null)[][];

/** All stores at once, each on its engine, and copies between them as the runtime makes them. */
export class Stores {
  readonly folder = mkdtempSync(join(tmpdir(), "transfer-"));
  #warehouses = new Map<string, Warehouse>();
  #stores: OpenStores | undefined;

  static forThisFile(names: readonly string[] = KINDS.map(({ name }) => name)): Stores {
    const stores = new Stores();
    beforeAll(async () => {
      for (const name of names) {
        const warehouse = await WAREHOUSES[name]?.(stores.folder);
        if (warehouse === undefined) throw new TypeError(name);
        stores.#warehouses.set(name, warehouse);
        Object.assign(process.env, warehouse.env);
      }
      stores.#stores = new OpenStores(stores.folder);
    });
    afterAll(async () => {
      await stores.open.close();
      for (const warehouse of stores.#warehouses.values()) {
        for (const name of Object.keys(warehouse.env)) Reflect.deleteProperty(process.env, name);
        await warehouse.close();
      }
      rmSync(stores.folder, { recursive: true, force: true });
    });
    return stores;
  }

  get open(): OpenStores {
    if (this.#stores === undefined) throw new TypeError("the stores open before the tests");
    return this.#stores;
  }

  url(name: string): string {
    return Object.values(this.#warehouses.get(name)?.env ?? {})[0] ?? "";
  }

  /** Runs SQL as another client would; values as the engine writes them. */
  async query({ name }: StoreKind, text: string): Promise<Rows> {
    await this.open.close();
    return (await this.#warehouses.get(name)?.query(text)) ?? [];
  }

  /** Publishes the rows of a query as a table. */
  async make(kind: StoreKind, target: Target, text: string): Promise<void> {
    const store = await this.open.get(kind);
    const given = attempt();
    await publish(
      await store.stageQuery(target, { kind: "sql", strings: [text], values: [] }, null, given),
      target,
      given,
    );
    await store.close();
  }

  /** Stages a copy as the runtime does. */
  async stage(
    kind: StoreKind,
    target: Target,
    source: CopiedSource,
    options: { readonly columns?: Readonly<Record<string, string>>; readonly given?: Attempt } = {},
  ): Promise<Staged> {
    return await stageCopy(source, new Map(Object.entries(options.columns ?? {})), {
      asset: { store: kind },
      target,
      stores: this.open,
      attempt: options.given ?? attempt(),
    });
  }

  /** Copies and publishes. */
  async copy(
    kind: StoreKind,
    target: Target,
    source: CopiedSource,
    columns: Readonly<Record<string, string>> = {},
  ): Promise<Staged> {
    const given = attempt();
    const staged = await this.stage(kind, target, source, { columns, given });
    await publish(staged, target, given);
    await this.open.close();
    return staged;
  }

  /** Copies a table with one column of texts; what arrives, sorted. */
  async copyTexts(from: StoreKind, to: StoreKind, texts: readonly string[]): Promise<string[]> {
    const [source, copied] = [newTarget({ s: z.string() }), newTarget({ s: z.string() })];
    const rowsOfOne = texts.map((text) => [text]);
    await this.make(from, source, valuesOf(from, source, rowsOfOne));
    await this.copy(to, copied, { format: "asset", target: source, store: from });
    // The driver of DuckDB takes U+FEFF from where a text begins.
    const rows = await this.query(to, `SELECT '|' || s FROM ${copied.schema}.${copied.table}`);
    return rows.map(([text]) => (text ?? "").slice(1)).sort();
  }

  /** A table's rows in one spelling, whichever store holds them, in the order of their first column. */
  async rows(kind: StoreKind, target: Target): Promise<Rows> {
    const name = quoteOf(kind);
    const list = target.columns.map((column) => name(column.name)).join(", ");
    const [first] = target.columns;
    const rows = await this.query(
      kind,
      `SELECT ${list} FROM ${name(target.schema)}.${name(target.table)} ORDER BY ${name(first?.name ?? "")}`,
    );
    return rows.map((row) =>
      row.map((value, index) => (value === null ? null : spelling(target.columns[index]?.type.kind ?? "", value))),
    );
  }
}

/** A table that no other test writes. */
export function newTarget(shape: Readonly<Record<string, z.ZodType>>, change: Partial<Target> = {}): Target {
  const schema = `t_${randomUUID().replaceAll("-", "").slice(0, 12)}`;
  return {
    ...{ assetKey: `${schema}/x`, schema, table: "x", description: "A test." },
    ...{ columns: columnsOf(shape), key: [], storage: {}, strategy: { kind: "replace" } },
    ...change,
  };
}

/** A name as a store takes it. */
export function quoteOf({ name }: StoreKind): (text: string) => string {
  return name === "clickhouse" ? clickhouseQuote : quote;
}

/** The query that yields rows of texts as a contract's columns. */
export function valuesOf(kind: StoreKind, { columns }: Target, rows: Rows): string {
  const text = kind.name === "clickhouse" ? clickhouseLiteral : literal;
  const selects = rows.map((row) => {
    const list = columns.map(({ name, type }, index) => {
      const value = row[index] ?? null;
      const typeName = kind.name === "clickhouse" ? `Nullable(${kind.typeName(type)})` : kind.typeName(type);
      return `CAST(${value === null ? "NULL" : text(written(kind, type.kind, value))} AS ${typeName}) AS ${quoteOf(kind)(name)}`;
    });
    return `SELECT ${list.join(", ")}`;
  });
  return selects.join("\nUNION ALL ");
}

function written({ name }: StoreKind, type: string, value: string): string {
  return type === "timestamp" && name === "clickhouse" ? value.replace("T", " ").replace("Z", "") : value;
}

/** One spelling for what stores write differently. */
function spelling(type: string, value: string): string {
  switch (type) {
    case "timestamp": {
      const [, day = value, time = "", fraction = ""] =
        /^(\d+-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:\+00|Z)?$/.exec(value) ?? [];
      return time === "" ? value : `${day}T${time}.${fraction.padEnd(6, "0")}Z`;
    }
    case "float64":
      return /^[-+]?inf$/i.test(value)
        ? String(Number(`${value.startsWith("-") ? "-" : ""}Infinity`))
        : String(Number(value));
    default:
      return value;
  }
}
