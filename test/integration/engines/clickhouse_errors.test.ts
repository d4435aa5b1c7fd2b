import { describe, expect, test } from "vitest";
import { useClickHouse } from "./clickhouse.ts";
import { until } from "./scratch.ts";

const clickhouse = useClickHouse();

describe("an error", () => {
  test.each([
    ["SELECT * FROM absent", 404, "60", "UNKNOWN_TABLE"],
    ["selec 1", 400, "62", "SYNTAX_ERROR"],
    ["SELECT 1; SELECT 2", 400, "62", "SYNTAX_ERROR"],
    ["SELECT 1 SETTINGS max_executon_time = 1", 404, "115", "UNKNOWN_SETTING"],
    ["CREATE DATABASE default", 500, "82", "DATABASE_ALREADY_EXISTS"],
    ["", 400, "62", "SYNTAX_ERROR"],
  ])("of %j has the code, name and status of a server", async (query, status, code, type) => {
    const answer = await clickhouse.post({}, query);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("x-clickhouse-exception-code")).toBe(code);
    expect(answer.text).toMatch(new RegExp(`^Code: ${code}\\. DB::Exception: [^]*\\(${type}\\) \\(version 26\\.`));
    if (query !== "") await expect(clickhouse.run(query)).rejects.toMatchObject({ code, type });
  });

  test("in the middle of a long answer reaches the client as an error", async () => {
    const query = "SELECT throwIf(number > 3000000) AS n FROM numbers(4000000) SETTINGS max_block_size = 65536";
    const answer = await clickhouse.client.query({ query, format: "JSONEachRow" });
    const read = async (): Promise<void> => {
      for await (const part of answer.stream()) expect(part.length).toBeGreaterThan(0);
    };
    // Which error depends on where the packets end: the client reads its code only from one piece.
    await expect(read()).rejects.toThrow();
    expect(await clickhouse.rows("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });

  test("stops a query at its time limit", async () => {
    const slow = clickhouse.client.query({
      query: "SELECT sum(sleepEachRow(0.1)) FROM numbers(1000) SETTINGS max_block_size = 1",
      clickhouse_settings: { max_execution_time: 1 },
    });
    await expect(slow).rejects.toMatchObject({ code: "159", type: "TIMEOUT_EXCEEDED" });
  });

  test("ends a query that is killed by its id", async () => {
    const slow = clickhouse.client.query({
      query: "SELECT sum(cityHash64(number)) FROM numbers(1000000000000)",
      query_id: "slow",
    });
    const killed = expect(slow).rejects.toMatchObject({ code: "394", type: "QUERY_WAS_CANCELLED" });
    const isRunning = async (): Promise<boolean> =>
      (await clickhouse.rows("SELECT 1 FROM system.processes WHERE query_id = 'slow'")).length > 0;
    await until(isRunning, "the query runs");
    await clickhouse.client.command({ query: "KILL QUERY WHERE query_id = {id:String}", query_params: { id: "slow" } });
    await killed;
    await until(async () => !(await isRunning()), "the query is gone");
  });

  test("ends a read whose client went away, where it asked for that", async () => {
    const stopped = new AbortController();
    const slow = clickhouse.client.query({
      query: "SELECT sum(cityHash64(number)) FROM numbers(1000000000000)",
      query_id: "left",
      abort_signal: stopped.signal,
      clickhouse_settings: { cancel_http_readonly_queries_on_client_close: 1 },
    });
    const aborted = expect(slow).rejects.toThrow();
    const isRunning = async (): Promise<boolean> =>
      (await clickhouse.rows("SELECT 1 FROM system.processes WHERE query_id = 'left'")).length > 0;
    await until(isRunning, "the query runs");
    stopped.abort();
    await aborted;
    await until(async () => !(await isRunning()), "the query is gone");
  });
});
