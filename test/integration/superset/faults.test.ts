import { randomUUID } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import type { SupersetClient } from "../../../resources/superset/client/client.ts";
import { type SupersetClientOptions } from "../../../resources/superset/client/client.ts";
import {
  SupersetAnswerError,
  type SupersetError,
  SupersetForbiddenError,
  SupersetLoginError,
  SupersetNotFoundError,
  SupersetRateLimitedError,
  SupersetRefusedError,
  SupersetServerError,
  SupersetTimeoutError,
  SupersetTokenError,
  SupersetUnreachableError,
} from "../../../resources/superset/client/errors.ts";
import type { CallOptions } from "../../../resources/superset/client/call.ts";
import { listAll } from "../../../resources/superset/client/list.ts";
import { Front, type ChooseFault, type Fault } from "./front.ts";
import { type LocalSuperset, localSuperset, SUPERSET_TIMEOUT_MS } from "./local_superset.ts";

const PAGE = "<!doctype html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";
const QUICK = { maxAttempts: 3, baseDelayMs: 1, maxDelayMs: 20 };
const TEMPLATES = "/api/v1/css_template/";

let superset: LocalSuperset;
beforeAll(async () => {
  superset = await localSuperset();
}, SUPERSET_TIMEOUT_MS);

const answer = (status: number, body = PAGE, headers: Record<string, string> = {}): Fault => ({
  kind: "answer",
  status,
  body,
  headers,
});

/** The first so many requests to a path have the fault. */
function first(times: number, method: string, path: string, fault: Fault): ChooseFault {
  let left = times;
  return (seen) => (seen.method === method && seen.path === path && left-- > 0 ? fault : undefined);
}

/** A client behind a front, and what it warned of. */
function through(front: Front, options: Partial<SupersetClientOptions> = {}): SupersetClient {
  return superset.client({ url: front.url, retry: QUICK, ...options });
}

const made = z.object({ id: z.number() });
const make = (client: SupersetClient, name: string, options = {}): Promise<{ id: number }> =>
  client.post("/css_template/", { template_name: name, css: "" }, made, options);

/** How many objects of a name there are, past the front. */
async function countOf(name: string): Promise<number> {
  const filters = [{ column: "template_name", operator: "eq", value: name }];
  return (await superset.client().list("css_template", made, { filters, columns: ["template_name"] })).length;
}

async function faultOf(work: Promise<unknown>): Promise<SupersetError> {
  return await work.then(
    () => Promise.reject(new Error("it succeeded")),
    (error: unknown) => error as SupersetError,
  );
}

test.each([
  ["an HTML error page of a proxy", answer(502), SupersetServerError],
  ["429", answer(429, '{"message":"slow down"}', { "retry-after": "0" }), SupersetRateLimitedError],
  ["a cut connection", { kind: "cut", after: false }, SupersetUnreachableError],
  ["an answer that is lost", { kind: "cut", after: true }, SupersetUnreachableError],
  ["silence", { kind: "silence" }, SupersetTimeoutError],
] as const)("a reading request outlives %s, and gives up with its class when it stays", async (_what, fault, kind) => {
  const warnings: string[] = [];
  await using front = await Front.open(superset.url, first(2, "GET", TEMPLATES, fault));
  const log = { warning: (message: string) => void warnings.push(message) };
  const client = through(front, { log, timeoutMs: fault.kind === "silence" ? 700 : 20_000 });
  expect(await client.list("css_template", made)).toBeInstanceOf(Array);
  expect(warnings).toHaveLength(2);

  front.choose = first(99, "GET", TEMPLATES, fault);
  const error = await faultOf(client.list("css_template", made));
  expect(error).toBeInstanceOf(kind);
  expect(error).toMatchObject({ attempts: 3, request: `GET ${TEMPLATES}` });
});

test("a request that makes something is sent again only when it certainly was not carried out", async () => {
  await using front = await Front.open(superset.url);
  const client = through(front);
  await client.list("css_template", made);

  // The answer is lost: it was made, and a second one would be one too many.
  const lost = randomUUID();
  front.choose = first(1, "POST", TEMPLATES, { kind: "cut", after: true });
  await expect(make(client, lost)).rejects.toThrow(SupersetUnreachableError);
  expect(await countOf(lost)).toBe(1);

  const limited = randomUUID();
  front.choose = first(1, "POST", TEMPLATES, answer(429, "", { "retry-after": "0" }));
  await make(client, limited);
  expect(await countOf(limited)).toBe(1);

  // Where twice is as good as once, it is sent until it is answered.
  const twice = randomUUID();
  front.choose = first(1, "POST", TEMPLATES, { kind: "cut", after: true });
  await make(client, twice, { repeatable: true });
  expect(await countOf(twice)).toBe(2);
});

test("a restart in the middle is waited for", async () => {
  await using front = await Front.open(superset.url);
  const client = through(front, { retry: { maxAttempts: 20, baseDelayMs: 50, maxDelayMs: 100 } });
  const { id } = await make(client, randomUUID());
  const port = Number(new URL(front.url).port);
  const url = front.url;
  await front.close();
  const written = client.put(`/css_template/${id}`, { css: "a {}" }, z.unknown());
  const madeMeanwhile = make(client, randomUUID());
  setTimeout(() => void front.listen(port), 300);
  await written;
  expect((await madeMeanwhile).id).toBeGreaterThan(id);
  expect(front.url).toBe(url);
});

test("a Superset that is down is told of with its address and what to look at", async () => {
  const client = superset.client({ url: "http://127.0.0.1:1", retry: QUICK });
  const error = await faultOf(client.get("/dataset/", z.unknown()));
  expect(error).toBeInstanceOf(SupersetUnreachableError);
  expect(error.message).toContain("http://127.0.0.1:1");
  expect(error.message).toContain("SUPERSET_URL");
});

test.each([
  ["a token that has expired", answer(401, '{"msg":"Token has expired"}')],
  ["a token with a wrong signature", answer(422, '{"msg":"Signature verification failed"}')],
] as const)("%s is renewed once, by requests at once together", async (_what, fault) => {
  await using front = await Front.open(superset.url);
  const client = through(front);
  await make(client, randomUUID());
  const path = `/css_template/${(await make(client, randomUUID())).id}`;
  front.choose = first(3, "PUT", `/api/v1${path}`, fault);
  await Promise.all([1, 2, 3].map((n) => client.put(path, { css: `a { order: ${n} }` }, z.unknown())));
  expect(front.count("POST", "/api/v1/security/login")).toBe(2);
});

test("a token that Superset goes on refusing ends the request", async () => {
  await using front = await Front.open(superset.url, first(99, "GET", TEMPLATES, answer(401, '{"msg":"no"}')));
  const error = await faultOf(through(front).list("css_template", made));
  expect(error).toBeInstanceOf(SupersetTokenError);
});

test("a CSRF token whose session is gone is renewed", async () => {
  await using front = await Front.open(superset.url);
  const client = through(front);
  await make(client, randomUUID());
  front.choose = first(
    1,
    "POST",
    TEMPLATES,
    answer(400, "<h1>Bad Request</h1><p>The CSRF session token is missing.</p>"),
  );
  await make(client, randomUUID());
  expect(front.count("GET", "/api/v1/security/csrf_token/")).toBe(2);
});

test("a wrong password is refused at once, and stands in no message", async () => {
  const password = "wr0ng-and-secret";
  const client = superset.client({ credentials: { username: superset.username, password }, retry: QUICK });
  const error = await faultOf(client.list("css_template", made));
  expect(error).toBeInstanceOf(SupersetLoginError);
  expect(error.message).toContain("SUPERSET_PASSWORD");
  expect(JSON.stringify([error.message, error.stack, String(error.cause)])).not.toContain(password);
});

test("secrets that an answer repeats are masked", async () => {
  const { password } = superset;
  await using front = await Front.open(superset.url, (seen) =>
    seen.path === TEMPLATES
      ? answer(500, JSON.stringify({ message: `log: ${password} and hunter2-of-the-store` }))
      : undefined,
  );
  const error = await faultOf(make(through(front), "x", { secrets: ["hunter2-of-the-store"] }));
  expect(error.message).toContain("log: *** and ***");
});

test("an API key is enough to read and write, and a wrong one is refused with its name", async () => {
  const answerOf = z.object({ result: z.object({ key: z.string() }) });
  const { result } = await superset.client().post("/security/api_keys/", { name: randomUUID() }, answerOf);
  const client = superset.client({ credentials: { apiKey: result.key } });
  const name = randomUUID();
  await make(client, name);
  expect(await countOf(name)).toBe(1);

  const wrong = superset.client({ credentials: { apiKey: `${result.key.slice(0, -4)}AAAA` }, retry: QUICK });
  const error = await faultOf(make(wrong, name));
  expect(error).toBeInstanceOf(SupersetTokenError);
  expect(error.message).toContain("SUPERSET_API_KEY");
  expect(error.message).not.toContain(result.key.slice(0, -4));
});

test("a user without rights is told which account lacks them, and what is not there is not found", async () => {
  const admin = superset.client();
  const username = `nobody_${randomUUID().slice(0, 8)}`;
  const role = await admin.post("/security/roles/", { name: username }, made);
  const person = { first_name: "No", last_name: "Body", active: true, email: `${username}@localhost` };
  await admin.post("/security/users/", { ...person, username, password: "a-password", roles: [role.id] }, made);
  const client = superset.client({ credentials: { username, password: "a-password" }, retry: QUICK });
  expect(await faultOf(client.list("dataset", made))).toBeInstanceOf(SupersetForbiddenError);
  expect(await faultOf(admin.get("/dataset/999999", z.unknown()))).toBeInstanceOf(SupersetNotFoundError);
});

test("what is not Superset, or not of its API, is said so", async () => {
  await using front = await Front.open(superset.url);
  front.choose = (seen) =>
    seen.path === TEMPLATES ? answer(302, "", { location: "https://sso.example/login?next=x" }) : undefined;
  const moved = await faultOf(through(front).list("css_template", made));
  expect(moved).toBeInstanceOf(SupersetAnswerError);
  expect(moved.message).toContain("https://sso.example/login");
  expect(moved.message).not.toContain("next=x");
  front.choose = (seen) => (seen.path === TEMPLATES ? answer(200) : undefined);
  expect(await faultOf(through(front).list("css_template", made))).toBeInstanceOf(SupersetAnswerError);
  // A page that says "not found" is no word of Superset's: nothing was deleted, and nothing is missing.
  front.choose = (seen) => (seen.path === `${TEMPLATES}7` ? answer(404) : undefined);
  expect(await faultOf(through(front).get("/css_template/7", z.unknown()))).toBeInstanceOf(SupersetAnswerError);
  expect(await faultOf(through(front).delete("/css_template/7"))).toBeInstanceOf(SupersetAnswerError);
  front.choose = () => answer(404, '{"detail":"Not Found"}');
  expect(await faultOf(through(front).get("/dataset/7", z.unknown()))).toBeInstanceOf(SupersetAnswerError);
  front.choose = () => answer(200);
  expect(await faultOf(through(front).list("css_template", made))).toBeInstanceOf(SupersetAnswerError);
});

test("a list over many pages has each object once, also while others come and go", async () => {
  const client = superset.client();
  const prefix = randomUUID();
  const names = Array.from({ length: 103 }, (_, n) => `${prefix} ${n}`);
  for (let n = 0; n < names.length; n += 8) {
    await Promise.all(names.slice(n, n + 8).map((name) => make(client, name)));
  }
  let hasChanged = false;
  const filters = [{ column: "template_name", operator: "sw", value: prefix }];
  const withName = z.object({ id: z.number(), template_name: z.string() });
  const options = { filters, columns: ["template_name"] };
  const [before] = await client.list("css_template", withName, options);
  const shifting = {
    get: async <T>(path: string, schema: z.ZodType<T>, more?: CallOptions): Promise<T> => {
      const page = await client.get(path, schema, more);
      if (!hasChanged) await client.delete(`/css_template/${before?.id ?? 0}`);
      hasChanged = true;
      return page;
    },
  };
  const found = await listAll(shifting, "css_template", withName, options);
  expect(found.map(({ template_name: name }) => name).sort()).toEqual(
    names.filter((name) => name !== before?.template_name).sort(),
  );
});

test("a request that is called off stops waiting", async () => {
  await using front = await Front.open(superset.url, first(99, "GET", TEMPLATES, { kind: "silence" }));
  const stop = new AbortController();
  const listing = through(front).list("css_template", made, { signal: stop.signal });
  setTimeout(() => {
    stop.abort(new Error("called off"));
  }, 200);
  await expect(listing).rejects.toThrow("called off");
});

test("what Superset refuses is said with its words", async () => {
  const error = await faultOf(superset.client().post("/dataset/", { database: 99_999, table_name: "x" }, made));
  expect(error).toBeInstanceOf(SupersetRefusedError);
  expect(error).toMatchObject({ status: 422 });
  expect(error.message).toContain("atabase");
});
