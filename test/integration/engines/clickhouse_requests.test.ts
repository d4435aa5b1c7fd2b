import { request } from "node:http";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { useClickHouse } from "./clickhouse.ts";
import { until } from "./scratch.ts";

const clickhouse = useClickHouse();

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
    expect(await clickhouse.rows(query, query_params)).toEqual([
      { text: query_params.text, big: query_params.big, list: query_params.list, none: null, at: "2017-06-01 12:00:00.123", map: { "k'1": 1 } }, // prettier-ignore
    ]);
  });

  test("takes parameters too long for a URL", async () => {
    await using forms = clickhouse.connect({ use_multipart_params_auto: true });
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
      const answer = await clickhouse.client.query({
        query: "SELECT {n:UInt32} AS n, getSetting('max_block_size') AS block, getSetting('log_comment') AS comment, currentDatabase() AS db", // prettier-ignore
        query_params: { n },
        clickhouse_settings: { max_block_size: String(1000 + n), log_comment: `run '${n}'` },
        format: "JSONEachRow",
      });
      expect(await answer.json()).toEqual([{ n, block: 1000 + n, comment: `run '${n}'`, db: clickhouse.database }]);
    });
    await Promise.all(many);
  });

  test("in a session finds what an earlier one left there, and not what that asked for itself alone", async () => {
    await using session = clickhouse.connect({
      database: clickhouse.database,
      session_id: `session ${clickhouse.database}`,
    });
    await session.command({ query: "CREATE TEMPORARY TABLE mine (n UInt8)" });
    await session.command({ query: "SET max_threads = 1" });
    const settings = { log_comment: "once" };
    await session.command({ query: "INSERT INTO mine VALUES (7)", clickhouse_settings: settings });
    const query = "SELECT n, getSetting('max_threads') AS threads, getSetting('log_comment') AS comment FROM mine";
    const answer = await session.query({ query, format: "JSONEachRow" });
    expect(await answer.json()).toEqual([{ n: 7, threads: 1, comment: "" }]);
    await expect(clickhouse.rows("SELECT n FROM mine")).rejects.toMatchObject({ type: "UNKNOWN_TABLE" });
  });

  test("runs beside others, and a short one overtakes a long one", async () => {
    const order: string[] = [];
    const long = clickhouse.rows("SELECT sleepEachRow(0.5) FROM numbers(4) SETTINGS max_block_size = 1").then(() => order.push("long")); // prettier-ignore
    await until(async () => (await clickhouse.rows("SELECT 1 FROM system.processes WHERE query LIKE '%sleepEachRow(0.5)%' AND query NOT LIKE '%LIKE%'")).length > 0, "the long one runs"); // prettier-ignore
    await clickhouse.rows("SELECT 1").then(() => order.push("short"));
    await long;
    expect(order).toEqual(["short", "long"]);
  });

  test.each([
    ["gzip", gzipSync],
    ["zstd", zstdCompressSync],
    ["lz4", lz4Frame],
  ] as const)("may come compressed with %s", async (encoding, compress) => {
    await clickhouse.run("CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n");
    const body = compress(Buffer.from(Array.from({ length: 300_000 }, (_, n) => `{"n":${n}}\n`).join("")));
    const done = await clickhouse.post({ query: "INSERT INTO t FORMAT JSONEachRow" }, body, {
      "Content-Encoding": encoding,
    });
    expect(done).toMatchObject({ status: 200, text: "" });
    expect(await clickhouse.rows("SELECT count() AS rows, max(n) AS last FROM t")).toEqual([
      { rows: 300_000, last: 299_999 },
    ]);
  });

  /** https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md, with blocks left as they are. */
  function lz4Frame(content: Buffer): Buffer<ArrayBuffer> {
    const parts: Buffer[] = [Buffer.from("04224d18604082", "hex")];
    for (let start = 0; start < content.length; start += 65_536) {
      const block = content.subarray(start, start + 65_536);
      const size = Buffer.alloc(4);
      size.writeUInt32LE(0x80000000 + block.length);
      parts.push(size, block);
    }
    return Buffer.concat([...parts, Buffer.alloc(4)]);
  }

  test("may hold statement and rows in one compressed body", async () => {
    await clickhouse.run("CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n");
    const body = lz4Frame(Buffer.from('INSERT INTO t FORMAT JSONEachRow\n{"n":1}\n{"n":2}\n'));
    expect(await clickhouse.post({}, body, { "Content-Encoding": "lz4" })).toMatchObject({ status: 200, text: "" });
    expect(await clickhouse.rows("SELECT sum(n) AS n FROM t")).toEqual([{ n: 3 }]);
  });

  test("is answered compressed where the client wants that", async () => {
    await using zipped = clickhouse.connect({
      compression: { request: true, response: true },
      database: clickhouse.database,
    });
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
    await clickhouse.run("CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n");
    const body = gzipSync(Buffer.from('{"n":1}\n'.repeat(100_000))).subarray(0, -20);
    const done = await clickhouse.post({ query: "INSERT INTO t FORMAT JSONEachRow" }, body, {
      "Content-Encoding": "gzip",
    });
    expect(done.status).toBe(400);
    expect(await clickhouse.rows("SELECT count() AS n FROM t")).toEqual([{ n: 0 }]);
  });

  test("that breaks off in the middle of its body writes nothing, and leaves no file", async () => {
    await clickhouse.run("CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n");
    const url = new URL(clickhouse.engine.url);
    const sent = request({
      port: url.port,
      host: url.hostname,
      method: "POST",
      path: `/?database=${clickhouse.database}&query=INSERT+INTO+t+FORMAT+JSONEachRow`,
      headers: { "X-ClickHouse-Key": url.password, "Transfer-Encoding": "chunked" },
    });
    const failed = new Promise((resolve) => sent.on("error", resolve));
    await new Promise((resolve) => sent.write('{"n":1}\n'.repeat(500_000), resolve));
    sent.destroy();
    await failed;
    // The engine is asked after it: what it was going to do, it has done.
    await until(async () => (await clickhouse.rows("SELECT count() AS n FROM t")).length === 1, "an answer");
    expect(await clickhouse.rows("SELECT count() AS n FROM t")).toEqual([{ n: 0 }]);
  });

  test("by GET cannot write", async () => {
    const url = new URL(clickhouse.engine.url);
    const answer = await fetch(
      `${url.origin}/?database=${clickhouse.database}&query=CREATE+TABLE+t+(n+Int8)+ENGINE=Memory`,
      {
        headers: { "X-ClickHouse-Key": url.password },
      },
    );
    expect(answer.headers.get("x-clickhouse-exception-code")).toBe("164");
  });

  test("carries its query id and the counts of the insert back", async () => {
    await clickhouse.run("CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n");
    const done = await clickhouse.client.command({
      query: "INSERT INTO t SELECT number FROM numbers(1234)",
      query_id: "asset/run",
    });
    expect(done.query_id).toBe("asset/run");
    expect(done.summary?.written_rows).toBe("1234");
  });
});
