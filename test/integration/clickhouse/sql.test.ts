import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { sql, z } from "../../../definitions/index.ts";
import { attempt, publish, targetOf } from "./warehouse_values.ts";
import { Warehouse } from "./warehouse.ts";

const warehouse = Warehouse.forThisFile();

interface Seen {
  readonly text: string;
  readonly url: URL;
}

/** Records what is sent to the engine on its way there. `change` may rewrite a statement that the engine cannot run. */
async function recorder(change: (text: string) => string = (sent) => sent) {
  const seen: Seen[] = [];
  const target = new URL(warehouse.url);
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    const url = new URL(request.url ?? "/", target.origin);
    seen.push({ text: url.searchParams.get("query") ?? body, url });
    const headers = { authorization: request.headers.authorization ?? "" };
    const answer = await fetch(url, { method: "POST", body: change(body), headers });
    const told = Object.fromEntries([...answer.headers].filter(([name]) => name.startsWith("x-clickhouse")));
    response.writeHead(answer.status, told).end(await answer.text());
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

test("on a cluster all DDL runs on all nodes, and tables are of the replicated engine", async () => {
  const onHere = (sent: string): string =>
    sent.replaceAll(" ON CLUSTER `the ``cluster`", "").replaceAll(" ON CLUSTER `the \\`cluster`", "").replaceAll("ReplicatedMergeTree", "MergeTree"); // prettier-ignore
  const { seen, url, close } = await recorder(onHere);
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
  await store.close();
  close();
});
