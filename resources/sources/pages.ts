import { setImmediate } from "node:timers/promises";
import type { z } from "zod";
import { attemptJson } from "./attempt.ts";
import { type Clock, systemClock } from "./clock.ts";
import { RepeatedCursorError } from "./errors.ts";
import { prepareRequest } from "./request.ts";
import { Retries, type RetryOptions, type SourceLog } from "./retry.ts";

/** How to read one JSON document. */
export interface GetJsonOptions<T> extends RetryOptions {
  /** Absolute; may hold a query, and user and password. */
  readonly url: string | URL;
  /** The shape of the answer. An answer of another shape is an error, never skipped. */
  readonly schema: z.ZodType<T>;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** For one attempt, from the request to the last byte of the answer. @default 30000 */
  readonly timeoutMs?: number | undefined;
  /** Ends the request, and the waiting between attempts. */
  readonly signal?: AbortSignal | undefined;
  /** Is told about each retry. */
  readonly log?: SourceLog | undefined;
  /** @default the system's */
  readonly clock?: Clock | undefined;
}

/** How to read an API that hands out its rows page by page. */
export interface PagesOptions<P> extends GetJsonOptions<P> {
  /** Where the next page is; `null` on the last one. */
  readonly nextCursor: (page: P) => string | null;
  /** The query parameter that takes the cursor. @default "cursor" */
  readonly cursorParam?: string | undefined;
  /** Start here instead of at the first page. */
  readonly cursor?: string | undefined;
}

/** Reads one JSON document, with the retries of {@link pages}. */
export async function getJson<T>(options: GetJsonOptions<T>): Promise<T> {
  for await (const page of pages({ ...options, nextCursor: () => null })) return page;
  throw new Error("unreachable: pages() yields at least one page");
}

/**
 * Reads all the pages of an API in order, each one once; the next page is on its way while the caller works on this one.
 *
 * Asked again within the limits of {@link RetryOptions}: connection errors, answers that are late or cut off, answers
 * that are not JSON, 408, 425, 429, 500, 502, 503, 504 (as `Retry-After` asks) and a cursor that was followed before.
 * What still fails is thrown: no page is ever left out or handed out twice. Messages name the URL without its query and
 * hold no header.
 *
 * @throws SourceError a subclass per cause; the reason of `signal` when it is aborted
 * @example
 * ```ts
 * import { pages } from "dagster-typescript/sources";
 * import { z } from "dagster-typescript";
 *
 * const schema = z.object({ users: z.array(z.object({ id: z.int() })), next_cursor: z.string().nullable() });
 * for await (const page of pages({ url: "https://example.com/users", schema, nextCursor: (page) => page.next_cursor })) {
 *   console.log(page.users.length);
 * }
 * ```
 */
export async function* pages<P>(options: PagesOptions<P>): AsyncGenerator<P, void, undefined> {
  const { schema, nextCursor, timeoutMs = 30_000, clock = systemClock, cursorParam = "cursor" } = options;
  const request = prepareRequest(options.url, options.headers);
  const retries = new Retries(options, clock, options.log);
  const ended = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, ended.signal]) : ended.signal;
  const followed = new Set<string>();

  const read = async (cursor: string | undefined): Promise<P> => {
    const url = new URL(request.url);
    if (cursor !== undefined) {
      followed.add(cursor);
      url.searchParams.set(cursorParam, cursor);
    }
    return await retries.run(async () => {
      const page = await attemptJson({ request, url, schema, timeoutMs, signal, clock });
      const next = nextCursor(page);
      if (next !== null && followed.has(next)) {
        throw new RepeatedCursorError(`${request.label}: page ${followed.size + 1} leads back to an earlier page.`);
      }
      return page;
    }, signal);
  };

  let pending = read(options.cursor);
  try {
    for (;;) {
      const page = await pending;
      const next = nextCursor(page);
      if (next !== null) {
        pending = read(next);
        // Its error is thrown by the await above, unless the caller has stopped by then.
        pending.catch(() => undefined);
        // Lets the request leave: a caller that never waits would hold it back until it is done with this page.
        await setImmediate();
      }
      yield page;
      if (next === null) return;
    }
  } finally {
    ended.abort();
  }
}
