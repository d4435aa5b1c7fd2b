import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What goes wrong with one request instead of its answer. */
export type Fault = (response: ServerResponse, page: string) => void;

/** Stands before an API and spoils some of its answers. */
export interface FaultyProxy extends AsyncDisposable {
  readonly url: string;
  /** Requests so far, the spoilt ones included. */
  readonly requests: number;
}

export const FAULTS: Readonly<Record<string, Fault>> = {
  "500": (response) => {
    response.writeHead(500).end("out of paper");
  },
  "429 with Retry-After": (response) => {
    response.writeHead(429, { "retry-after": "1" }).end();
  },
  "a page cut in half, connection dropped": (response, page) => {
    response.writeHead(200, { "content-length": Buffer.byteLength(page) });
    response.write(page.slice(0, page.length / 2), () => {
      response.destroy();
    });
  },
  "a page cut in half, properly ended": (response, page) => {
    response.end(page.slice(0, page.length / 2));
  },
  "a web page": (response) => {
    response.end("<html><body>Bad Gateway</body></html>");
  },
  "a dropped connection": (response) => {
    response.destroy();
  },
  "a cursor that repeats": (response) => {
    response.end(JSON.stringify({ lines: [], next_cursor: "cDEwMDAw" }));
  },
};

/**
 * @param limit Of a page, whatever is asked for.
 * @param faultOf What goes wrong with the n-th request, counted from 1; nothing when it is undefined.
 */
export async function faultyProxy(
  target: string,
  limit: number,
  faultOf: (count: number) => Fault | undefined,
): Promise<FaultyProxy> {
  let requests = 0;
  const server = createServer((request, response) => {
    const fault = faultOf(++requests);
    const url = new URL(request.url ?? "/", target);
    url.searchParams.set("limit", String(limit));
    fetch(url)
      .then(async (answer) => {
        const page = await answer.text();
        if (fault === undefined) response.writeHead(answer.status).end(page);
        else fault(response, page);
      })
      .catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get requests() {
      return requests;
    },
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
