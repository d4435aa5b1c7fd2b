import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@clickhouse/client";
import pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { date, decimal, json, timestamp, z } from "../../../definitions/index.ts";
import { clickhouse } from "../../../resources/clickhouse/kind.ts";
import { Client as DuckDB } from "../../../resources/duckdb/client.ts";
import { copyFromPostgres } from "../../../resources/duckdb/from_postgres.ts";
import { duckdb } from "../../../resources/duckdb/kind.ts";
import { hyper } from "../../../resources/hyper/kind.ts";
import { postgresConfig } from "../../../resources/postgres/config.ts";
import { postgres } from "../../../resources/postgres/kind.ts";
import { serverOf } from "../../../resources/postgres/reader.ts";
import type { StoreKind } from "../../../resources/store.ts";
import type { CopiedSource } from "../../../runtime/copied_source.ts";
import { Server } from "../postgres/server.ts";
import { installExtension } from "./extension.ts";
import { attempt, newTarget, Stores } from "./stores.ts";

const stores = Stores.forThisFile(["duckdb", "clickhouse", "hyper"]);
const folder = mkdtempSync(join(tmpdir(), "ways-"));
let server: Server;
let extension: string;

beforeAll(async () => {
  const [certFile, keyFile] = [join(folder, "server.pem"), join(folder, "server.key")];
  const key = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  execFileSync("openssl", [...key, "-subj", "/CN=localhost", "-keyout", keyFile, "-out", certFile], {
    stdio: "ignore",
  });
  server = await Server.start({ tls: { certFile, keyFile } });
  extension = await installExtension("postgres_scanner");
}, 600_000);
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => {
  for (const name of ["DUCKDB_POSTGRES_EXTENSION", "SHOP_URL", "DATABASE_STATEMENT_TIMEOUT_SECONDS"])
    Reflect.deleteProperty(process.env, name);
});

/** The ways from a table of PostgreSQL into a store, and what makes a copy take one. */
const WAYS: readonly { readonly way: string; readonly to: StoreKind; readonly choose: () => URL }[] = [
  { way: "DuckDB by COPY", to: duckdb, choose: () => new URL(server.url) },
  {
    way: "DuckDB by its extension",
    to: duckdb,
    choose: () => {
      process.env["DUCKDB_POSTGRES_EXTENSION"] = extension;
      return new URL(server.url);
    },
  },
  { way: "ClickHouse by postgresql()", to: clickhouse, choose: () => new URL(server.url) },
  {
    way: "ClickHouse by COPY, as the way is encrypted",
    to: clickhouse,
    choose: () => encrypted(server.url),
  },
  { way: "Hyper by COPY", to: hyper, choose: () => encrypted(server.url) },
];

function encrypted(url: string): URL {
  const changed = new URL(url);
  changed.searchParams.set("sslmode", "require");
  return changed;
}

/** A table of the shop's database, read in a way. */
async function source(choose: () => URL, definition: string): Promise<CopiedSource> {
  const { schema } = newTarget({});
  await server.sql(`CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.source AS ${definition}`);
  process.env["SHOP_URL"] = choose().href;
  return { format: "postgres", schema, table: "source", url: "SHOP_URL" };
}

async function faultOf(
  act: () => Promise<unknown>,
): Promise<Error & { readonly code: string; readonly retryable: boolean }> {
  try {
    await act();
  } catch (error) {
    return error as Error & { readonly code: string; readonly retryable: boolean };
  }
  throw new Error("expected a fault");
}

describe.each(WAYS)("$way", ({ to, choose }) => {
  it("brings every value as it was", async () => {
    const from = await source(
      choose,
      `SELECT 1 AS "i'd", -9223372036854775808 AS "b\\s", 9999999999999999999999999999.9999999999::numeric(38,10) AS "n""n",
        'Infinity'::float8 AS f, true AS t, '1969-12-31 23:59:59.999999+00'::timestamptz AS at, '1900-01-01'::date AS day,
        E'a\\tb\\n"c", \\\\N' AS s, '{"b": 1.0, "a": "\\u0041"}'::json AS j
      UNION ALL SELECT 2, 9223372036854775807, -0.0000000001, 5e-324, false, '2299-12-31 23:59:59.999999+00', '2299-12-31', '', '[]'
      UNION ALL SELECT 3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL`,
    );
    const target = newTarget({
      "i'd": z.int(),
      "b\\s": z.int64().nullable(),
      'n"n': decimal(38, 10).nullable(),
      f: z.number().nullable(),
      t: z.boolean().nullable(),
      at: timestamp().nullable(),
      day: date().nullable(),
      s: z.string().nullable(),
      j: json(z.unknown()).nullable(),
    });
    const { statement } = await stores.copy(to, target, from);
    expect(await stores.rows(to, target)).toEqual([
      [
        ...["1", "-9223372036854775808", "9999999999999999999999999999.9999999999", "Infinity", "true"],
        ...["1969-12-31T23:59:59.999999Z", "1900-01-01", 'a\tb\n"c", \\N', '{"b": 1.0, "a": "\\u0041"}'],
      ],
      [
        ...["2", "9223372036854775807", "-0.0000000001", "5e-324", "false"],
        ...["2299-12-31T23:59:59.999999Z", "2299-12-31", "", "[]"],
      ],
      ["3", ...Array.from({ length: 8 }, () => null)],
    ]);
    const { password, host } = new URL(server.url);
    expect(statement).toContain(`-- in PostgreSQL at ${host}/warehouse\nSELECT `);
    expect(statement).not.toContain(password);
  });

  it("brings text of a database in another encoding, and stops at bytes that are no text", async () => {
    for (const [encoding, bytes, arrives] of [
      ["LATIN1", "\\x66fc62c3a9", true],
      ["SQL_ASCII", "\\x66fc62", false],
    ] as const) {
      const database = `in_${encoding}_${randomUUID().slice(0, 8)}`.toLowerCase();
      await server.sql(
        `CREATE DATABASE "${database}" ENCODING '${encoding}' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0`,
      );
      const url = choose();
      url.pathname = `/${database}`;
      const plain = new URL(server.url);
      plain.pathname = url.pathname;
      const client = new pg.Client({ connectionString: plain.href });
      await client.connect();
      await client.query(`CREATE TABLE source AS SELECT convert_from('${bytes}', '${encoding}') AS s`);
      await client.end();
      process.env["SHOP_URL"] = url.href;
      const target = newTarget({ s: z.string() });
      const copying = stores.copy(to, target, {
        format: "postgres",
        schema: "public",
        table: "source",
        url: "SHOP_URL",
      });
      if (arrives) {
        await copying;
        expect(await stores.rows(to, target)).toEqual([["fübÃ©"]]);
      } else {
        await expect(copying).rejects.toMatchObject({ retryable: false });
        await expect(copying).rejects.toThrow(/invalid byte sequence for encoding "UTF8": 0xfc/);
      }
    }
  });

  it("casts and writes values in one way, whatever the database prefers", async () => {
    const database = `"${new URL(server.url).pathname.slice(1)}"`;
    const prefers = {
      timezone: "America/New_York",
      datestyle: "German",
      intervalstyle: "iso_8601",
      extra_float_digits: "0",
    };
    for (const [name, value] of Object.entries(prefers))
      await server.sql(`ALTER DATABASE ${database} SET ${name} = '${value}'`);
    try {
      const from = await source(
        choose,
        `SELECT timestamp '2017-01-02 03:04:05' AS at, timestamptz '2017-01-02 01:00:00+00' AS day, 0.1::float8 + 0.2::float8 AS f,
          date '2017-01-02' AS d, interval '1 day 2 hours' AS i, timestamptz '2017-01-02 01:00:00+00' AS s`,
      );
      const target = newTarget({
        ...{ at: timestamp(), day: date(), f: z.number(), d: z.string(), i: z.string(), s: z.string() },
      });
      await stores.copy(to, target, from);
      expect(await stores.rows(to, target)).toEqual([
        [
          ...["2017-01-02T03:04:05.000000Z", "2017-01-02", "0.30000000000000004"],
          ...["2017-01-02", "1 day 02:00:00", "2017-01-02 01:00:00+00"],
        ],
      ]);
    } finally {
      await server.sql(`ALTER DATABASE ${database} RESET ALL`);
    }
  });

  it("stops at a value that does not fit, says which, and never how it connects", async () => {
    const from = await source(
      choose,
      "SELECT CASE g WHEN 90000 THEN 'NaN'::numeric ELSE g END AS n FROM generate_series(1, 100000) AS g",
    );
    const target = newTarget({ n: decimal(12, 2) });
    const fault = await faultOf(() => stores.copy(to, target, from));
    expect(fault).toMatchObject({ retryable: false });
    expect(fault.message).toContain("no number: NaN");
    expect(shown(fault)).not.toContain(new URL(server.url).password);
  });

  it("leaves out nothing, and adds nothing, when rows are written meanwhile", async () => {
    const from = await source(choose, "SELECT g AS id, 1 AS part FROM generate_series(1, 200000) AS g");
    if (from.format !== "postgres") throw new TypeError("a table");
    const over = new AbortController();
    const writing = (async () => {
      // Each statement leaves as many rows as there were, all of one part.
      for (let part = 2; !over.signal.aborted; part += 1)
        await server.sql(`UPDATE ${from.schema}.source SET part = ${part}`);
    })();
    try {
      const target = newTarget({ id: z.int(), part: z.int() });
      await stores.copy(to, target, from);
      const rows = await stores.query(
        to,
        `SELECT count(*), count(DISTINCT id), count(DISTINCT part) FROM ${target.schema}.x`,
      );
      expect(rows).toEqual([["200000", "200000", "1"]]);
    } finally {
      over.abort();
      await writing;
    }
  });

  it("ends when the run is terminated, and nothing is left", async () => {
    const { schema } = newTarget({});
    await server.sql(`CREATE SCHEMA ${schema}; CREATE VIEW ${schema}.source AS SELECT 1 AS id FROM pg_sleep(600)`);
    process.env["SHOP_URL"] = choose().href;
    const run = new AbortController();
    const reason = new Error("terminated");
    const given = attempt({ signal: run.signal });
    const copying = stores.stage(
      to,
      newTarget({ id: z.int() }),
      { format: "postgres", schema, table: "source", url: "SHOP_URL" },
      { given },
    );
    const reading = `SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = 'active' AND query LIKE '%${schema}%'`;
    await expect.poll(() => server.sql(reading), { timeout: 60_000 }).toEqual([["1"]]);
    run.abort(reason);
    await expect(copying).rejects.toBe(reason);
    await expect.poll(() => server.sql(reading), { timeout: 60_000 }).toEqual([["0"]]);
    await stores.open.close();
  });
});

it("ClickHouse masks the password of PostgreSQL wherever it shows what runs", async () => {
  const { schema } = newTarget({});
  await server.sql(`CREATE SCHEMA ${schema}; CREATE VIEW ${schema}.source AS SELECT 1 AS id FROM pg_sleep(600)`);
  process.env["SHOP_URL"] = server.url;
  const { password } = new URL(server.url);
  const run = new AbortController();
  const copying = stores.stage(
    clickhouse,
    newTarget({ id: z.int() }),
    { format: "postgres", schema, table: "source", url: "SHOP_URL" },
    { given: attempt({ signal: run.signal }) },
  );
  copying.catch(() => undefined);
  await using looker = createClient({ url: stores.url("clickhouse") });
  const shownBy = async (query: string): Promise<string> =>
    await (await looker.query({ query, format: "TabSeparatedRaw" })).text();
  const running = "SELECT query FROM system.processes WHERE query LIKE 'INSERT%postgresql(%'";
  await expect.poll(() => shownBy(running), { timeout: 60_000 }).toContain(schema);
  expect(password).not.toBe("");
  const texts = await Promise.all([
    shownBy(running),
    shownBy("SELECT * FROM system.processes"),
    shownBy("SHOW PROCESSLIST"),
  ]);
  for (const text of texts) {
    expect(text).toContain("[HIDDEN]");
    expect(text).not.toContain(password);
  }
  run.abort(new Error("seen enough"));
  await expect(copying).rejects.toThrow("seen enough");
  await stores.open.close();
});

describe.each(WAYS.filter(({ way }) => !way.includes("postgresql()")))("$way", ({ to, choose }) => {
  it("ends at the limit of a statement", async () => {
    const from = await source(choose, "SELECT 1 AS id");
    if (from.format !== "postgres") throw new TypeError("a table");
    await server.sql(`CREATE VIEW ${from.schema}.slow AS SELECT 1 AS id FROM pg_sleep(600)`);
    process.env["DATABASE_STATEMENT_TIMEOUT_SECONDS"] = "1";
    const fault = await faultOf(() => stores.copy(to, newTarget({ id: z.int() }), { ...from, table: "slow" }));
    expect(fault).toMatchObject({ retryable: false });
    expect(fault.message).toMatch(/statement timeout|DATABASE_STATEMENT_TIMEOUT_SECONDS/);
  });

  it("says that the connection was lost when the server ends it, which may pass", async () => {
    const { schema } = newTarget({});
    await server.sql(
      `CREATE SCHEMA ${schema}; CREATE VIEW ${schema}.source AS SELECT generate_series(1, 100000000000) AS id`,
    );
    process.env["SHOP_URL"] = choose().href;
    const copying = faultOf(() =>
      stores.copy(to, newTarget({ id: z.int() }), { format: "postgres", schema, table: "source", url: "SHOP_URL" }),
    );
    const kill = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = 'active' AND query LIKE '%${schema}%'`;
    await expect.poll(() => server.sql(kill), { timeout: 60_000 }).toEqual([["1"]]);
    const fault = await copying;
    expect(fault, fault.message).toMatchObject({ code: "connection_lost", retryable: true });
    await stores.open.close();
  });
});

it("where ClickHouse cannot connect, the rows go through this process, and the log says so", async () => {
  await server.sql(`
    CREATE FUNCTION public.only_us() RETURNS event_trigger LANGUAGE plpgsql AS
      $$BEGIN IF current_setting('application_name') = '' THEN RAISE 'not you'; END IF; END$$;
    CREATE EVENT TRIGGER only_us ON login EXECUTE FUNCTION public.only_us()`);
  try {
    const from = await source(() => new URL(`${server.url}?application_name=us`), "SELECT 7 AS id");
    const said: string[] = [];
    const target = newTarget({ id: z.int() });
    const given = attempt({ log: (message) => said.push(message) });
    const staged = await stores.stage(clickhouse, target, from, { given });
    expect((await staged.facts()).sample.rows).toEqual([["7"]]);
    await staged.discard();
    expect(said.join("\n")).toContain("ClickHouse cannot read PostgreSQL at ");
    expect(said.join("\n")).not.toContain(new URL(server.url).password);
  } finally {
    await server.sql("DROP EVENT TRIGGER only_us");
  }
});

it("a password is in no fault of DuckDB's extension, however the URL spells it", async () => {
  process.env["DUCKDB_POSTGRES_EXTENSION"] = extension;
  for (const url of [
    "postgres://u:$ecret=1-long@127.0.0.1:1/db",
    "postgres://127.0.0.1:1/db?user=u&password=s'ecret+1",
  ]) {
    process.env["SHOP_URL"] = url;
    const server = serverOf(postgresConfig(process.env, "SHOP_URL"), "a test");
    const source = { open: () => Promise.resolve({ place: "x", query: "SELECT 1 AS id", server }) };
    const client = await DuckDB.open(join(folder, "leak.duckdb"));
    const given = { target: newTarget({ id: z.int() }), attempt: attempt(), projectDir: folder };
    const fault = await faultOf(() => copyFromPostgres(client, "rows", source as never, new Map(), given));
    client.close();
    expect(fault).toMatchObject({ code: "connection_lost", retryable: true });
    expect([fault.message, fault.stack, String(fault.cause)].join("\n")).not.toMatch(/ecret/);
  }
});

it("an extension that cannot be loaded is told by the variable that names it", async () => {
  const from = await source(() => new URL(server.url), "SELECT 7 AS id");
  process.env["DUCKDB_POSTGRES_EXTENSION"] = join(folder, "nothing.duckdb_extension");
  const fault = await faultOf(() => stores.copy(duckdb, newTarget({ id: z.int() }), from));
  expect(fault).toMatchObject({ code: "bad_configuration", retryable: false });
  expect(fault.message).toContain("DUCKDB_POSTGRES_EXTENSION: ");
});

it("PostgreSQL copies a table of another database, byte by byte", async () => {
  const from = await source(
    () => encrypted(server.url),
    "SELECT 'infinity'::timestamptz AS at, '0044-03-15 BC'::date AS day",
  );
  process.env["DATABASE_URL"] = server.url;
  try {
    const target = newTarget({ at: timestamp(), day: date() });
    await stores.copy(postgres, target, from);
    expect(await server.sql(`SELECT * FROM ${target.schema}.x`)).toEqual([["infinity", "0044-03-15 BC"]]);
  } finally {
    delete process.env["DATABASE_URL"];
  }
});

/** All that an error may print. */
function shown(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return [error.stack, ...Object.values(error).map(String), shown(error.cause ?? "")].join("\n");
}
