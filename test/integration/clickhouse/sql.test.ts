import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { sql, timestamp, z } from "../../../definitions/index.ts";
import type { Sql } from "../../../definitions/sql.ts";
import type { ClickHouseTable } from "../../../definitions/storage.ts";
import type { ClickHouseStore } from "../../../resources/clickhouse/clickhouse_store.ts";
import type { Target } from "../../../resources/store.ts";
import { clickhouseConfig } from "../../../resources/clickhouse/config.ts";
import { literal } from "../../../resources/clickhouse/quote.ts";
import { attempt, publish, targetOf } from "./warehouse_values.ts";
import { Warehouse } from "./warehouse.ts";

const warehouse = Warehouse.forThisFile();

interface Seen {
  readonly text: string;
  readonly url: URL;
}

/**
 * Records what is sent to the engine on its way there. `change` may rewrite a statement that the engine cannot run, `tell`
 * what it says of tables that it cannot have.
 */
async function recorder(
  change: (text: string) => string = (sent) => sent,
  tell: (answer: string) => string = (answer) => answer,
) {
  const seen: Seen[] = [];
  const target = new URL(warehouse.url);
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    const url = new URL(request.url ?? "/", target.origin);
    seen.push({ text: url.searchParams.get("query") ?? body, url });
    const headers = { authorization: request.headers.authorization ?? "" };
    const answer = await fetch(url, { method: "POST", body: change(body), headers });
    const told = Object.fromEntries([...answer.headers].filter(([name]) => name.startsWith("x-clickhouse")));
    response.writeHead(answer.status, told).end(tell(await answer.text()));
  };
  const server = createServer((request, response) => {
    pass(request, response).catch((error: unknown) => response.destroy(error as Error));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = new URL(warehouse.url);
  url.port = String((server.address() as AddressInfo).port);
  return { seen, url: url.href, close: () => server.close() };
}

test("every statement carries its limit, asset and run, and publishing never drops, renames or truncates the table", async () => {
  const { seen, url, close } = await recorder();
  const store = warehouse.another({ CLICKHOUSE_URL: url, CLICKHOUSE_STATEMENT_TIMEOUT_SECONDS: "77" });
  for (const strategy of [{ kind: "replace" }, { kind: "append" }, { kind: "merge", key: ["id"] }] as const) {
    const to = targetOf({ id: z.int() }, strategy);
    for (const id of [1, 2]) {
      seen.length = 0;
      const given = attempt({ runId: `run ${id}` });
      await publish(await store.stageQuery(to, sql`SELECT ${id} AS id`, null, given), to, given);
      for (const one of seen.filter((sent) => !sent.text.includes(`_dagster_typescript\`.\`ledger`))) {
        expect(one.url.searchParams.get("max_execution_time"), one.text).toBe("77");
        expect(JSON.parse(one.url.searchParams.get("log_comment") ?? "{}")).toMatchObject({ assetKey: to.assetKey });
        expect(one.url.searchParams.get("query_id")).toMatch(`${to.assetKey}:run ${id}:`);
      }
      const table = `\`${to.schema}\`.\`x\``;
      const changes = seen.map((one) => one.text).filter((sent) => /^(DROP|RENAME|TRUNCATE|DELETE|EXCHANGE|ALTER|INSERT)/.test(sent) && sent.includes(table)); // prettier-ignore
      // Grants and row policies belong to the name, and the name is never without a table.
      const swaps = changes.filter((sent) => !/^(INSERT INTO|ALTER TABLE) `_dagster_typescript`/.test(sent));
      expect(swaps).toEqual([expect.stringMatching(id === 1 ? /^RENAME TABLE .* TO / : /^EXCHANGE TABLES /)]);
    }
  }
  await store.close();
  close();
});

/** The engine here is one server: what only a cluster has is taken out on the way to it, but it reads the statement. */
const onOneServer = (sent: string): string =>
  /^SYSTEM SYNC REPLICA/.test(sent)
    ? `SELECT formatQuery(${literal(sent)}) FORMAT Null`
    : sent
        .replaceAll(/ ON CLUSTER `(?:[^`\\]|\\.)*`/g, "")
        .replaceAll(/Replicated(\w*MergeTree)/g, "$1")
        .replaceAll("clusterAllReplicas('cluster', system.processes)", "system.processes");
/** And its tables are told to be replicated. */
const asReplicated = (answer: string): string =>
  answer.replaceAll(/\b(Summing|Aggregating)?MergeTree/g, "Replicated$&");

test("on a cluster all DDL runs on all nodes, and tables are of the replicated engine", async () => {
  const { seen, url, close } = await recorder(onOneServer, asReplicated);
  const store = warehouse.another({ CLICKHOUSE_URL: url, CLICKHOUSE_CLUSTER: "the `cluster" });
  const to = targetOf({ id: z.int() }, { kind: "merge", key: ["id"] });
  for (const id of [1, 2]) {
    const given = attempt();
    await publish(await store.stageQuery(to, sql`SELECT ${id} AS id`, null, given), to, given);
  }
  const ddl = seen.map(({ text: sent }) => sent).filter((sent) => /^(CREATE|DROP|RENAME|EXCHANGE)/.test(sent));
  expect(ddl.length).toBeGreaterThan(8);
  for (const sent of ddl) expect(sent).toContain("ON CLUSTER `the \\`cluster`");
  const created = ddl.filter(
    (sent) => /^CREATE TABLE/.test(sent) && sent.includes(" ENGINE = ") && !sent.includes("Null"),
  );
  for (const sent of created) expect(sent).toContain("ENGINE = ReplicatedMergeTree ORDER BY");
  expect(await warehouse.sql(`SELECT id FROM ${to.schema}.x ORDER BY id`)).toEqual([["1"], ["2"]]);
  for (const { url: sentTo } of seen) {
    expect(sentTo.searchParams.get("alter_sync")).toBe("2");
    expect(sentTo.searchParams.get("mutations_sync")).toBe("2");
    expect(sentTo.searchParams.get("distributed_ddl_output_mode")).toBe("throw");
    expect(sentTo.searchParams.get("distributed_ddl_task_timeout")).toBe("300");
  }
  await store.close();
  close();
});

test.each(["replace", "append", "partitions", "view"])(
  "on a cluster all replicas have the rows and the prepared line before %s takes the place of what is read",
  async (way) => {
    const { seen, url, close } = await recorder(onOneServer, asReplicated);
    const store = warehouse.another({ CLICKHOUSE_URL: url, CLICKHOUSE_CLUSTER: "cluster" });
    const source = await sourceOf(store);
    const [start, end] = [new Date("2016-01-01T00:00:00Z"), new Date("2018-01-01T00:00:00Z")];
    const strategies: Record<string, Target["strategy"]> = {
      append: { kind: "append" },
      partitions: { kind: "replacePartitions", partitions: { kind: "window", column: "at", start, end } },
    };
    const to = way === "view" ? { ...targetOf(VIEW), key: ["name"] } : { ...source, strategy: strategies[way] ?? { kind: "replace" as const } }; // prettier-ignore
    const rows = sql`SELECT 'b' AS name, toDateTime64('2017-02-06 00:00:00', 6, 'UTC') + INTERVAL number MONTH AS at FROM numbers(2)`;
    const given = attempt();
    seen.length = 0;
    const staged = way === "view" ? await store.stageView(to, viewOf(source), "incremental", null, given) : await store.stageQuery(to, rows, null, given); // prettier-ignore
    await publish(staged, to, given);
    const steps = seen.map(({ text: sent }) => sent);
    const swap = steps.findIndex((sent) => /^(EXCHANGE|RENAME)/.test(sent));
    const [name = ""] = /`_(?:stage|build)~[^`]+`/.exec(steps[swap] ?? "") ?? [];
    const rowsOf = way === "view" ? /`_inner~[^`]+`/.exec(steps.find((sent) => sent.startsWith("CREATE VIEW") && sent.includes(name)) ?? "")?.[0] : name; // prettier-ignore
    expect(steps.slice(swap - 3, swap)).toEqual([
      `SYSTEM SYNC REPLICA ON CLUSTER \`cluster\` \`_dagster_typescript\`.${rowsOf} LIGHTWEIGHT`,
      "SYSTEM SYNC REPLICA ON CLUSTER `cluster` `_dagster_typescript`.`ledger_prepared` LIGHTWEIGHT",
      expect.stringMatching(/^SELECT comment, toString\(uuid\)/),
    ]);
    const written = steps.findLastIndex((sent) => /^(INSERT INTO|ALTER TABLE) `_dagster_typescript`\.`(_|ledger_prepared)/.test(sent)); // prettier-ignore
    expect(written).toBeLessThan(swap - 3);
    await store.close();
    close();
  },
);

test("a table with a path of its own in Keeper is replaced by one whose path goes by its UUID", async () => {
  const path = "('/tables/{shard}/x', '{replica}')";
  const { seen, url, close } = await recorder(onOneServer, (answer) =>
    answer.replaceAll(/\bMergeTree(?= ORDER)/g, `ReplicatedMergeTree${path}`),
  );
  const source = targetOf({ id: z.int() });
  await warehouse.publishRows(source, [{ id: 1 }]);
  const store = warehouse.another({ CLICKHOUSE_URL: url });
  for (const strategy of [{ kind: "replace" }, { kind: "append" }] as const) {
    const to = { ...source, strategy };
    const given = attempt();
    await publish(await store.stageQuery(to, sql`SELECT 2 AS id`, null, given), to, given);
  }
  const made = seen.map(({ text: sent }) => sent).filter((sent) => sent.includes(` AS \`${source.schema}\`.\`x\``));
  expect(made.length).toBeGreaterThan(1);
  for (const sent of made) expect(sent).toContain(" ENGINE = ReplicatedMergeTree ORDER BY tuple()");
  expect(await warehouse.sql(`SELECT id FROM ${source.schema}.x`)).toEqual([["2"], ["2"]]);
  await store.close();
  close();
});

test.each([
  ["a database into which no table can be exchanged", {}, "'Replicated'", /engine Atomic/],
  ["a table on one node of a cluster", { CLICKHOUSE_CLUSTER: "cluster" }, "'Atomic'", /rows are on one node/],
])("%s is refused before anything is staged", async (_name, env, databaseEngine, message) => {
  const asked = "(SELECT any(engine) FROM system.databases WHERE name = {p2:String})";
  const { seen, url, close } = await recorder((sent) => onOneServer(sent).replace(asked, databaseEngine));
  const store = warehouse.another({ CLICKHOUSE_URL: url, ...env });
  const to = targetOf({ id: z.int() });
  await warehouse.publishRows(to, [{ id: 1 }]);
  const staging = store.stageQuery(to, sql`SELECT 1 AS id`, null, attempt());
  await expect(staging).rejects.toMatchObject({ code: "contract_broken", message: expect.stringMatching(message) as unknown }); // prettier-ignore
  expect(seen.some(({ text: sent }) => sent.includes(asked))).toBe(true);
  expect(seen.filter(({ text: sent }) => sent.includes("_stage~") && sent.startsWith("CREATE"))).toEqual([]);
  await store.close();
  close();
});

test.each([
  [{ CLICKHOUSE_CLUSTER: "c", CLICKHOUSE_ENGINE: "MergeTree" }, /replicated engine/],
  [{ CLICKHOUSE_CLUSTER: "c", CLICKHOUSE_ENGINE: "ReplicatedMergeTree('/tables/{shard}/x', '{replica}')" }, /\{uuid\}/],
  [{ CLICKHOUSE_CLUSTER: "c", CLICKHOUSE_ENGINE: "ReplicatedMergeTree('/tables/{uuid}/{shard}', '{replica}')" }, null],
  [{ CLICKHOUSE_CLUSTER: "c", CLICKHOUSE_ENGINE: "SharedMergeTree" }, null],
])("an engine with which tables of a cluster would lack rows or share a path is refused: %o", (env, message) => {
  const read = (): unknown => clickhouseConfig({ CLICKHOUSE_URL: "http://localhost:8123", ...env });
  if (message === null) expect(read).not.toThrow();
  else expect(read).toThrow(message);
});

const VIEW = { name: z.string(), n: z.int() };
const viewOf = (source: Target): Sql =>
  sql`SELECT name, CAST(count() AS Int64) AS n FROM ${{ kind: "table", assetKey: source.assetKey }} GROUP BY name`;

async function sourceOf(store: ClickHouseStore): Promise<Target> {
  const source = { ...targetOf({ name: z.string(), at: timestamp() }), storage: { clickhouse: LAYOUT } };
  const given = attempt();
  const rows = sql`SELECT 'a' AS name, toDateTime64('2017-01-05 00:00:00', 6, 'UTC') AS at`;
  await publish(await store.stageQuery(source, rows, null, given), source, given);
  return source;
}
const LAYOUT: ClickHouseTable = { partitionBy: sql`toYYYYMM(at)` };

test.each(["full", "incremental"] as const)(
  "statements of a view with %s refresh carry limit, asset and run, and the view's name is never without a table",
  async (refresh) => {
    const { seen, url, close } = await recorder();
    const store = warehouse.another({ CLICKHOUSE_URL: url, CLICKHOUSE_STATEMENT_TIMEOUT_SECONDS: "77" });
    const source = await sourceOf(store);
    const to = { ...targetOf(VIEW), key: ["name"] };
    for (const id of [1, 2]) {
      seen.length = 0;
      const given = attempt({ runId: `run ${id}` });
      await publish(await store.stageView(to, viewOf(source), refresh, null, given), to, given);
      for (const one of seen) {
        expect(one.url.searchParams.get("max_execution_time"), one.text).toBe("77");
        expect(JSON.parse(one.url.searchParams.get("log_comment") ?? "{}")).toMatchObject({ assetKey: to.assetKey });
        expect(one.url.searchParams.get("query_id")).toMatch(`${to.assetKey}:run ${id}:`);
      }
      // What runs in the view, when nobody is there to say who it is.
      for (const { text: sent } of seen.filter((one) => one.text.startsWith("CREATE MATERIALIZED VIEW"))) {
        expect(sent).toContain("max_execution_time = 77");
        expect(sent).toContain(`log_comment = '{"assetKey":"${to.assetKey}"}'`);
      }
      const swaps = seen
        .map((one) => one.text)
        .filter((sent) => /^(CREATE OR|DROP|RENAME|TRUNCATE|DELETE|EXCHANGE|ALTER|INSERT)/.test(sent))
        .filter((sent) => sent.includes(`\`${to.schema}\`.\`x\``));
      // Grants and row policies belong to the name.
      expect(swaps).toEqual([expect.stringMatching(id === 1 ? /^RENAME TABLE .* TO / : /^EXCHANGE TABLES /)]);
    }
    await store.close();
    close();
  },
);

test("who may read an incremental view needs no right on the tables behind it", async () => {
  const { seen, url, close } = await recorder();
  const store = warehouse.another({ CLICKHOUSE_URL: url });
  const to = { ...targetOf(VIEW), key: ["name"] };
  const given = attempt();
  await publish(await store.stageView(to, viewOf(await sourceOf(store)), "incremental", null, given), to, given);
  const views = seen
    .map((one) => one.text)
    .filter((sent) => sent.startsWith("CREATE VIEW") && sent.includes("_build~"));
  expect(views).toEqual([expect.stringContaining(" DEFINER = CURRENT_USER SQL SECURITY DEFINER AS SELECT ")]);
  await store.close();
  close();
});

test("partitions that are replaced in place touch nothing else of the table", async () => {
  const { seen, url, close } = await recorder();
  const store = warehouse.another({ CLICKHOUSE_URL: url });
  const base = await sourceOf(store);
  const [start, end] = [new Date("2017-01-01T00:00:00Z"), new Date("2017-02-01T00:00:00Z")];
  const to: Target = { ...base, strategy: { kind: "replacePartitions", partitions: { kind: "window", column: "at", start, end } } }; // prettier-ignore
  seen.length = 0;
  const given = attempt();
  const rows = sql`SELECT 'b' AS name, toDateTime64('2017-01-06 00:00:00', 6, 'UTC') AS at`;
  await publish(await store.stageQuery(to, rows, null, given), to, given);
  const changes = seen
    .map((one) => one.text)
    .filter((sent) => /^(DROP|RENAME|TRUNCATE|DELETE|EXCHANGE|ALTER|INSERT INTO) ?(TABLE|TABLES)? ?`t_/.test(sent));
  expect(changes).toEqual([
    expect.stringMatching(/^ALTER TABLE `t_\w+`.`x` REPLACE PARTITION ID '201701' FROM `_dagster_typescript`.`_build~/),
  ]);
  await store.close();
  close();
});

test("on a cluster the DDL of views and partitions runs on all nodes, too", async () => {
  const { seen, url, close } = await recorder(onOneServer, asReplicated);
  const store = warehouse.another({ CLICKHOUSE_URL: url, CLICKHOUSE_CLUSTER: "cluster" });
  const source = await sourceOf(store);
  for (const refresh of ["full", "incremental"] as const) {
    const to = { ...targetOf(VIEW), key: ["name"] };
    for (let round = 1; round <= 2; round += 1) {
      const given = attempt();
      await publish(await store.stageView(to, viewOf(source), refresh, null, given), to, given);
    }
    expect(await warehouse.sql(`SELECT * FROM ${to.schema}.x`)).toEqual([["a", "1"]]);
  }
  const ddl = seen.map((one) => one.text).filter((sent) => /^(CREATE|DROP|RENAME|EXCHANGE|TRUNCATE)/.test(sent));
  for (const sent of ddl) expect(sent).toContain("ON CLUSTER `cluster`");
  const texts = ddl.join("\n");
  expect(texts).toContain(" APPEND TO ");
  expect(texts).toContain("ENGINE = ReplicatedSummingMergeTree ORDER BY (`name`)");
  expect(seen.map((one) => one.text).join("\n")).toContain("FROM clusterAllReplicas('cluster', system.processes)");
  await store.close();
  close();
});

test.each([null, "the_cluster"])("a replicated source of an incremental view, cluster %s", async (cluster) => {
  // The engine here is one server: what only a cluster has is taken out on the way to it.
  const onHere = (sent: string): string =>
    /^SYSTEM SYNC REPLICA/.test(sent)
      ? "SELECT 1 FORMAT Null"
      : sent
          .replaceAll(" ON CLUSTER `the_cluster`", "")
          .replaceAll("clusterAllReplicas('the_cluster', system.processes)", "system.processes")
          .replaceAll("engine LIKE 'Replicated%'", "engine = 'MergeTree'")
          .replace(/Replicated(\w*MergeTree)/g, "$1");
  const { seen, url, close } = await recorder(onHere);
  const source = targetOf({ id: z.int() });
  await warehouse.publishRows(source, [{ id: 1 }]);
  const store = warehouse.another({
    CLICKHOUSE_URL: url,
    ...(cluster === null ? {} : { CLICKHOUSE_CLUSTER: cluster }),
  });
  const to = { ...targetOf({ id: z.int(), lines: z.int() }), key: ["id"] };
  const query = sql`SELECT id, CAST(count() AS Int64) AS lines FROM ${{ kind: "table", assetKey: source.assetKey } as const} GROUP BY id`;
  const given = attempt();
  const staging = store.stageView(to, query, "incremental", null, given);
  if (cluster === null) {
    await expect(staging).rejects.toMatchObject({ code: "contract_broken", message: expect.stringContaining("CLICKHOUSE_CLUSTER") as unknown }); // prettier-ignore
  } else {
    await (await staging).discard();
    const steps = seen.map(({ text: sent }) => /^SYSTEM SYNC REPLICA|^CREATE MATERIALIZED VIEW|^INSERT INTO `_dagster_typescript`.`_inner|^WITH \(/.exec(sent)?.[0].slice(0, 10)).filter((one) => one !== undefined); // prettier-ignore
    // An insert that is seen to have ended is synchronised before its blocks are looked up, and hidden rows are looked for.
    expect(steps.slice(-10)).toEqual(["SYSTEM SYN", "WITH (", "CREATE MAT", "WITH (", "SYSTEM SYN", "WITH (", "WITH (", "INSERT INT", "SYSTEM SYN", "WITH ("]); // prettier-ignore
    expect(seen.filter(({ text: sent }) => sent.startsWith("SYSTEM SYNC")).every(({ text: sent }) => sent.includes(`\`${source.schema}\`.\`x\``))).toBe(true); // prettier-ignore
  }
  await store.close();
  close();
});
