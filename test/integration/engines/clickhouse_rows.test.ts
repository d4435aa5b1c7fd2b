import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { useClickHouse } from "./clickhouse.ts";

const clickhouse = useClickHouse();

describe("rows", () => {
  test("a million of them go in as a stream and come out as one", async () => {
    await clickhouse.run(
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
    const { summary } = await clickhouse.client.insert({ table: "big", values, format: "CSV" });
    expect(summary?.written_rows).toBe(String(total));
    const sumOfIds = (total * (total - 1)) / 2;
    expect(await clickhouse.rows("SELECT count() AS rows, sum(id) AS ids, sum(price) AS prices FROM big")).toEqual([
      { rows: total, ids: sumOfIds, prices: 1_250_000 },
    ]);
    const answer = await clickhouse.client.query({ query: "SELECT * FROM big", format: "JSONCompactEachRow" });
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
      await clickhouse.run("CREATE TABLE back (n UInt64, t String) ENGINE = MergeTree ORDER BY n");
      const done = await clickhouse.post({ query: `INSERT INTO back FORMAT ${format}` }, whole);
      expect([done.status, done.text]).toEqual([200, ""]);
      expect(
        await clickhouse.rows("SELECT count() AS rows, max(n) AS last, countIf(t != toString(n)) AS bad FROM back"),
      ).toEqual([{ rows: 300_000, last: 299_999, bad: 0 }]);
    },
  );

  async function bytesOf(search: { query: string }): Promise<Buffer> {
    const { origin } = new URL(clickhouse.engine.url);
    const { username, password } = new URL(clickhouse.engine.url);
    const answer = await fetch(`${origin}/?${new URLSearchParams(search).toString()}`, {
      headers: { "X-ClickHouse-User": username, "X-ClickHouse-Key": password },
    });
    expect(answer.status).toBe(200);
    return Buffer.from(await answer.arrayBuffer());
  }

  test("columns that an insert leaves out take their defaults", async () => {
    await clickhouse.run("CREATE TABLE t (id UInt8, a String DEFAULT 'none', b UInt8 MATERIALIZED id + 1) ENGINE = MergeTree ORDER BY id"); // prettier-ignore
    await clickhouse.client.insert({ table: "t", values: [{ id: 1 }, { id: 2, a: "some" }], format: "JSONEachRow" });
    await clickhouse.client.insert({ table: "t", columns: ["id"], values: [[3]], format: "JSONCompactEachRow" });
    expect(await clickhouse.rows("SELECT id, a, b FROM t ORDER BY id")).toEqual([
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
    await clickhouse.run("CREATE TABLE t (n UInt8, s String) ENGINE = MergeTree ORDER BY n");
    expect(await clickhouse.post(search, body)).toMatchObject({ status: 200, text: "" });
    expect(await clickhouse.rows("SELECT * FROM t ORDER BY n")).toEqual([
      { n: 1, s: "a;b" },
      { n: 2, s: "FORMAT c" },
    ]);
  });

  test("an empty line is a row, and what follows it is no statement", async () => {
    await clickhouse.run("CREATE TABLE t (s String) ENGINE = MergeTree ORDER BY s");
    const rows = "a\n\nDROP TABLE t\n";
    expect(await clickhouse.post({ query: "INSERT INTO t FORMAT LineAsString" }, rows)).toMatchObject({ status: 200 });
    expect(await clickhouse.rows("SELECT s FROM t ORDER BY s")).toEqual(["", "DROP TABLE t", "a"].map((s) => ({ s })));
  });

  test("an insert with a broken row writes none, and says which", async () => {
    await clickhouse.run("CREATE TABLE t (n UInt8) ENGINE = MergeTree ORDER BY n");
    const insert = clickhouse.client.insert({ table: "t", values: [{ n: 1 }, { n: "x" }], format: "JSONEachRow" });
    await expect(insert).rejects.toMatchObject({ message: expect.stringContaining("at row 2") as unknown });
    expect(await clickhouse.rows("SELECT count() AS n FROM t")).toEqual([{ n: 0 }]);
  });
});
