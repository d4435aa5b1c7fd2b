import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { dashboardUuid } from "../../../resources/superset/dashboard.ts";
import { supersetUuid } from "../../../resources/superset/uuid.ts";
import { questionsOf } from "../../../resources/superset/warm.ts";
import { Server } from "../../integration/postgres/server.ts";
import { Project } from "../../integration/runtime/project.ts";
import { type LocalSuperset, localSuperset, SUPERSET_TIMEOUT_MS } from "../../integration/superset/local_superset.ts";
import { followedByDaemon, followedFiles, IN_SUPERSET, linkLibrary, TABLE } from "./daemon.ts";

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

const dataset = z.object({
  result: z.object({ columns: z.array(z.object({ column_name: z.string(), description: z.string().nullable() })) }),
});
const answer = z.object({
  result: z.array(z.object({ is_cached: z.boolean().nullable(), data: z.array(z.record(z.string(), z.unknown())) })),
});

test("after a materialization its dataset has the new columns, and the dashboard the new data from the cache, by the daemon alone", async () => {
  const env = { ...superset.env, WAREHOUSE: "postgres", DATABASE_URL: server.url };
  expect(await project.run([TABLE, ...IN_SUPERSET], env).ended).toMatchObject({ code: 0 });

  const columns = 'id: z.int(), amount: z.int(), tax: z.int().nullable().describe("What the state has of it")';
  project.write(followedFiles(columns, "{ id: 1, amount: 25, tax: 4 }"));
  linkLibrary(project.dir);
  await followedByDaemon(project.dir, env);

  const client = superset.client();
  const { result } = await client.get(`/dataset/${supersetUuid("dataset", "postgres", TABLE)}`, dataset);
  expect(result.columns).toContainEqual({ column_name: "tax", description: "What the state has of it" });
  const questions = await questionsOf(client, dashboardUuid("followed"), 1);
  const answers = await Promise.all(questions.map(({ context }) => client.post("/chart/data", context, answer)));
  expect(answers.map(({ result: [one] }) => one)).toEqual([{ is_cached: true, data: [{ revenue: 25 }] }]);
});
