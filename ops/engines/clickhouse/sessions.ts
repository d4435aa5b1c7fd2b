import { clearTimeout, setTimeout } from "node:timers";
import type { Chdb, ChdbConnection } from "./chdb.ts";

/** As long as a ClickHouse server keeps a session that nobody uses. */
const DEFAULT_TIMEOUT_SECONDS = 60;

interface Session {
  readonly connection: ChdbConnection;
  /** The end of the last request; the next one waits for it. */
  tail: Promise<void>;
  timer: NodeJS.Timeout | undefined;
}

/** HTTP sessions: connections that outlive a request, with their temporary tables, `SET` and `USE`. */
export class Sessions {
  readonly #chdb: Chdb;
  readonly #open = new Map<string, Session>();

  constructor(chdb: Chdb) {
    this.#chdb = chdb;
  }

  /** Works on the session's connection; on one for this request alone when there is no `id`. */
  async run(
    id: string | undefined,
    timeoutSeconds: number | undefined,
    work: (connection: ChdbConnection) => Promise<void>,
  ): Promise<void> {
    if (id === undefined) {
      using connection = this.#chdb.connect();
      await work(connection);
      return;
    }
    const session = this.#open.get(id) ?? {
      connection: this.#chdb.connect(),
      tail: Promise.resolve(),
      timer: undefined,
    };
    this.#open.set(id, session);
    clearTimeout(session.timer);
    const done = session.tail.then(() => work(session.connection));
    const tail = done.catch(() => undefined);
    session.tail = tail;
    void tail.then(() => {
      if (session.tail !== tail) return; // another request waits
      const end = (): void => {
        this.#open.delete(id);
        session.connection[Symbol.dispose]();
      };
      session.timer = setTimeout(end, 1000 * (timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS));
    });
    await done;
  }

  /** Ends them all; none may be in use. */
  end(): void {
    for (const { connection, timer } of this.#open.values()) {
      clearTimeout(timer);
      connection[Symbol.dispose]();
    }
    this.#open.clear();
  }
}
