import { Readable } from "node:stream";
import type { PostgresReader, PostgresServer, PostgresTableSource, ReadColumn, ReadLimits } from "../bulk_source.ts";
import { type CopiedColumns, sourceOf } from "../store_sources.ts";
import type { Attempt, Target } from "../store.ts";
import type { Client } from "./client.ts";
import { columnNames } from "./contract.ts";
import { ClickHouseStatementError } from "./errors.ts";
import { literal, quote } from "./quote.ts";
import { columnTypeName, fullTypeName } from "./type_names.ts";

/** What Date32 and DateTime64 keep; ClickHouse would take another instant for what is beyond. */
const LIMITS: ReadLimits = { first: "1900-01-01", end: "2300-01-01", allowsInfinity: false };
const PLAIN_NAME = /^[a-z_][a-z0-9_]*$/i;
/** Names that mean another machine to every machine. */
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/;

/**
 * Settings of a database or a user under which PostgreSQL writes what the other ways bring. ClickHouse sets none for its
 * connections: it would take other bytes, other instants and days, and fewer digits, without a word.
 */
const WRITES_ALIKE: Readonly<Record<string, RegExp>> = {
  client_encoding: /^UTF8$/,
  timezone: /^(Etc\/)?(UTC|UCT|GMT|Zulu)$/,
  datestyle: /^ISO\b/,
  intervalstyle: /^postgres$/,
  extra_float_digits: /^[1-3]$/,
};

/**
 * Errors of a server that cannot read PostgreSQL by itself: no way to it, no grant, too old for `query(…)`.
 *
 * @see https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
 */
const CANNOT_READ: ReadonlySet<number | null> = new Set([
  36, // BAD_ARGUMENTS
  42, // NUMBER_OF_ARGUMENTS_DOESNT_MATCH
  46, // UNKNOWN_FUNCTION
  47, // UNKNOWN_IDENTIFIER
  344, // SUPPORT_IS_DISABLED
  497, // ACCESS_DENIED
  614, // POSTGRESQL_CONNECTION_FAILURE
]);

/**
 * Copies a PostgreSQL table into a table of the contract's columns: ClickHouse reads it by its function `postgresql()`
 * where it can, else PostgreSQL's COPY goes through this process, as it is. Both run the same statement on PostgreSQL.
 *
 * @returns the statement, for people
 */
export async function copyFromPostgres(
  client: Client,
  table: string,
  source: PostgresTableSource,
  names: CopiedColumns,
  { target, attempt }: { readonly target: Target; readonly attempt: Attempt },
): Promise<string> {
  const { runId, signal, log } = attempt;
  // ClickHouse 26.7 quotes names for PostgreSQL as for itself, with backslashes.
  const columns = target.columns.map(({ name, type }, index) => ({
    ...{ type, source: sourceOf(names, name) },
    name: PLAIN_NAME.test(name) ? name : `column ${index + 1}`,
  }));
  const { assetKey } = target;
  const reader = await source.open({
    ...{ assetKey, runId, columns, signal, log },
    limits: LIMITS,
    hasInstantsWithoutZone: true,
  });
  const { query, place, server } = reader;
  const statement = `-- in ${place}\n${query}`;
  if (reaches(client, server)) {
    try {
      const others = await otherSettings(client, server);
      if (others.length === 0) {
        await readByServer(client, table, reader, { target, columns });
        return statement;
      }
      log(
        `${place} would write values otherwise for ClickHouse (${others.join(", ")}), so the rows go through this process`,
      );
    } catch (error) {
      if (!(error instanceof ClickHouseStatementError) || !CANNOT_READ.has(error.exceptionCode)) throw error;
      log(`ClickHouse cannot read ${place} by itself, so the rows go through this process: ${error.message}`);
      await client.run(`TRUNCATE TABLE ${table}`);
    }
  }
  await readByCopy(client, table, reader, target);
  return statement;
}

/**
 * Whether ClickHouse may be asked to connect: never where it would leave out what the URL says of encryption, nor where
 * the name means another machine to it.
 */
function reaches({ config }: Client, { host, sslmode }: PostgresServer): boolean {
  if (sslmode !== "disable" || host.startsWith("/")) return false;
  return !LOOPBACK.test(host) || LOOPBACK.test(config.url.hostname);
}

/** What a statement of PostgreSQL returns, as ClickHouse connects to it. */
function relation({ host, port, database, user, password }: PostgresServer, query: string): string {
  const place = [`${host}:${port}`, database].map(literal).join(", ");
  return `postgresql(${place}, query(${literal(query)}), ${[user, password].map(literal).join(", ")})`;
}

/** The settings of PostgreSQL, by which it casts and writes values, that are not as those of this process. */
async function otherSettings(client: Client, server: PostgresServer): Promise<string[]> {
  const names = Object.keys(WRITES_ALIKE);
  const query = `SELECT ${names.map((name) => `current_setting('${name}') AS ${name}`).join(", ")}`;
  try {
    const { rows } = await client.text(`SELECT ${names.join(", ")} FROM ${relation(server, query)}`);
    const found = names.map((name, index) => [name, rows[0]?.[index] ?? ""] as const);
    return found.flatMap(([name, value]) => (WRITES_ALIKE[name]?.test(value) === true ? [] : [`${name} ${value}`]));
  } catch (error) {
    throw withoutSecrets(error, query, server.password);
  }
}

async function readByServer(
  client: Client,
  table: string,
  { query, server }: PostgresReader,
  { target, columns }: { readonly target: Target; readonly columns: readonly ReadColumn[] },
): Promise<void> {
  const casts = target.columns.map(
    (column, index) => `accurateCast(${quote(columns[index]?.name ?? "")}, ${literal(fullTypeName(column))})`,
  );
  try {
    await client.run(
      `INSERT INTO ${table} (${columnNames(target)}) SELECT ${casts.join(", ")} FROM ${relation(server, query)}`,
    );
  } catch (error) {
    throw withoutSecrets(error, query, server.password);
  }
}

async function readByCopy(client: Client, table: string, reader: PostgresReader, target: Target): Promise<void> {
  const structure = target.columns
    .map(({ name, type }) => `${quote(name)} Nullable(${columnTypeName(type)})`)
    .join(", ");
  const names = columnNames(target);
  const insert = `INSERT INTO ${table} (${names}) SELECT ${names} FROM input(${literal(structure)}) FORMAT TabSeparated`;
  const rows = reader.rows("text");
  let fault: { readonly error: unknown } | undefined;
  const watched = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* rows;
    } catch (error) {
      fault = { error };
      throw error;
    }
  };
  try {
    await client.insertStream(insert, Readable.from(watched(), { objectMode: false }));
  } catch (error) {
    // A request that ends in the middle looks like a server that went away.
    throw fault === undefined ? error : fault.error;
  }
}

/** The server's messages quote the statement at times, and the statement holds the password. */
function withoutSecrets(error: unknown, query: string, password: string): unknown {
  if (!(error instanceof ClickHouseStatementError)) return error;
  const spellings = [password, literal(password).slice(1, -1)].filter((text) => text !== "");
  const told = spellings.reduce((text, secret) => text.replaceAll(secret, "[redacted]"), error.message);
  const Child = error.constructor as typeof ClickHouseStatementError;
  return new Child(told, query, error.exceptionCode, undefined);
}
