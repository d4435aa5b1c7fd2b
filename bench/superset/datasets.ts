import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { DATASET_FIELDS } from "../../resources/superset/dataset/model.ts";
import { toRison } from "../../resources/superset/client/rison.ts";
import { supersetUuid } from "../../resources/superset/uuid.ts";
import type { Contender } from "../lib/contest.ts";
import { measure, type Measured } from "../lib/measure.ts";
import { freshProject } from "../lib/project.ts";

/** How many datasets are synced. */
export const DATASETS = 20;
/** Their sync in one process: as the bar names it. */
export const SYNC = `${DATASETS} datasets synced`;
/** What their sync asks of Superset, without anything around it. */
export const REST = "their bare REST calls";

/** Where Superset is, and the tables that it shows: the variables of the runtime. */
export interface DatasetsEnv extends Readonly<Record<string, string>> {
  readonly SUPERSET_URL: string;
  readonly SUPERSET_USERNAME: string;
  readonly SUPERSET_PASSWORD: string;
  readonly DATABASE_URL: string;
}

/**
 * Tables of ten columns in PostgreSQL, whose datasets are synced after a change of their data: by the runtime, and by the
 * requests alone.
 */
export async function datasetContenders(env: DatasetsEnv): Promise<[Contender, Contender]> {
  const project = freshProject("superset_datasets");
  const names = Array.from({ length: DATASETS }, (_, index) => `t_${index}`);
  mkdirSync(path.join(project, "assets/wide"), { recursive: true });
  for (const name of names) writeFileSync(path.join(project, `assets/wide/${name}.ts`), assetOf(name));
  const all = { ...env, WAREHOUSE: "postgres", PATH: process.env["PATH"] ?? "" };
  const run = async (keys: readonly string[]): Promise<Measured> =>
    await measure([process.execPath, "runtime/main.ts", ...keys], { cwd: project, env: all });
  await run(names.map((name) => `wide/${name}`));
  return [
    { name: SYNC, run: async () => await run(names.map((name) => `superset/dataset/wide/${name}`)) },
    { name: REST, run: async () => await bareCalls(env, names) },
  ];
}

function assetOf(name: string): string {
  const columns = Array.from({ length: 9 }, (_, index) => `c_${index}: z.int32().describe("Column ${index}")`);
  return `import { defineAsset, sql, sum, z } from "dagster-typescript";

export const ${name} = defineAsset("wide/${name}", {
  description: "A table.",
  columns: z.strictObject({ id: z.int32(), ${columns.join(", ")} }),
  superset: { metrics: { total: sum("c_0") } },
  body: sql\`SELECT 1::integer AS id, ${columns.map((_, index) => `${index}::integer AS c_${index}`).join(", ")}\`,
});
`;
}

const token = z.object({ access_token: z.string() });
const csrf = z.object({ result: z.string() });
const dataset = z.object({ id: z.number(), result: z.object({ extra: z.string() }) });

/** Reads each dataset and writes it with another run, after one login. */
async function bareCalls(env: DatasetsEnv, names: readonly string[]): Promise<Measured> {
  const api = `${env.SUPERSET_URL}/api/v1`;
  const json = { accept: "application/json", "content-type": "application/json" };
  const start = performance.now();
  const account = { username: env.SUPERSET_USERNAME, password: env.SUPERSET_PASSWORD, provider: "db", refresh: true };
  const login = await fetch(`${api}/security/login`, { method: "POST", headers: json, body: JSON.stringify(account) });
  const authorized = { ...json, authorization: `Bearer ${token.parse(await login.json()).access_token}` };
  const proof = await fetch(`${api}/security/csrf_token/`, { headers: authorized });
  const cookie = proof.headers.getSetCookie().map((one) => one.split(";")[0]);
  const headers = {
    ...authorized,
    "x-csrftoken": csrf.parse(await proof.json()).result,
    cookie: cookie.join("; "),
    referer: env.SUPERSET_URL,
  };
  for (const name of names) {
    const uuid = supersetUuid("dataset", "postgres", `wide/${name}`);
    const query = new URLSearchParams({ q: toRison({ columns: DATASET_FIELDS }) });
    const read = await fetch(`${api}/dataset/${uuid}?${query.toString()}`, { headers });
    const { id, result } = dataset.parse(await read.json());
    const extra = JSON.parse(result.extra) as Record<string, object>;
    // Another run, so that all cache keys change; the sync after it finds what it wrote itself, but for that.
    const own = { ...extra["dagster_typescript"], run_id: randomUUID() };
    const body = JSON.stringify({ extra: JSON.stringify({ ...extra, dagster_typescript: own }) });
    const written = await fetch(`${api}/dataset/${id}`, { method: "PUT", headers, body });
    if (!written.ok) throw new Error(`PUT was answered ${written.status}: ${await written.text()}`);
    await written.text();
  }
  return { seconds: (performance.now() - start) / 1000, extra: { requests: 2 + 2 * names.length } };
}
