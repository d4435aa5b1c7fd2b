import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { z } from "zod";
import type { LocalSuperset } from "../../../ops/engines/engine.ts";
import { EngineFault } from "../../../ops/engines/engine_fault.ts";
import { installPythonEnvironment } from "../../../ops/engines/install_python.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { chooseSuperset } from "../../../ops/start/superset.ts";
import { SupersetClient } from "../../../resources/superset/client/client.ts";
import { SUPERSET_TIMEOUT_MS } from "./local_superset.ts";

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
  "a Superset that is restarted comes back with its objects and its password, and a client waits for it",
  async () => {
    const dataDir = join(folder, "superset");
    const first = await startEngine("superset", { dataDir });
    const made = z.object({ id: z.number() });
    const client = clientOf(first);
    const { id } = await client.post("/css_template/", { template_name: "kept", css: "" }, made);
    const { password, port, isNew } = first;
    await first.stop();
    expect(isNew).toBe(true);

    const written = client.put(`/css_template/${id}`, { css: "a {}" }, z.unknown());
    await using second = await startEngine("superset", { dataDir, port });
    expect(second).toMatchObject({ password, isNew: false });
    await written;
    const { result } = await client.get(`/css_template/${id}`, z.object({ result: z.object({ css: z.string() }) }));
    expect(result.css).toBe("a {}");
    await expect(startEngine("superset", { dataDir })).rejects.toMatchObject({ code: "data_folder_in_use" });
  },
  SUPERSET_TIMEOUT_MS,
);

function clientOf({ url, username, password }: LocalSuperset): SupersetClient {
  const retry = { maxAttempts: 1000, baseDelayMs: 100, maxDelayMs: 200 };
  return new SupersetClient({ url, credentials: { username, password }, retry });
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
