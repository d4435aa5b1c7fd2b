import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { pages, type PagesOptions, SourceError } from "../../../resources/sources/index.ts";
import { fakeClock } from "./fake_clock.ts";
import {
  cutOff,
  halfAPage,
  json,
  page,
  type ScriptedServer,
  scriptedServer,
  silence,
  status,
  text,
} from "./scripted_server.ts";

const schema = z.object({ lines: z.array(z.int()), next_cursor: z.string().nullable() });
type Page = z.output<typeof schema>;

function read(server: ScriptedServer, options: Partial<PagesOptions<Page>> = {}): AsyncGenerator<Page, void> {
  return pages({ url: server.url, schema, nextCursor: (p) => p.next_cursor, clock: fakeClock(), ...options });
}

async function collect(source: AsyncIterable<Page>): Promise<number[]> {
  const lines: number[] = [];
  for await (const { lines: some } of source) lines.push(...some);
  return lines;
}

async function failureOf(work: Promise<unknown>): Promise<SourceError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof SourceError)) throw new Error("expected a SourceError", { cause: error });
  return error;
}

describe("pages of a healthy API", () => {
  test("all the lines come once and in order, and the cursor goes back as it came", async () => {
    await using server = await scriptedServer(page([1, 2], "a/b=&c"), page([], "d"), page([3], null));
    expect(await collect(read(server, { url: `${server.url}?limit=2` }))).toEqual([1, 2, 3]);
    expect(server.requests).toEqual([
      "/v1/lines?limit=2",
      "/v1/lines?limit=2&cursor=a%2Fb%3D%26c",
      "/v1/lines?limit=2&cursor=d",
    ]);
  });

  test("reading starts at a given cursor", async () => {
    await using server = await scriptedServer(page([3], null));
    expect(await collect(read(server, { cursor: "c", cursorParam: "after" }))).toEqual([3]);
    expect(server.requests).toEqual(["/v1/lines?after=c"]);
  });

  test("the next page is on its way while the caller works on this one", async () => {
    const asked = Promise.withResolvers<undefined>();
    await using server = await scriptedServer(page([1], "a"), (request, response) => {
      asked.resolve(undefined);
      page([2], null)(request, response);
    });
    const source = read(server);
    expect((await source.next()).value?.lines).toEqual([1]);
    await asked.promise;
    expect((await source.next()).value?.lines).toEqual([2]);
  });

  test("a caller that stops early leaves no request behind and hears of no error", async () => {
    const asked = Promise.withResolvers<undefined>();
    const dropped = Promise.withResolvers<undefined>();
    await using server = await scriptedServer(page([1], "a"), (request) => {
      asked.resolve(undefined);
      void once(request.socket, "close").then(() => {
        dropped.resolve(undefined);
      });
    });
    for await (const { lines } of read(server)) {
      expect(lines).toEqual([1]);
      await asked.promise;
      break;
    }
    await dropped.promise;
  });
});

describe("an API that fails for a while", () => {
  test.each([
    ["answers 500", status(500)],
    ["answers 503", status(503)],
    ["answers 429", status(429)],
    ["cuts a page in half and drops the connection", cutOff],
    ["cuts a page in half and ends it properly", halfAPage],
    ["answers with a web page", text("<html>502 Bad Gateway</html>")],
    ["repeats a cursor once", page([1, 2], "a")],
    [
      "drops the connection",
      (request: Parameters<typeof silence>[0]): void => {
        request.socket.destroy();
      },
    ],
  ] as const)("%s: every line still comes exactly once", async (_name, fault) => {
    await using server = await scriptedServer(
      page([1, 2], "a"),
      fault,
      fault,
      page([3, 4], "b"),
      fault,
      page([5], null),
    );
    const clock = fakeClock();
    expect(await collect(read(server, { clock }))).toEqual([1, 2, 3, 4, 5]);
    expect(server.requests.map((url) => url.split("=")[1])).toEqual([undefined, "a", "a", "a", "b", "b"]);
    expect(clock.sleeps).toHaveLength(3);
  });

  test("an answer that does not come in time is asked for again", async () => {
    await using server = await scriptedServer(silence, page([1], null));
    expect(await collect(read(server, { timeoutMs: 300 }))).toEqual([1]);
  });

  test("an answer that starts in time and never ends is asked for again", async () => {
    await using server = await scriptedServer(
      (_request, response) => {
        response.write('{"lines":[');
      },
      page([1], null),
    );
    expect(await collect(read(server, { timeoutMs: 300 }))).toEqual([1]);
  });

  test("the waits double up to their limit, and half of each is chance", async () => {
    const faults = Array.from({ length: 5 }, () => status(500));
    for (const [random, expected] of [
      [0, [50, 100, 200, 250, 250]],
      [1, [100, 200, 400, 500, 500]],
    ] as const) {
      await using server = await scriptedServer(...faults, page([1], null));
      const clock = fakeClock({ random });
      await collect(read(server, { clock, baseDelayMs: 100, maxDelayMs: 500, maxAttempts: 6 }));
      expect(clock.sleeps).toEqual(expected);
    }
  });

  test("Retry-After is obeyed in seconds and as a date, for 429 and for 503", async () => {
    await using server = await scriptedServer(
      status(429, { "retry-after": "7" }),
      status(503, { "retry-after": "Thu, 01 Jun 2017 00:01:00 GMT" }),
      status(429, { "retry-after": "Thu, 01 Jun 2017 00:00:00 GMT" }),
      status(429, { "retry-after": "soon" }),
      page([1], null),
    );
    const clock = fakeClock({ now: "2017-06-01T00:00:00Z" });
    expect(await collect(read(server, { clock, baseDelayMs: 1000 }))).toEqual([1]);
    // The date is a minute from the start, of which 7 s have passed; then a date in the past; then no usable date.
    expect(clock.sleeps).toEqual([7_000, 53_000, 0, 4_000]);
  });

  test("each retry is logged with what happened", async () => {
    await using server = await scriptedServer(status(500, {}, "out of\npaper"), page([1], null));
    const warnings: string[] = [];
    const warning = (message: string): void => void warnings.push(message);
    await collect(read(server, { log: { warning } }));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("answered 500: out of paper. Attempt 2 of 5");
  });
});

describe("an API that stays broken", () => {
  test.each([
    ["500", status(500), "http_status"],
    ["429", status(429), "rate_limited"],
    ["half a page, connection dropped", cutOff, "network"],
    ["half a page, properly ended", halfAPage, "invalid_json"],
    ["a web page", text("<html>"), "invalid_json"],
    ["nothing at all", text(""), "invalid_json"],
    ["the same cursor", page([3], "a"), "repeated_cursor"],
  ] as const)("%s: the limit of attempts ends it, with what was read before intact", async (_name, fault, code) => {
    await using server = await scriptedServer(page([1, 2], "a"), fault, fault, fault);
    const lines: number[] = [];
    const error = await failureOf(
      (async () => {
        for await (const { lines: some } of read(server, { maxAttempts: 3 })) lines.push(...some);
      })(),
    );
    expect(error).toMatchObject({ code, retryable: true, attempts: 3 });
    expect(lines).toEqual([1, 2]);
    expect(server.requests).toHaveLength(4);
  });

  test("silence: the limit of attempts ends it", async () => {
    await using server = await scriptedServer(silence, silence);
    const error = await failureOf(collect(read(server, { maxAttempts: 2, timeoutMs: 200 })));
    expect(error).toMatchObject({ code: "timeout", retryable: true, attempts: 2 });
  });

  test("nobody listening: the message names the address and the reason", async () => {
    const server = await scriptedServer();
    await server[Symbol.asyncDispose]();
    const error = await failureOf(collect(read(server, { maxAttempts: 2 })));
    expect(error).toMatchObject({ code: "network", attempts: 2 });
    expect(error.message).toContain(server.url);
    expect(error.message).toContain("ECONNREFUSED");
  });

  test("cursors that go round in a circle end it, however long the circle", async () => {
    const circle = ["a", "b", "c", "a"].map((cursor, index) => page([index], cursor));
    await using server = await scriptedServer(...circle, page([3], "a"));
    const error = await failureOf(collect(read(server, { maxAttempts: 2 })));
    expect(error).toMatchObject({ code: "repeated_cursor", attempts: 2 });
  });

  test("a wait longer than what is left of the waiting in all is not begun", async () => {
    await using server = await scriptedServer(
      status(429, { "retry-after": "100" }),
      status(429, { "retry-after": "30" }),
    );
    const clock = fakeClock();
    const error = await failureOf(collect(read(server, { clock, maxWaitMs: 120_000 })));
    expect(error).toMatchObject({ code: "rate_limited", attempts: 2, retryAfterMs: 30_000 });
    expect(clock.sleeps).toEqual([100_000]);
  });

  test("the waiting is counted over all pages", async () => {
    const slow = status(429, { "retry-after": "50" });
    await using server = await scriptedServer(slow, page([1], "a"), slow, page([2], "b"), slow);
    const error = await failureOf(collect(read(server, { maxWaitMs: 120_000 })));
    expect(error).toMatchObject({ code: "rate_limited", attempts: 1 });
  });

  test.each([
    ["400", status(400, {}, '{"error":"no such store"}'), "http_status"],
    ["401", status(401), "http_status"],
    ["404", status(404), "http_status"],
    ["a redirect", status(302, { location: "http://127.0.0.1:9/" }), "http_status"],
    ["a page without next_cursor", json({ lines: [1] }), "invalid_page"],
    ["a page whose lines are not lines", json({ lines: ["x"], next_cursor: null }), "invalid_page"],
    ["JSON that is no page", json(null), "invalid_page"],
  ] as const)("%s: not asked for again", async (_name, fault, code) => {
    await using server = await scriptedServer(fault, page([1], null));
    expect(await failureOf(collect(read(server)))).toMatchObject({ code, retryable: false, attempts: 1 });
    expect(server.requests).toHaveLength(1);
  });

  test("an abort ends the request, and the waiting, with the abort's own reason", async () => {
    for (const answer of [silence, status(503, { "retry-after": "60" })]) {
      const controller = new AbortController();
      await using server = await scriptedServer((request, response) => {
        answer(request, response);
        setTimeout(() => {
          controller.abort(new Error("terminated"));
        }, 50);
      });
      await expect(collect(read(server, { signal: controller.signal, clock: undefined }))).rejects.toThrow(
        "terminated",
      );
      expect(server.requests).toHaveLength(1);
    }
  });
});
