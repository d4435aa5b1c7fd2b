import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { checkout, pythonBin, run } from "../../../ops/process.ts";
import { supersetUuid } from "../../../resources/superset/uuid.ts";
import { Server } from "../../integration/postgres/server.ts";
import { Project } from "../../integration/runtime/project.ts";
import { type LocalSuperset, localSuperset, SUPERSET_TIMEOUT_MS } from "../../integration/superset/local_superset.ts";
import { followedFiles, IN_SUPERSET, reconciledOnce, TABLE } from "./daemon.ts";
let server: Server;
let superset: LocalSuperset;
const project = new Project(followedFiles("id: z.int(), amount: z.int()", "{ id: 1, amount: 10 }"));
beforeAll(async () => {
  [superset, server] = await Promise.all([localSuperset(), Server.start()]);
}, SUPERSET_TIMEOUT_MS);
afterAll(async () => {
  await server.stop();
  project.remove();
});
test("the schedule finds that somebody altered a dataset in Superset, and the run that it requests repairs it", async () => {
  const env = { ...superset.env, WAREHOUSE: "postgres", DATABASE_URL: server.url };
  for (const name of ["definitions", "pipes", "resources", "runtime", "node_modules", "package.json"])
    symlinkSync(path.join(checkout, name), path.join(project.dir, name));
  const home = path.join(project.dir, "dagster_home");
  mkdirSync(home);
  copyFileSync(path.join(checkout, "ops/dagster.yaml"), path.join(home, "dagster.yaml"));
  writeFileSync(
    path.join(project.dir, "definitions.py"),
    `from pathlib import Path

import dagster as dg

from dagster_project import TypeScriptAssetsComponent, threaded_executor

defs = dg.Definitions.merge(
    TypeScriptAssetsComponent().build_project_defs(Path(__file__).parent),
    dg.Definitions(executor=threaded_executor),
)
`,
  );
  const made = await run(
    pythonBin("python"),
    [path.join(checkout, "test/e2e/superset/reconcile_once.py"), TABLE, ...IN_SUPERSET],
    { cwd: project.dir, env: { ...env, DAGSTER_HOME: home, PYTHONPATH: checkout } },
  );
  expect(made.code, made.output.slice(-4_000)).toBe(0);
  const client = superset.client();
  const uuid = supersetUuid("dataset", "postgres", TABLE);
  const read = z.object({
    result: z.object({ id: z.number(), metrics: z.array(z.object({ id: z.number(), metric_name: z.string() })) }),
  });
  const { result } = await client.get(`/dataset/${uuid}`, read);
  const [revenue] = result.metrics.filter(({ metric_name }) => metric_name === "revenue");
  await client.delete(`/dataset/${result.id}/metric/${revenue?.id}`);
  const got = await reconciledOnce(project.dir, env);
  expect(got.requested).toEqual(expect.arrayContaining(IN_SUPERSET));
  expect(got.after).toBe("1 datasets are as they should be");
  expect((await client.get(`/dataset/${uuid}`, read)).result.metrics.map((m) => m.metric_name)).toContain("revenue");
});
