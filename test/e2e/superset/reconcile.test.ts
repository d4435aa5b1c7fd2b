import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { supersetUuid } from "../../../resources/superset/uuid.ts";
import { Server } from "../../integration/postgres/server.ts";
import { Project } from "../../integration/runtime/project.ts";
import { ownDatabase } from "../../integration/superset/own_database.ts";
import { type LocalSuperset, localSuperset, SUPERSET_TIMEOUT_MS } from "../../integration/superset/local_superset.ts";
import { followedFiles, IN_SUPERSET, linkLibrary, makeInstance, materialize, reconciledOnce, TABLE } from "./daemon.ts";

const METRICS = z.object({
  result: z.object({ id: z.number(), metrics: z.array(z.object({ id: z.number(), metric_name: z.string() })) }),
});
const DATABASE = "reconciled";
/** The test of the daemon has a table, a dashboard and a connection of the usual names in the same Superset. */
const own = (text: string): string => text.replaceAll("followed", "reconciled");
const files = followedFiles("id: z.int(), amount: z.int()", "{ id: 1, amount: 10 }", "scheduled");
const project = new Project(Object.fromEntries(Object.entries(files).map(([file, text]) => [own(file), own(text)])));
let server: Server;
let superset: LocalSuperset;

beforeAll(async () => {
  [superset, server] = await Promise.all([localSuperset(), Server.start()]);
}, SUPERSET_TIMEOUT_MS);

afterAll(async () => {
  await server.stop();
  project.remove();
});

test('with sync "scheduled", the schedule finds that somebody altered a dataset in Superset, and the run that it requests repairs it', async () => {
  const client = superset.client();
  await ownDatabase(client, DATABASE, "postgres", { DATABASE_URL: server.url });
  const env = {
    ...superset.env,
    ...{ WAREHOUSE: "postgres", DATABASE_URL: server.url, SUPERSET_DATABASE_POSTGRES: DATABASE },
  };
  linkLibrary(project.dir);
  makeInstance(project.dir);
  await materialize([TABLE, ...IN_SUPERSET].map(own), project.dir, env);
  const dataset = `/dataset/${supersetUuid("dataset", "postgres", own(TABLE))}`;
  const { result } = await client.get(dataset, METRICS);
  const revenue = result.metrics.find(({ metric_name }) => metric_name === "revenue");
  expect(await client.delete(`/dataset/${result.id}/metric/${revenue?.id}`)).toBe(true);

  const { requested, after } = await reconciledOnce(project.dir, env);
  expect(requested).toEqual(expect.arrayContaining(IN_SUPERSET.map(own)));
  expect(after).toBe("1 datasets are as they should be");
  const repaired = await client.get(dataset, METRICS);
  expect(repaired.result.metrics.map(({ metric_name }) => metric_name)).toContain("revenue");
});
