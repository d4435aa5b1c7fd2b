// What the engine on this machine has not: users, and a cluster. On the server of CLICKHOUSE_URL, whose user may make
// databases, users and row policies: `npm run soak -- clickhouse`.
import { randomUUID } from "node:crypto";
import { type ClickHouseClient, createClient } from "@clickhouse/client";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { sql, z } from "../../../definitions/index.ts";
import { ClickHouseStore } from "../../../resources/clickhouse/clickhouse_store.ts";
import { clickhouseConfig } from "../../../resources/clickhouse/config.ts";
import type { Staged, Target, WriteStrategy } from "../../../resources/store.ts";
import { openClickHouse } from "../stores/clickhouse_harness.ts";
import { describeStore } from "../stores/contract.ts";
import { attempt, publish, targetOf } from "./warehouse_values.ts";

const { CLICKHOUSE_URL: url, CLICKHOUSE_CLUSTER: cluster, ...others } = process.env;
if (url === undefined)
  throw new Error("CLICKHOUSE_URL: expected the address of a server that these tests may write to");
// The contract makes tables by hand, on one node.
delete process.env["CLICKHOUSE_CLUSTER"];
const store = new ClickHouseStore(
  clickhouseConfig({
    ...others,
    CLICKHOUSE_URL: url,
    ...(cluster === undefined ? {} : { CLICKHOUSE_CLUSTER: cluster }),
  }),
  process.cwd(),
);
const on = cluster === undefined ? "" : ` ON CLUSTER \`${cluster}\``;
const SHAPE = { id: z.int(), name: z.string() };
const STRATEGIES: readonly [string, WriteStrategy, string][] = [
  ["replace", { kind: "replace" }, "3"],
  ["append", { kind: "append" }, "1,2,3"],
  ["merge", { kind: "merge", key: ["id"] }, "1,2,3"],
  ["partitions", { kind: "replacePartitions", partitions: { kind: "keys", column: "name", keys: ["b"] } }, "1,2,3"],
];

let admin: ClickHouseClient;
const run = async (...statements: readonly string[]): Promise<void> => {
  for (const query of statements) await admin.command({ query });
};
const read = async (client: ClickHouseClient, query: string): Promise<string> =>
  (await (await client.query({ query, format: "TabSeparatedRaw" })).text()).trim();
const rowsOf = (...ids: number[]): Record<string, unknown>[] => ids.map((id) => ({ id, name: id < 3 ? "a" : "b" }));

let databases: string[] = [];
const listed = async (): Promise<string[]> =>
  (await read(admin, "SELECT name FROM system.databases WHERE match(name, '^[et]_[0-9a-f]{12}$')")).split("\n");

beforeAll(async () => {
  admin = createClient({ url });
  databases = await listed();
});
afterAll(async () => {
  for (const name of await listed()) if (!databases.includes(name)) await run(`DROP DATABASE \`${name}\`${on} SYNC`);
  await store.close();
  await admin.close();
});

describeStore("ClickHouse", () => openClickHouse(url));

async function publishRows(to: Target, rows: Record<string, unknown>[]): Promise<void> {
  const given = attempt();
  const writer = await store.stageRows(to, given);
  await writer.append(rows);
  await publishOrDiscard(await writer.finish(), to, given);
}

async function publishOrDiscard(staged: Staged, to: Target, given: ReturnType<typeof attempt>): Promise<void> {
  try {
    await publish(staged, to, given);
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

/** A user that may read a column of a table, in rows under 100. */
async function readerOf({ schema }: Target): Promise<{ readonly name: string; readonly client: ClickHouseClient }> {
  const [name, password] = [`reader_${randomUUID().slice(0, 8)}`, randomUUID()];
  await run(
    `CREATE USER ${name}${on} IDENTIFIED WITH sha256_password BY '${password}'`,
    `GRANT${on} SELECT(id) ON ${schema}.x TO ${name}`,
    `CREATE ROW POLICY ${name} ON ${schema}.x${on} USING id < 100 TO ${name}`,
  );
  const client = createClient({ url: plain(url ?? ""), username: name, password });
  onTestFinished(async () => {
    await client.close();
    await run(`DROP ROW POLICY ${name} ON ${schema}.x${on}`, `DROP USER ${name}${on}`);
  });
  return { name, client };
}

/** Without its user. */
function plain(address: string): string {
  const given = new URL(address);
  given.username = given.password = "";
  return given.href;
}

test.each(STRATEGIES)(
  "%s keeps grants and row policies, and who has them reads the new rows",
  async (_, strategy, want) => {
    const to = targetOf(SHAPE);
    await publishRows(to, rowsOf(1, 2));
    const { name, client } = await readerOf(to);
    const grants = await read(admin, `SHOW GRANTS FOR ${name}`);
    await publishRows({ ...to, strategy }, rowsOf(3, 100));
    expect(await read(client, `SELECT arrayStringConcat(arraySort(groupArray(id)), ',') FROM ${to.schema}.x`)).toBe(
      want,
    );
    await expect(read(client, `SELECT name FROM ${to.schema}.x`)).rejects.toThrow(/ACCESS_DENIED|privileges/);
    expect(await read(admin, `SHOW GRANTS FOR ${name}`)).toBe(grants);
  },
);

test("who may read an incremental view alone reads it, before and after it is made anew", async () => {
  const source = targetOf(SHAPE);
  await publishRows(source, rowsOf(1, 2, 100));
  const to: Target = { ...targetOf({ id: z.int(), lines: z.int() }), key: ["id"] };
  const table = { kind: "table", assetKey: source.assetKey } as const;
  const query = sql`SELECT id, CAST(count() AS Int64) AS lines FROM ${table} GROUP BY id`;
  const refresh = async (): Promise<void> => {
    const given = attempt();
    await publishOrDiscard(await store.stageView(to, query, "incremental", null, given), to, given);
  };
  await refresh();
  const { client } = await readerOf(to);
  const ids = `SELECT arrayStringConcat(arraySort(groupArray(id)), ',') FROM ${to.schema}.x`;
  expect(await read(client, ids)).toBe("1,2");
  await publishRows(source, rowsOf(5, 100));
  await refresh();
  expect(await read(client, ids)).toBe("5");
});

if (cluster !== undefined)
  test.each(STRATEGIES)("%s: all replicas of the cluster have the rows", async (_, strategy) => {
    const to = targetOf(SHAPE);
    await publishRows(to, rowsOf(1, 2));
    await publishRows({ ...to, strategy }, rowsOf(3));
    const counts = `SELECT (hostName(), tcpPort()) AS node, count() FROM clusterAllReplicas('${cluster}', ${to.schema}.x) GROUP BY node`;
    const nodes = `SELECT uniqExact(hostName(), tcpPort()) FROM clusterAllReplicas('${cluster}', system.one)`;
    const found = (await read(admin, counts)).split("\n").map((line) => line.split("\t")[1]);
    expect(found).toEqual(Array(Number(await read(admin, nodes))).fill(strategy.kind === "replace" ? "1" : "3"));
  });
