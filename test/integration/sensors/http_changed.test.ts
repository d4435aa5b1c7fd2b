import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { z } from "zod";
import { date, defineAsset, defineSensor, z as zod } from "../../../definitions/index.ts";
import { httpChanged, type HttpChangedCursor, type HttpChangedOptions } from "../../../resources/sensors/index.ts";
import { testSensor, type TestSensorTick } from "../../../runtime/testing.ts";

const rates = defineAsset("shop/rates", {
  description: "x",
  columns: zod.strictObject({ day: date() }),
  body: { async *rows() {} },
});
type Tick = TestSensorTick<z.input<HttpChangedCursor>>;

/** A server that answers as it is told, and the sensor that asks it. */
async function endpoint(
  options: HttpChangedOptions,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ tick: () => Promise<Tick>; requests: IncomingMessage[]; url: string }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://user:hunter2secret@127.0.0.1:${(server.address() as AddressInfo).port}/rates?token=s3cr3t-t0ken`;
  const sensor = defineSensor("shop/new_rates", {
    description: "x",
    assets: [rates],
    ...httpChanged(() => url, options),
  });
  let last: Tick | undefined;
  const tick = async (): Promise<Tick> => (last = await testSensor(sensor, { cursor: last?.cursor ?? null }));
  return { tick, requests, url };
}

test("another ETag is a change, and one that comes back is one too; the server may say that nothing changed", async () => {
  let etag = `"a"`;
  const { tick, requests } = await endpoint({ by: "etag" }, (request, response) => {
    if (request.headers["if-none-match"] === etag) response.writeHead(304).end();
    else response.writeHead(200, { etag }).end("x".repeat(1_000_000));
  });
  const [first] = (await tick()).runs;
  expect(await tick()).toMatchObject({ runs: [], skip: "as it was" });
  expect(requests[1]?.headers["if-none-match"]).toBe(`"a"`);
  etag = `"b"`;
  expect((await tick()).runs).toHaveLength(1);
  etag = `"a"`;
  const [back] = (await tick()).runs;
  expect(back?.runKey).toEqual(expect.any(String));
  expect(back?.runKey).not.toBe(first?.runKey);
  expect((await tick()).runs).toEqual([]);
});

test("a server that does not know conditions is asked all the same", async () => {
  const { tick } = await endpoint({ by: "etag" }, (_request, response) => {
    response.writeHead(200, { etag: `W/"a"` }).end("{}");
  });
  expect((await tick()).runs).toHaveLength(1);
  expect((await tick()).runs).toEqual([]);
});

test("a later Last-Modified is a change, an earlier one is none and is said", async () => {
  let at = "Mon, 02 Jan 2017 00:00:00 GMT";
  const { tick } = await endpoint({ by: "lastModified" }, (_request, response) => {
    response.writeHead(200, { "last-modified": at }).end();
  });
  expect((await tick()).runs).toHaveLength(1);
  at = "Sun, 01 Jan 2017 00:00:00 GMT";
  const back = await tick();
  expect(back).toMatchObject({ runs: [], skip: expect.stringMatching(/went back/) as string });
  expect(back.log.at(-1)?.level).toBe("warning");
  at = "Tue, 03 Jan 2017 00:00:00 GMT";
  expect((await tick()).runs).toHaveLength(1);
});

test("a cursor in the JSON must grow where it is a number, and differ where it is a text", async () => {
  let last: string | number = 10;
  const { tick } = await endpoint(
    { by: (json) => zod.object({ last: zod.union([zod.int(), zod.string()]) }).parse(json).last },
    (_request, response) => {
      response.end(JSON.stringify({ last }));
    },
  );
  expect((await tick()).runs).toHaveLength(1);
  last = 9;
  expect((await tick()).runs).toEqual([]);
  last = 11;
  expect((await tick()).runs).toHaveLength(1);
  last = "abc";
  expect((await tick()).runs).toHaveLength(1);
});

test.each<[string, HttpChangedOptions["by"], (response: ServerResponse) => void, RegExp]>([
  ["answers 500", "etag", (response) => response.writeHead(500).end("oops"), /answered 500/],
  ["redirects", "etag", (response) => response.writeHead(302, { location: "http://elsewhere/" }).end(), /answered 302/],
  ["has no ETag", "etag", (response) => response.end("x"), /has no ETag/],
  ["has no Last-Modified", "lastModified", (response) => response.end("x"), /has no Last-Modified/],
  [
    "has no time",
    "lastModified",
    (response) => response.setHeader("last-modified", "soon").end(),
    /is no time: "soon"/,
  ],
  ["sends no JSON", () => 1, (response) => response.end("<html>"), /is not JSON/],
  ["cuts its answer off", () => 1, (response) => response.socket?.destroy(), /GET http:\/\/127\.0\.0\.1:\d+\/rates: /],
])("an endpoint that %s fails the tick, without its secrets", async (_what, by, answer, message) => {
  const { tick } = await endpoint(
    { by, headers: () => ({ authorization: "Bearer abcdefgh" }) },
    (_request, response) => {
      answer(response);
    },
  );
  const error = await tick().then(
    () => new Error("it did not fail"),
    (thrown: unknown) => thrown as Error,
  );
  expect(error.message).toMatch(message);
  expect(error.message).not.toMatch(/hunter2secret|s3cr3t-t0ken|abcdefgh/);
});
