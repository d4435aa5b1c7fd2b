import { inspect } from "node:util";
import { expect, test } from "vitest";
import { z } from "zod";
import { getJson, type GetJsonOptions, SourceError } from "../../../resources/sources/index.ts";
import { fakeClock } from "./fake_clock.ts";
import { type Answer, cutOff, scriptedServer, silence, status, text } from "./scripted_server.ts";

const SECRETS = ["tok-3n4B7x9Q", "pa%20ss-w%C3%B6rd-77", "pa ss-wörd-77", "key-55aa66bb"];

const echo: Answer = (request, response) => {
  response.writeHead(500).end(`${request.url ?? ""} ${SECRETS.join(" ")}`);
};

/** All that a person or a log could get to see of an error. */
async function traceOf(
  options: Partial<GetJsonOptions<unknown>> & Pick<GetJsonOptions<unknown>, "url">,
): Promise<string> {
  const seen: string[] = [];
  const log = {
    warning: (message: string): void => {
      seen.push(message);
    },
  };
  const error: unknown = await getJson({
    schema: z.never(),
    clock: fakeClock(),
    maxAttempts: 2,
    log,
    ...options,
  }).catch((reason: unknown) => reason);
  if (!(error instanceof SourceError)) throw new Error("expected a SourceError", { cause: error });
  return [...seen, inspect(error, { depth: 10, showHidden: true })].join("\n");
}

test.each([
  ["an error that echoes the request", echo],
  ["a page that is not JSON", text(SECRETS.join(" "))],
  ["a page of another shape", text(JSON.stringify(SECRETS))],
  ["429", status(429, {}, SECRETS.join(" "))],
  ["a dropped connection", cutOff],
  ["silence", silence],
] as const)("%s: no secret of URL or headers in error, cause or log", async (_name, answer) => {
  await using server = await scriptedServer(answer, answer);
  const url = new URL(server.url);
  url.username = "till";
  url.password = "pa ss-wörd-77";
  url.searchParams.set("api_key", "key-55aa66bb");
  for (const name of ["x-api-key", "authorization"]) {
    const headers = { [name]: "Bearer tok-3n4B7x9Q" };
    const trace = await traceOf({ url, headers, timeoutMs: 200 });
    expect(trace).toContain("/v1/lines");
    for (const secret of SECRETS) expect(trace).not.toContain(secret);
  }
});

test("user and password of the URL arrive as a header", async () => {
  await using server = await scriptedServer(text("1"));
  const url = server.url.replace("http://", "http://till:p%40ss@");
  expect(await getJson({ url, schema: z.int() })).toBe(1);
  expect(server.headers[0]?.authorization).toBe(`Basic ${Buffer.from("till:p@ss").toString("base64")}`);
  expect(server.requests).toEqual(["/v1/lines"]);
});

test.each([
  [
    "a header value with a line break",
    { url: "http://127.0.0.1:9/", headers: { authorization: "Bearer tok-3n4B7x9Q\nx" } },
  ],
  ["a URL that is none", { url: "127.0.0.1?api_key=key-55aa66bb" }],
  ["a URL of another kind", { url: "file:///key-55aa66bb" }],
] as const)("%s is refused without being shown", async (_name, options) => {
  const trace = await traceOf(options);
  expect(trace).toContain("invalid_request");
  for (const secret of SECRETS) expect(trace).not.toContain(secret);
});
