import { expect, test } from "vitest";
import { assetFile, createProject } from "./project.ts";

const SECRET = `s3cr3t"p\\ass-'word`;
const URL_SECRET = "hunter2%21secret";
const env = {
  SHOP_PASSWORD: SECRET,
  SOURCE_URL: `postgres://reader:${URL_SECRET}@db.example.org/shop`,
  API_TOKEN: "tok_1234567890",
};
const SPELLINGS = [
  SECRET,
  JSON.stringify(SECRET).slice(1, -1),
  encodeURIComponent(SECRET),
  URL_SECRET,
  "hunter2!secret",
  "tok_1234567890",
];
/** Beginnings: a secret that was cut gives much of it away. */
const BEGINNINGS = ["s3cr3t", "hunter2", "tok_1234"];

function expectNoSecret(where: string, text: string): void {
  for (const secret of SPELLINGS) expect(text.includes(secret), `${where}: ${secret}`).toBe(false);
  // However often something has escaped it on its way.
  const plain = text.replaceAll("\\", "");
  for (const secret of BEGINNINGS) expect(plain.includes(secret), `${where}: ${secret}…`).toBe(false);
}

const leak = "process.env.SHOP_PASSWORD + ' ' + process.env.SOURCE_URL + ' ' + process.env.API_TOKEN";

test.each([
  ["throws it", `throw new Error(${leak}, { cause: new TypeError(${leak}) });`],
  ["throws it as text", `throw ${leak};`],
  ["throws it in a property", `throw Object.assign(new Error("x"), { config: { password: ${leak} } });`],
  [
    "rejects with it",
    `void Promise.reject(new Error(${leak})); await new Promise((done) => setTimeout(done, 60_000));`,
  ],
  [
    "throws it later",
    `setTimeout(() => { throw new Error(${leak}); }, 1); await new Promise((done) => setTimeout(done, 60_000));`,
  ],
])("a body that %s does not bring a secret to Dagster, nor to its standard error", async (_name, code) => {
  const project = createProject({ "assets/a/x.ts": assetFile("a/x", `body: { async task() { ${code} } }`) });
  const run = project.launch("a/x", { env });
  const { code: exit, stderr } = await run.ended;
  expect(exit).not.toBe(0);
  expect(stderr).toContain("[redacted]");
  expectNoSecret("stderr", stderr);
  expectNoSecret("messages", JSON.stringify(run.messages()));
  for (const { params } of run.messages()) expectNoSecret("a message", JSON.stringify(params));

  const alone = await project.run(["a/x"], env).ended;
  expect(alone.code).toBe(1);
  expectNoSecret("stderr without Dagster", alone.stderr);
});

test("logs, metadata, SQL, samples and check descriptions do not bring a secret to Dagster", async () => {
  const columns = `columns: z.strictObject({ t: z.string() })`;
  const project = createProject({
    "assets/a/x.ts": assetFile(
      "a/x",
      `${columns}, checks: [d.warn(d.acceptedValues("t", ["other " + ${leak}]))], body: { async *rows({ row, log }) { log.info(${leak}); log.error(encodeURIComponent(process.env.SHOP_PASSWORD)); for (const t of [process.env.SHOP_PASSWORD, process.env.SOURCE_URL, process.env.API_TOKEN, "x".repeat(74) + process.env.API_TOKEN]) yield row({ t }); } }`,
    ),
    "assets/a/task.ts": assetFile(
      "a/task",
      `body: { async task() { return { metadata: { [${leak}]: 1, url: process.env.SOURCE_URL, text: ${leak} } }; } }`,
    ),
  });
  for (const key of ["a/x", "a/task"]) {
    const run = project.launch(key, { env });
    const { code, stderr } = await run.ended;
    expect(code, stderr).toBe(0);
    for (const { method, params } of run.messages()) expectNoSecret(`${key} ${method}`, JSON.stringify(params));
  }
});

test("a secret in the path of the warehouse does not show in its URI", async () => {
  const project = createProject({
    "assets/a/x.ts": assetFile("a/x", `columns: z.strictObject({ id: z.int32() }), body: sql\`SELECT 1::INT AS id\``),
  });
  const run = project.launch("a/x", { env: { ...env, DUCKDB_PATH: `${project.dir}/tok_1234567890.duckdb` } });
  expect((await run.ended).code).toBe(0);
  expectNoSecret("messages", JSON.stringify(run.messages()));
});
