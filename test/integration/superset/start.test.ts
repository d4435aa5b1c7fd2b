import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { z } from "zod";
import type { LocalSuperset } from "../../../ops/engines/engine.ts";
import { EngineFault } from "../../../ops/engines/engine_fault.ts";
import { installPythonEnvironment } from "../../../ops/engines/install_python.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { chooseSuperset } from "../../../ops/start/superset.ts";
import { chartData } from "../../../resources/superset/chart_data.ts";
import { filterQuery, type QueryContext } from "../../../resources/superset/chart_query.ts";
import { SupersetClient } from "../../../resources/superset/client/client.ts";
import { SUPERSET_TIMEOUT_MS } from "./local_superset.ts";
import { ownDatabase } from "./own_database.ts";

let folder: string;
const here = process.cwd();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "superset-start-"));
});
afterEach(() => {
  process.chdir(here);
  rmSync(folder, { recursive: true, force: true });
});

test(
  "a Superset that is restarted comes back with its objects, its password and its cache of files, and a client waits for it",
  async () => {
    const dataDir = join(folder, "superset");
    const first = await startEngine("superset", { dataDir });
    const made = z.object({ id: z.number() });
    const client = clientOf(first);
    const { id } = await client.post("/css_template/", { template_name: "kept", css: "" }, made);
    const question = await questionOf(client, join(folder, "one.duckdb"));
    // Without Redis.
    const [miss, hit] = [await chartData(client, question), await chartData(client, question)];
    expect([miss.isCached, hit.isCached]).toEqual([false, true]);
    const { password, port, isNew } = first;
    await first.stop();
    expect(isNew).toBe(true);

    const written = client.put(`/css_template/${id}`, { css: "a {}" }, z.unknown());
    await using second = await startEngine("superset", { dataDir, port });
    expect(second).toMatchObject({ password, isNew: false });
    await written;
    const { result } = await client.get(`/css_template/${id}`, z.object({ result: z.object({ css: z.string() }) }));
    expect(result.css).toBe("a {}");
    expect(await chartData(client, question)).toEqual(hit);
    await expect(startEngine("superset", { dataDir })).rejects.toMatchObject({ code: "data_folder_in_use" });
  },
  SUPERSET_TIMEOUT_MS,
);

function clientOf({ url, username, password }: LocalSuperset): SupersetClient {
  const retry = { maxAttempts: 1000, baseDelayMs: 100, maxDelayMs: 200 };
  return new SupersetClient({ url, credentials: { username, password }, retry });
}

/** What a chart of one number asks, over a file of DuckDB. */
async function questionOf(client: SupersetClient, file: string): Promise<QueryContext> {
  const instance = await DuckDBInstance.create(file);
  const connection = await instance.connect();
  await connection.run("CREATE TABLE one AS SELECT 42 AS answer");
  connection.closeSync();
  instance.closeSync();
  const database = await ownDatabase(client, "one", "duckdb", {}, file);
  const body = { database, schema: "main", table_name: "one" };
  const { id } = await client.post("/dataset/", body, z.object({ id: z.number() }));
  return filterQuery(id, "answer");
}

test("without a usable Python it is said which ones would do", async () => {
  const making = installPythonEnvironment(folder, "Test", join(folder, "none.lock"), ">=3.99,<3.100");
  await expect(making).rejects.toThrow(EngineFault);
  await expect(making).rejects.toThrow("It needs Python >=3.99,<3.100");
});

test("where Superset does not start, the rest goes on, and nothing finds another one by chance", async () => {
  mkdirSync(join(folder, "data"));
  writeFileSync(join(folder, "data/superset"), "a file where the data folder is to be");
  process.chdir(folder);
  const said = vi.spyOn(console, "error").mockImplementation(() => undefined);
  vi.spyOn(console, "log").mockImplementation(() => undefined);
  const env: NodeJS.ProcessEnv = {};
  expect(await chooseSuperset(env, true, true)).toMatchObject({ url: undefined, engines: [] });
  expect(env["SUPERSET_URL"]).toBe("");
  expect(said.mock.calls.flat().join("\n")).toContain("Going on without Superset");
  vi.restoreAllMocks();
});

test("a Superset of the user's own is used, unless it is to be left out", async () => {
  const named = "https://superset.example";
  expect(await chooseSuperset({ SUPERSET_URL: named }, true, true)).toMatchObject({ url: named, engines: [] });
  const env = { SUPERSET_URL: named };
  expect(await chooseSuperset(env, true, false)).toMatchObject({ url: undefined });
  expect(env.SUPERSET_URL).toBe("");
});
