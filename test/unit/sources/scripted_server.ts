import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Answers one request. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** An HTTP server that answers its requests in turn from a list; a request beyond the list fails the connection. */
export interface ScriptedServer extends AsyncDisposable {
  readonly url: string;
  /** Path and query of the requests so far. */
  readonly requests: readonly string[];
  /** Headers of the requests so far. */
  readonly headers: readonly IncomingMessage["headers"][];
}

export async function scriptedServer(...answers: readonly Answer[]): Promise<ScriptedServer> {
  const requests: string[] = [];
  const headers: IncomingMessage["headers"][] = [];
  const server = createServer((request, response) => {
    const next = answers[requests.length];
    requests.push(request.url ?? "");
    headers.push(request.headers);
    if (next) next(request, response);
    else request.socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/lines`,
    requests,
    headers,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** A page of line numbers. */
export function page(lines: readonly number[], nextCursor: string | null): Answer {
  return json({ lines, next_cursor: nextCursor });
}

export function json(value: unknown): Answer {
  return text(JSON.stringify(value));
}

export function text(body: string): Answer {
  return (_request, response) => {
    response.end(body);
  };
}

export function status(code: number, headers: Readonly<Record<string, string>> = {}, body = ""): Answer {
  return (_request, response) => {
    response.writeHead(code, headers).end(body);
  };
}

/** Never answers. */
export const silence: Answer = () => undefined;

/** Announces a whole page, sends half of it and drops the connection. */
export const cutOff: Answer = (_request, response) => {
  const body = JSON.stringify({ lines: [1, 2, 3], next_cursor: null });
  response.writeHead(200, { "content-length": body.length });
  response.write(body.slice(0, body.length / 2), () => {
    response.destroy();
  });
};

/** Sends half of a page and ends the answer properly, as a broken proxy does. */
export const halfAPage: Answer = text('{"lines":[1,2,3],"next_c');
