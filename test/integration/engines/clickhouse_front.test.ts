import { ClickHouseLogLevel, createClient, type ClickHouseClient } from "@clickhouse/client";
import { request } from "node:http";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Engine } from "../../../ops/engines/engine.ts";
import { installEngine } from "../../../ops/engines/install.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { Scratch, until } from "./scratch.ts";

let scratch: Scratch;
let engine: Engine;
let client: ClickHouseClient;
let database: string;
let count = 0;

beforeAll(async () => {
  await installEngine("clickhouse");
  scratch = new Scratch();
  engine = await startEngine("clickhouse", { dataDir: scratch.folder() });
}, 900_000);
afterAll(async () => {
  await engine.stop();
  scratch[Symbol.dispose]();
});
beforeEach(async () => {
  count += 1;
  database = `test_${count}`;
  await using admin = connect({});
  await admin.command({ query: `CREATE DATABASE ${database}` });
  client = connect({ database });
  return () => client.close();
});

function connect(options: Parameters<typeof createClient>[0]): ClickHouseClient {
  return createClient({ url: engine.url, log: { level: ClickHouseLogLevel.OFF }, ...options });
}

const run = (query: string): Promise<unknown> => client.command({ query });
async function rows<T>(query: string, options: { query_params?: Record<string, unknown> } = {}): Promise<T[]> {
  return (await client.query({ query, format: "JSONEachRow", ...options })).json<T>();
}

/** Sends a request as it is; the client would not. */
async function post(
  search: Readonly<Record<string, string>>,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; headers: Headers; text: string }> {
  const { origin, username, password } = new URL(engine.url);
  const answer = await fetch(`${origin}/?${new URLSearchParams({ database, ...search }).toString()}`, {
    method: "POST",
    headers: { "X-ClickHouse-User": username, "X-ClickHouse-Key": password, ...headers },
    body: typeof body === "string" ? body : new Uint8Array(body),
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

describe("rows", () => {
  test("a million of them go in as a stream and come out as one", async () => {
    await run(
      "CREATE TABLE big (id UInt32, name String, price Decimal(12, 2), at DateTime64(3)) ENGINE = MergeTree ORDER BY id",
    );
    const total = 1_000_000;
    const chunk = 10_000;
    const values = Readable.from(
      (function* () {
        for (let first = 0; first < total; first += chunk) {
          yield Array.from(
            { length: chunk },
            (_, n) => `${first + n},row ${first + n},1.25,2017-01-01 10:00:00.123\n`,
          ).join("");
        }
      })(),
      { objectMode: false },
    );
    const { summary } = await client.insert({ table: "big", values, format: "CSV" });
    expect(summary?.written_rows).toBe(String(total));
    const sumOfIds = (total * (total - 1)) / 2;
    expect(await rows("SELECT count() AS rows, sum(id) AS ids, sum(price) AS prices FROM big")).toEqual([
      { rows: total, ids: sumOfIds, prices: 1_250_000 },
    ]);
    const answer = await client.query({ query: "SELECT * FROM big", format: "JSONCompactEachRow" });
    let [read, ids] = [0, 0];
    for await (const part of answer.stream()) {
      read += part.length;
      for (const { text } of part) ids += Number.parseInt(text.slice(1));
    }
    expect([read, ids]).toEqual([total, sumOfIds]);
  });

  test.each(["JSONEachRow", "JSON", "CSVWithNames", "TabSeparatedWithNames", "Parquet", "Native"])(
    "an answer of many blocks is one whole answer in %s",
    async (format) => {
      const query = "SELECT number AS n, toString(number) AS t FROM numbers(300000) ORDER BY n";
      const whole = await bytesOf({ query: `${query} FORMAT ${format}` });
      await run("CREATE TABLE back (n UInt64, t String) ENGINE = MergeTree ORDER BY n");
      const done = await post({ query: `INSERT INTO back FORMAT ${format}` }, whole);
      expect([done.status, done.text]).toEqual([200, ""]);
      expect(await rows("SELECT count() AS rows, max(n) AS last, countIf(t != toString(n)) AS bad FROM back")).toEqual([
        { rows: 300_000, last: 299_999, bad: 0 },
      ]);
    },
  );

  async function bytesOf(search: { query: string }): Promise<Buffer> {
    const { origin } = new URL(engine.url);
    const { username, password } = new URL(engine.url);
    const answer = await fetch(`${origin}/?${new URLSearchParams(search).toString()}`, {
      headers: { "X-ClickHouse-User": username, "X-ClickHouse-Key": password },
    });
    expect(answer.status).toBe(200);
    return Buffer.from(await answer.arrayBuffer());
  }

  test("columns that an insert leaves out take their defaults", async () => {
    await run("CREATE TABLE t (id UInt8, a String DEFAULT 'none', b UInt8 MATERIALIZED id + 1) ENGINE = MergeTree ORDER BY id"); // prettier-ignore
    await client.insert({ table: "t", values: [{ id: 1 }, { id: 2, a: "some" }], format: "JSONEachRow" });
    await client.insert({ table: "t", columns: ["id"], values: [[3]], format: "JSONCompactEachRow" });
    expect(await rows("SELECT id, a, b FROM t ORDER BY id")).toEqual([
      { id: 1, a: "none", b: 2 },
      { id: 2, a: "some", b: 3 },
      { id: 3, a: "none", b: 4 },
    ]);
  });

  test.each([
    ["VALUES in the statement", {}, "INSERT INTO t VALUES (1, 'a;b'), (2, 'FORMAT c') "],
    ["VALUES in the body", { query: "INSERT INTO t VALUES" }, "(1, 'a;b'), (2, 'FORMAT c')"],
    ["a format in the statement, rows behind it", {}, "INSERT INTO t FORMAT CSV\n1,a;b\n2,FORMAT c\n"],
    ["rows begun in the URL", { query: "INSERT INTO t FORMAT CSV\n1,a;b\n" }, "2,FORMAT c\n"],
    ["settings before the format", { query: "INSERT INTO t (*) SETTINGS async_insert = 0 FORMAT CSV" }, "1,a;b\n2,FORMAT c\n"], // prettier-ignore
    ["rows through a SELECT", { query: "INSERT INTO t SELECT n, s FROM input('n UInt8, s String') FORMAT CSV" }, "1,a;b\n2,FORMAT c\n"], // prettier-ignore
  ])("an insert reads %s", async (_name, search, body) => {
    await run("CREATE TABLE t (n UInt8, s String) ENGINE = MergeTree ORDER BY n");
    expect(await post(search, body)).toMatchObject({ status: 200, text: "" });
    expect(await rows("SELECT * FROM t ORDER BY n")).toEqual([
      { n: 1, s: "a;b" },
      { n: 2, s: "FORMAT c" },
    ]);
  });

  test("an insert with a broken row writes none, and says which", async () => {
    await run("CREATE TABLE t (n UInt8) ENGINE = MergeTree ORDER BY n");
    const insert = client.insert({ table: "t", values: [{ n: 1 }, { n: "x" }], format: "JSONEachRow" });
    await expect(insert).rejects.toMatchObject({ message: expect.stringContaining("at row 2") as unknown });
    expect(await rows("SELECT count() AS n FROM t")).toEqual([{ n: 0 }]);
  });
});

describe("a request", () => {
  test("binds parameters of every shape", async () => {
    const query_params = {
      text: 'it\'s \\ a "test"\n\t`x` {y:Int8} \0 ü',
      big: "18446744073709551615",
      list: ["a'b", "c,d"],
      none: null,
      at: new Date("2017-06-01T12:00:00.123Z"),
      table: "numbers",
      map: new Map([["k'1", 1]]),
    };
    const query = `SELECT {text:String} AS text, {big:UInt64}::String AS big, {list:Array(String)} AS list,
      {none:Nullable(Int8)} AS none, toString({at:DateTime64(3)}, 'UTC') AS at, {map:Map(String, Int8)} AS map
      FROM system.{table:Identifier} LIMIT 1`;
    expect(await rows(query, { query_params })).toEqual([
      { text: query_params.text, big: query_params.big, list: query_params.list, none: null, at: "2017-06-01 12:00:00.123", map: { "k'1": 1 } }, // prettier-ignore
    ]);
  });

  test("takes parameters too long for a URL", async () => {
    await using forms = connect({ use_multipart_params_auto: true });
    const list = Array.from({ length: 20_000 }, (_, n) => n);
    const answer = await forms.query({
      query: "SELECT length({list:Array(Int32)}) AS n",
      query_params: { list },
      format: "JSONEachRow",
    });
    expect(await answer.json()).toEqual([{ n: 20_000 }]);
  });

  test("keeps its settings, parameters and database to itself", async () => {
    const many = Array.from({ length: 24 }, async (_, n) => {
      const answer = await client.query({
        query: "SELECT {n:UInt32} AS n, getSetting('max_block_size') AS block, getSetting('log_comment') AS comment, currentDatabase() AS db", // prettier-ignore
        query_params: { n },
        clickhouse_settings: { max_block_size: String(1000 + n), log_comment: `run '${n}'` },
        format: "JSONEachRow",
      });
      expect(await answer.json()).toEqual([{ n, block: 1000 + n, comment: `run '${n}'`, db: database }]);
    });
    await Promise.all(many);
  });

  test("runs beside others, and a short one overtakes a long one", async () => {
    const order: string[] = [];
    const long = rows("SELECT sleepEachRow(0.5) FROM numbers(4) SETTINGS max_block_size = 1").then(() => order.push("long")); // prettier-ignore
    await until(async () => (await rows("SELECT 1 FROM system.processes WHERE query LIKE '%sleepEachRow(0.5)%' AND query NOT LIKE '%LIKE%'")).length > 0, "the long one runs"); // prettier-ignore
    await rows("SELECT 1").then(() => order.push("short"));
    await long;
    expect(order).toEqual(["short", "long"]);
  });

  test.each([
    ["gzip", gzipSync],
    ["zstd", zstdCompressSync],
  ])("may come compressed with %s", async (encoding, compress) => {
    await run("CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n");
    const body = compress(Buffer.from(Array.from({ length: 300_000 }, (_, n) => `{"n":${n}}\n`).join("")));
    const done = await post({ query: "INSERT INTO t FORMAT JSONEachRow" }, body, { "Content-Encoding": encoding });
    expect(done).toMatchObject({ status: 200, text: "" });
    expect(await rows("SELECT count() AS rows, max(n) AS last FROM t")).toEqual([{ rows: 300_000, last: 299_999 }]);
  });

  test("is answered compressed where the client wants that", async () => {
    await using zipped = connect({ compression: { request: true, response: true }, database });
    await zipped.command({ query: "CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n" });
    const values = Array.from({ length: 10_000 }, (_, n) => ({ n }));
    await zipped.insert({ table: "t", values, format: "JSONEachRow" });
    const answer = await zipped.query({ query: "SELECT n FROM t ORDER BY n", format: "JSONEachRow" });
    expect(answer.response_headers["content-encoding"]).toBe("gzip");
    expect(await answer.json()).toEqual(values);
    const large = await zipped.query({ query: "SELECT number AS n FROM numbers(2000000)", format: "JSONEachRow" });
    let read = 0;
    for await (const part of large.stream()) read += part.length;
    expect(read).toBe(2_000_000);
  });

  test("with a damaged body writes nothing", async () => {
    await run("CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n");
    const body = gzipSync(Buffer.from('{"n":1}\n'.repeat(100_000))).subarray(0, -20);
    const done = await post({ query: "INSERT INTO t FORMAT JSONEachRow" }, body, { "Content-Encoding": "gzip" });
    expect(done.status).toBe(400);
    expect(await rows("SELECT count() AS n FROM t")).toEqual([{ n: 0 }]);
  });

  test("that breaks off in the middle of its body writes nothing, and leaves no file", async () => {
    await run("CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n");
    const url = new URL(engine.url);
    const sent = request({
      port: url.port,
      host: url.hostname,
      method: "POST",
      path: `/?database=${database}&query=INSERT+INTO+t+FORMAT+JSONEachRow`,
      headers: { "X-ClickHouse-Key": url.password, "Transfer-Encoding": "chunked" },
    });
    const failed = new Promise((resolve) => sent.on("error", resolve));
    await new Promise((resolve) => sent.write('{"n":1}\n'.repeat(500_000), resolve));
    sent.destroy();
    await failed;
    // The engine is asked after it: what it was going to do, it has done.
    await until(async () => (await rows("SELECT count() AS n FROM t")).length === 1, "an answer");
    expect(await rows("SELECT count() AS n FROM t")).toEqual([{ n: 0 }]);
  });

  test("by GET cannot write", async () => {
    const url = new URL(engine.url);
    const answer = await fetch(`${url.origin}/?database=${database}&query=CREATE+TABLE+t+(n+Int8)+ENGINE=Memory`, {
      headers: { "X-ClickHouse-Key": url.password },
    });
    expect(answer.headers.get("x-clickhouse-exception-code")).toBe("164");
  });

  test("carries its query id and the counts of the insert back", async () => {
    await run("CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n");
    const done = await client.command({
      query: "INSERT INTO t SELECT number FROM numbers(1234)",
      query_id: "asset/run",
    });
    expect(done.query_id).toBe("asset/run");
    expect(done.summary?.written_rows).toBe("1234");
  });
});

describe("an error", () => {
  test.each([
    ["SELECT * FROM absent", 404, "60", "UNKNOWN_TABLE"],
    ["selec 1", 400, "62", "SYNTAX_ERROR"],
    ["SELECT 1; SELECT 2", 400, "62", "SYNTAX_ERROR"],
    ["SELECT 1 SETTINGS max_executon_time = 1", 404, "115", "UNKNOWN_SETTING"],
    ["CREATE DATABASE default", 500, "82", "DATABASE_ALREADY_EXISTS"],
    ["", 400, "62", "SYNTAX_ERROR"],
  ])("of %j has the code, name and status of a server", async (query, status, code, type) => {
    const answer = await post({}, query);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("x-clickhouse-exception-code")).toBe(code);
    expect(answer.text).toMatch(new RegExp(`^Code: ${code}\\. DB::Exception: [^]*\\(${type}\\) \\(version 26\\.`));
    if (query !== "") await expect(run(query)).rejects.toMatchObject({ code, type });
  });

  test("in the middle of a long answer reaches the client as an error", async () => {
    const query = "SELECT throwIf(number > 3000000) AS n FROM numbers(4000000) SETTINGS max_block_size = 65536";
    const answer = await client.query({ query, format: "JSONEachRow" });
    const read = async (): Promise<void> => {
      for await (const part of answer.stream()) expect(part.length).toBeGreaterThan(0);
    };
    await expect(read()).rejects.toMatchObject({ code: "395" });
    expect(await rows("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });

  test("stops a query at its time limit", async () => {
    const slow = client.query({
      query: "SELECT sum(sleepEachRow(0.1)) FROM numbers(1000) SETTINGS max_block_size = 1",
      clickhouse_settings: { max_execution_time: 1 },
    });
    await expect(slow).rejects.toMatchObject({ code: "159", type: "TIMEOUT_EXCEEDED" });
  });

  test("ends a query that is killed by its id", async () => {
    const slow = client.query({
      query: "SELECT sum(cityHash64(number)) FROM numbers(1000000000000)",
      query_id: "slow",
    });
    const killed = expect(slow).rejects.toMatchObject({ code: "394", type: "QUERY_WAS_CANCELLED" });
    const isRunning = async (): Promise<boolean> =>
      (await rows("SELECT 1 FROM system.processes WHERE query_id = 'slow'")).length > 0;
    await until(isRunning, "the query runs");
    await client.command({ query: "KILL QUERY WHERE query_id = {id:String}", query_params: { id: "slow" } });
    await killed;
    await until(async () => !(await isRunning()), "the query is gone");
  });

  test("ends a read whose client went away, where it asked for that", async () => {
    const stopped = new AbortController();
    const slow = client.query({
      query: "SELECT sum(cityHash64(number)) FROM numbers(1000000000000)",
      query_id: "left",
      abort_signal: stopped.signal,
      clickhouse_settings: { cancel_http_readonly_queries_on_client_close: 1 },
    });
    const aborted = expect(slow).rejects.toThrow();
    const isRunning = async (): Promise<boolean> =>
      (await rows("SELECT 1 FROM system.processes WHERE query_id = 'left'")).length > 0;
    await until(isRunning, "the query runs");
    stopped.abort();
    await aborted;
    await until(async () => !(await isRunning()), "the query is gone");
  });
});

describe("what publishing needs", () => {
  test("readers see the old table or the new one while two are exchanged", async () => {
    const fill = async (table: string, value: number): Promise<void> => {
      await run(`CREATE OR REPLACE TABLE ${table} (n UInt32, v UInt32) ENGINE = MergeTree ORDER BY n`);
      await run(`INSERT INTO ${table} SELECT number, ${value} FROM numbers(1000)`);
    };
    await fill("t", 0);
    let isPublishing = true;
    const seen = new Set<string>();
    const read = async (): Promise<void> => {
      while (isPublishing) {
        const [row] = await rows<{ lo: number; hi: number; n: number }>("SELECT min(v) AS lo, max(v) AS hi, count() AS n FROM t"); // prettier-ignore
        expect([row?.n, row?.lo]).toEqual([1000, row?.hi]);
        seen.add(String(row?.lo));
      }
    };
    const readers = [read(), read()];
    for (let version = 1; version <= 15; version += 1) {
      await fill("staging", version);
      await run("EXCHANGE TABLES t AND staging");
    }
    isPublishing = false;
    await Promise.all(readers);
    expect(seen.size).toBeGreaterThan(1);
  });

  test("one partition is replaced by that of another table", async () => {
    for (const table of ["t", "staging"]) {
      await run(`CREATE TABLE ${table} (day Date, n UInt32) ENGINE = MergeTree PARTITION BY day ORDER BY n`);
    }
    await run("INSERT INTO t VALUES ('2017-01-01', 1), ('2017-01-02', 2)");
    await run("INSERT INTO staging VALUES ('2017-01-02', 20), ('2017-01-02', 21)");
    await run("ALTER TABLE t REPLACE PARTITION '2017-01-02' FROM staging");
    expect(await rows("SELECT n FROM t ORDER BY n")).toEqual([{ n: 1 }, { n: 20 }, { n: 21 }]);
  });

  test("an incremental view adds what is inserted, and a refreshable one follows when it is told", async () => {
    await run("CREATE TABLE t (k UInt8, v UInt32) ENGINE = MergeTree ORDER BY k");
    await run("CREATE TABLE sums (k UInt8, v UInt64) ENGINE = SummingMergeTree ORDER BY k");
    await run("CREATE MATERIALIZED VIEW adding TO sums AS SELECT k, sum(v) AS v FROM t GROUP BY k");
    await run("CREATE MATERIALIZED VIEW fresh REFRESH EVERY 1 YEAR ENGINE = MergeTree ORDER BY k AS SELECT k, sum(v) AS v FROM t GROUP BY k"); // prettier-ignore
    await run("INSERT INTO t VALUES (1, 10), (1, 5), (2, 7)");
    expect(await rows("SELECT k, sum(v) AS v FROM sums GROUP BY k ORDER BY k")).toEqual([
      { k: 1, v: 15 },
      { k: 2, v: 7 },
    ]);
    await run("SYSTEM REFRESH VIEW fresh");
    await run("SYSTEM WAIT VIEW fresh");
    expect(await rows("SELECT k, v FROM fresh ORDER BY k")).toEqual([
      { k: 1, v: 15 },
      { k: 2, v: 7 },
    ]);
  });

  test("tables, views, indexes, codecs and rows are the same after a restart", async () => {
    const dataDir = scratch.folder();
    const digest = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex");
    const ask = async (url: string, query: string): Promise<unknown> => {
      await using other = createClient({ url });
      return await (await other.query({ query, format: "JSONEachRow" })).json();
    };
    let before = "";
    for (const isFirst of [true, false]) {
      await using one = await startEngine("clickhouse", { dataDir });
      if (isFirst) {
        await using other = createClient({ url: one.url });
        for (const query of [
          "CREATE DATABASE retail",
          "CREATE TABLE retail.t (k UInt8, v UInt32 CODEC(ZSTD), day Date DEFAULT '2100-01-01', INDEX i v TYPE minmax) ENGINE = MergeTree PARTITION BY k ORDER BY k TTL day + INTERVAL 1 DAY", // prettier-ignore
          "CREATE TABLE retail.sums (k UInt8, v UInt64) ENGINE = SummingMergeTree ORDER BY k",
          "CREATE MATERIALIZED VIEW retail.adding TO retail.sums AS SELECT k, sum(v) AS v FROM retail.t GROUP BY k",
          "INSERT INTO retail.t (k, v) SELECT number % 3, number FROM numbers(1000)",
        ]) {
          await other.command({ query });
        }
      }
      const now = [
        await ask(one.url, "SELECT k, sum(v) AS v FROM retail.sums GROUP BY k ORDER BY k"),
        await ask(one.url, "SELECT * FROM retail.t ORDER BY ALL"),
        await ask(one.url, "SELECT create_table_query FROM system.tables WHERE database = 'retail' ORDER BY name"),
      ];
      if (isFirst) before = digest(now);
      else expect(digest(now)).toBe(before);
    }
  });
});
