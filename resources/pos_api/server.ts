import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { PosClock } from "./clock.ts";
import { Inbox, type InboxOptions } from "./inbox.ts";
import { PosLines } from "./lines.ts";
import { BadRequestError, formatCursor, parseInstant, parsePageRequest } from "./page_request.ts";

/** How to start a point-of-sale server. */
export interface PosApiOptions {
  /** `transactions.parquet` of the Complete Journey data. */
  readonly parquetPath: string;
  /** @default 0, which means any free one */
  readonly port?: number | undefined;
  /** Where its clock stands. @default after all lines */
  readonly now?: Date | undefined;
  /** @default no files are delivered */
  readonly inbox?: InboxOptions | undefined;
}

/** A running point-of-sale server. */
export interface PosApi {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** Ends all connections and gives the memory back. */
  readonly close: () => Promise<void>;
}

/**
 * Serves the purchase lines of the chain on this machine only:
 *
 * - `GET /v1/lines?since=…&until=…&cursor=…&limit=…` answers `{"lines":[…],"next_cursor":"…"|null}`: the lines received
 *   at or after `since` and before `until`, in the order of their arrival, at most `limit` of them (1 to 50000, default
 *   1000). Hand `next_cursor` back to get the next page; it is `null` on the last one.
 * - `GET /v1/clock` answers `{"now":"…"}`; `null` is after all lines. What is received later is not there yet.
 * - `PUT /v1/clock?now=…` moves it forward, and delivers the files of the days that have ended into the inbox.
 * - `GET /v1/health` answers how many lines there are, and from when to when.
 *
 * Money is a decimal string, times are ISO 8601 in UTC. A bad parameter answers 400.
 */
export async function startPosApi(options: PosApiOptions): Promise<PosApi> {
  const lines = await PosLines.open(options.parquetPath);
  const clock = new PosClock(options.now);
  let inbox: Inbox | undefined;
  try {
    inbox = options.inbox && (await Inbox.open(options.inbox));
    inbox?.deliver(clock.now);
  } catch (error) {
    lines.close();
    throw error;
  }
  const api = { lines, clock, inbox };
  const server = createServer((request, response) => {
    void answer(api, request, response);
  });
  // A reader may take its time with a page: it would find the connection closed under its next request.
  server.keepAliveTimeout = 60_000;
  try {
    server.listen(options.port ?? 0, "127.0.0.1");
    await once(server, "listening");
  } catch (error) {
    lines.close();
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
      lines.close();
    },
  };
}

interface Parts {
  readonly lines: PosLines;
  readonly clock: PosClock;
  readonly inbox: Inbox | undefined;
}

const METHODS: Readonly<Record<string, readonly string[]>> = {
  "/v1/lines": ["GET"],
  "/v1/clock": ["GET", "PUT"],
  "/v1/health": ["GET"],
};

async function answer(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    const methods = METHODS[url.pathname];
    if (methods === undefined) {
      sendError(response, 404, "not_found", `known are ${Object.keys(METHODS).join(", ")}`);
    } else if (!methods.includes(request.method ?? "")) {
      response.setHeader("allow", methods.join(", "));
      sendError(response, 405, "method_not_allowed", `only ${methods.join(" and ")}`);
    } else if (url.pathname === "/v1/health") {
      const { count, firstReceivedAt, lastReceivedAt } = parts.lines;
      send(response, 200, JSON.stringify({ status: "ok", lines: count, first: firstReceivedAt, last: lastReceivedAt }));
    } else if (url.pathname === "/v1/clock") {
      if (request.method === "PUT") moveClock(parts, url.searchParams);
      send(response, 200, JSON.stringify({ now: parts.clock.now ?? null }));
    } else {
      send(response, 200, await renderPage(parts, url.searchParams));
    }
  } catch (error) {
    if (error instanceof BadRequestError) {
      sendError(response, 400, error.code, error.message);
    } else {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      sendError(response, 500, "internal", "see the log of the server");
    }
  }
}

function moveClock({ clock, inbox }: Parts, parameters: URLSearchParams): void {
  clock.move(parseInstant("now", parameters.get("now") ?? ""));
  inbox?.deliver(clock.now);
}

async function renderPage({ lines, clock }: Parts, parameters: URLSearchParams): Promise<string> {
  const { since, until: asked, cursor, limit } = parsePageRequest(parameters);
  const until = clock.limit(asked);
  const first = since ? await lines.positionOf(since) : 0;
  const end = until ? await lines.positionOf(until) : lines.count;
  const from = Math.max(first, cursor ?? 0);
  const to = Math.min(from + limit, end);
  const { json } = from < to ? await lines.render(from, to) : { json: "" };
  return `{"lines":[${json}],"next_cursor":${to < end && from < to ? JSON.stringify(formatCursor(to)) : "null"}}`;
}

function sendError(response: ServerResponse, status: number, code: string, message: string): void {
  send(response, status, JSON.stringify({ error: { code, message } }));
}

function send(response: ServerResponse, status: number, json: string): void {
  const body = Buffer.from(json);
  response.writeHead(status, { "content-type": "application/json; charset=utf-8", "content-length": body.length });
  response.end(body);
}
