import { createHmac } from "node:crypto";
import { z } from "zod";
import type { SupersetClient } from "./client/client.ts";
import { SupersetConfigError, SupersetForbiddenError, SupersetRefusedError } from "./client/errors.ts";
import { type StoreConnection, storeConnection, type SupersetStore } from "./connection.ts";
import { makeOnce } from "./make.ts";
import type { Superset } from "./open.ts";
import type { SupersetCredentials, SupersetEnvironment } from "./settings.ts";
import { supersetUuid } from "./uuid.ts";

/** A database connection in Superset. */
export interface SupersetDatabase {
  readonly id: number;
  readonly name: string;
}

/** Which store, and how to reach it. */
export interface StoreOptions {
  readonly store: SupersetStore;
  readonly env: SupersetEnvironment;
  /** The published file of DuckDB, as Superset sees it: an absolute path. */
  readonly duckdbSnapshot: string;
}

/** Where in a database's `extra` stands what its connection was made of. */
const FINGERPRINT = "dagster_typescript";

const listed = z.object({ id: z.number(), database_name: z.string(), extra: z.string().nullable().optional() });
const created = z.object({ id: z.number() });

/**
 * The database connection of a store in Superset.
 *
 * With `SUPERSET_DATABASE_<STORE>` it is the one of that name, as it is. Otherwise it is ours, `dagster-typescript
 * <store>`: with an administrator's account it is made, and brought up to date when the address or a password has changed;
 * without, it has to be there.
 *
 * @throws SupersetConfigError where it is not there and cannot be made
 * @throws SupersetRefusedError where Superset cannot connect to the store
 */
export async function storeDatabase(superset: Superset, options: StoreOptions): Promise<SupersetDatabase> {
  const { name, variable, registrar } = connectionOf(superset, options);
  if (registrar !== undefined) return await register(registrar, name, options, superset.settings.adminCredentials);
  const found = await tryFind(superset.client, name);
  if (found !== undefined) return { id: found.id, name };
  throw await missing(superset.client, name, variable);
}

/** How the database connection of a store stands beside what {@link storeDatabase} would make of it. */
export interface ComparedDatabase {
  /** `undefined`: it is not there. */
  readonly id: number | undefined;
  /** For people. */
  readonly differences: readonly string[];
}

/** Looks at the database connection of a store; writes nothing. @throws SupersetError, SupersetConfigError */
export async function compareDatabase(superset: Superset, options: StoreOptions): Promise<ComparedDatabase> {
  const { name, registrar } = connectionOf(superset, options);
  const found = await tryFind(registrar ?? superset.client, name);
  if (found === undefined) return { id: undefined, differences: [`the database connection "${name}" is not there`] };
  const isSame =
    registrar === undefined ||
    extraOf(found.extra)[FINGERPRINT] ===
      fingerprintOf(
        storeConnection(options.store, options.env, options.duckdbSnapshot),
        superset.settings.adminCredentials,
      );
  return {
    id: found.id,
    differences: isSame ? [] : [`the database connection "${name}" has another address, password or limits`],
  };
}

/** Which connection is that of a store, and who makes it; `undefined`: it has to be there. */
function connectionOf(
  { admin }: Superset,
  { store, env }: StoreOptions,
): { readonly name: string; readonly variable: string; readonly registrar: SupersetClient | undefined } {
  const variable = `SUPERSET_DATABASE_${store.toUpperCase()}`;
  const given = env[variable] ?? "";
  if (given !== "") return { name: given, variable, registrar: undefined };
  return { name: `dagster-typescript ${store}`, variable, registrar: admin };
}

async function register(
  admin: SupersetClient,
  name: string,
  { store, env, duckdbSnapshot }: StoreOptions,
  credentials: SupersetCredentials | undefined,
): Promise<SupersetDatabase> {
  const connection = storeConnection(store, env, duckdbSnapshot);
  const fingerprint = fingerprintOf(connection, credentials);
  const found = await tryFind(admin, name);
  if (found === undefined) return await create(admin, name, store, connection, fingerprint);
  const extra = extraOf(found.extra);
  if (extra[FINGERPRINT] !== fingerprint) {
    // What people set beside it stays.
    const body = { sqlalchemy_uri: connection.uri, extra: withConnection(extra, connection, fingerprint) };
    await connecting(store, () =>
      admin.put(`/database/${found.id}`, body, z.unknown(), { secrets: connection.secrets }),
    );
  }
  return { id: found.id, name };
}

async function create(
  admin: SupersetClient,
  name: string,
  store: SupersetStore,
  connection: StoreConnection,
  fingerprint: string,
): Promise<SupersetDatabase> {
  const body = {
    database_name: name,
    uuid: supersetUuid("database", store),
    sqlalchemy_uri: connection.uri,
    extra: withConnection({}, connection, fingerprint),
    // Superset takes Hyper for PostgreSQL, and asks there for what only SQL Lab needs.
    expose_in_sqllab: store !== "hyper",
    allow_ctas: false,
    allow_cvas: false,
    allow_dml: false,
    allow_file_upload: false,
  };
  const make = async (): Promise<number> =>
    (await admin.post("/database/", body, created, { secrets: connection.secrets })).id;
  const find = async (): Promise<number | undefined> => (await tryFind(admin, name))?.id;
  return { id: await connecting(store, () => makeOnce("Database", make, find)), name };
}

/** Says what to do where Superset cannot connect, or may not be told to. */
async function connecting<T>(store: SupersetStore, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SupersetRefusedError) {
      error.message =
        `Superset cannot connect to ${store}: ${reasonIn(error.said)}. ` +
        `It connects from its own machine: ${HINTS[store]} (docs/superset.md)`;
    }
    if (error instanceof SupersetForbiddenError) {
      error.message = `${error.message} SUPERSET_ADMIN_USERNAME is to be an administrator: only those make database connections.`;
    }
    throw error;
  }
}

/** Superset wraps what the driver said: `(builtins.NoneType) None [SQL: …] (Background on this error at: …)`. */
function reasonIn(said: string): string {
  return /^\(builtins\.NoneType\) None\s*\[SQL: (.*)\]\s*\(Background/s.exec(said)?.[1] ?? said;
}

const HINTS: Readonly<Record<SupersetStore, string>> = {
  postgres:
    "SUPERSET_POSTGRES_URL is the address to use there. It needs the Python package psycopg2-binary, and a PgBouncer in " +
    "between needs ignore_startup_parameters = options, or DATABASE_STATEMENT_TIMEOUT_SECONDS=0 here",
  clickhouse: "SUPERSET_CLICKHOUSE_URL is the address to use there. It needs the Python package clickhouse-connect",
  hyper: "SUPERSET_HYPER_URL is the address to use there. It needs the dialect in resources/hyper/sqlalchemy",
  duckdb:
    "SUPERSET_DUCKDB_PATH is the published file as seen there, which a first snapshot makes. It needs the Python package duckdb-engine",
};

async function tryFind(client: SupersetClient, name: string): Promise<z.infer<typeof listed> | undefined> {
  const filters = [{ column: "database_name", operator: "eq", value: name }];
  const [found] = await client.list("database", listed, { filters, columns: ["database_name", "extra"] });
  return found;
}

async function missing(client: SupersetClient, name: string, variable: string): Promise<SupersetConfigError> {
  const all = await client.list("database", listed, { columns: ["database_name"] });
  const names = all.map(({ database_name: each }) => JSON.stringify(each)).join(", ");
  return new SupersetConfigError(
    `Superset at ${client.url} shows no database connection called ${JSON.stringify(name)} to this account ` +
      `(it shows ${names === "" ? "none" : names}). Name one that is there in ${variable}, or give an administrator in ` +
      "SUPERSET_ADMIN_USERNAME and SUPERSET_ADMIN_PASSWORD, with whom it is made.",
  );
}

/**
 * Tells whether a connection is the one that was registered, without its password: keyed with a secret that whoever reads
 * it in Superset has not.
 */
function fingerprintOf({ uri, connectArgs }: StoreConnection, credentials: SupersetCredentials | undefined): string {
  const key = credentials === undefined ? "" : "apiKey" in credentials ? credentials.apiKey : credentials.password;
  return createHmac("sha256", key)
    .update(JSON.stringify([uri, connectArgs]))
    .digest("hex");
}

function withConnection(
  extra: Readonly<Record<string, unknown>>,
  { connectArgs }: StoreConnection,
  fingerprint: string,
): string {
  const params = z.record(z.string(), z.unknown()).safeParse(extra["engine_params"]).data ?? {};
  return JSON.stringify({
    ...extra,
    // Superset 6 opens a connection for each query and closes it: these count where it is told to keep them.
    engine_params: { ...params, pool_pre_ping: true, pool_recycle: 300, connect_args: connectArgs },
    [FINGERPRINT]: fingerprint,
  });
}

function extraOf(text: string | null | undefined): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text ?? "{}"));
  } catch {
    return {};
  }
}
