import { z } from "zod";
import type { CallOptions } from "./call.ts";
import { SupersetServerError } from "./errors.ts";
import type { RisonValue } from "./rison.ts";

/** A condition of a list. @see https://superset.apache.org/docs/api */
export interface ListFilter {
  /** Of the listed objects, such as `table_name` or, for a relation, `database`. */
  readonly column: string;
  /** Such as `eq`, `neq`, `in`, `sw`, `ct`, `gt`, `lt`; of a relation `rel_o_m` (its id), `rel_m_m`. */
  readonly operator: string;
  readonly value: RisonValue;
}

/** What is listed. */
export interface ListOptions {
  readonly filters?: readonly ListFilter[];
  /** @default all that the list shows */
  readonly columns?: readonly string[];
  readonly signal?: AbortSignal;
}

/** What a list needs of the client. */
export interface Getter {
  readonly get: <T>(path: string, schema: z.ZodType<T>, options?: CallOptions) => Promise<T>;
}

/** Superset gives no more at once. */
const PAGE_SIZE = 100;
const TRIES = 5;

/**
 * Reads all pages. Objects that come, go or are changed meanwhile shift the pages, since Superset orders them by the time
 * of change, so that one could be missed: then all are read again, until none is missing.
 *
 * @throws SupersetError
 */
export async function listAll<T extends { readonly id: number }>(
  getter: Getter,
  resource: string,
  schema: z.ZodType<T>,
  { filters = [], columns, signal }: ListOptions,
): Promise<T[]> {
  const page = z.object({ count: z.number(), result: z.array(schema) });
  const path = `/${resource}/`;
  /** Of all attempts since the last that saw another count. */
  let known = new Map<number, T>();
  let count: number | undefined;
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    for (let index = 0, left = true; left; index++) {
      const query = {
        filters: filters.map(({ column, operator, value }) => ({ col: column, opr: operator, value })),
        columns: columns === undefined ? undefined : ["id", ...columns.filter((column) => column !== "id")],
        page: index,
        page_size: PAGE_SIZE,
      };
      const answer = await getter.get(path, page, { query, ...(signal === undefined ? {} : { signal }) });
      if (answer.count !== count) known = new Map();
      count = answer.count;
      for (const item of answer.result) known.set(item.id, item);
      left = (index + 1) * PAGE_SIZE < count;
    }
    if (known.size === count) return [...known.values()];
    // More than there are: one went and another came.
    if (known.size > (count ?? 0)) known = new Map();
  }
  throw new SupersetServerError(
    `GET /api/v1${path}`,
    `The list ${path} of Superset changed each time that it was read. Try again later.`,
    200,
    undefined,
  );
}
