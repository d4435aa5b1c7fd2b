import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** What happens to a request in place of being passed on. */
export type Fault =
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly body: string;
      readonly headers?: Record<string, string>;
    }
  /** The connection is cut: before the request is passed on, or when Superset has done it. */
  | { readonly kind: "cut"; readonly after: boolean }
  /** The answer never comes. */
  | { readonly kind: "silence" };

/** A request as it came. */
export interface Seen {
  readonly method: string;
  readonly path: string;
}

/** Chooses the fault of a request; `undefined`: it is passed on. */
export type ChooseFault = (request: Seen) => Fault | undefined;

/** An HTTP server in front of a Superset, which does to its answers what networks and proxies do. */
export class Front implements AsyncDisposable {
  readonly seen: Seen[] = [];
  /** May be set anew at any time. */
  choose: ChooseFault = () => undefined;
  readonly #target: URL;
  readonly #server = createServer((request, response) => void this.#handle(request, response));

  private constructor(target: string) {
    this.#target = new URL(target);
  }

  static async open(target: string, choose?: ChooseFault): Promise<Front> {
    const front = new Front(target);
    if (choose !== undefined) front.choose = choose;
    await front.listen(0);
    return front;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How often a request of this kind came. */
  count(method: string, path: string): number {
    return this.seen.filter((each) => each.method === method && each.path === path).length;
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
  }

  /** Nobody listens any more, as in a restart. */
  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.close();
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = { method: incoming.method ?? "", path: (incoming.url ?? "").split("?")[0] ?? "" };
    const body = await buffer(incoming);
    this.seen.push(seen);
    const fault = this.choose(seen);
    if (fault?.kind === "silence") return;
    if (fault?.kind === "answer") {
      response.writeHead(fault.status, { "content-type": "text/html", ...fault.headers }).end(fault.body);
      return;
    }
    if (fault?.kind === "cut" && !fault.after) {
      incoming.socket.destroy();
      return;
    }
    const { hostname, port } = this.#target;
    const options = { hostname, port, path: incoming.url, method: seen.method, headers: incoming.headers };
    const passedOn = request(options, (answer) => {
      if (fault?.kind === "cut") {
        answer.resume().on("end", () => incoming.socket.destroy());
        return;
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    passedOn.on("error", () => incoming.socket.destroy());
    passedOn.end(body);
  }
}
