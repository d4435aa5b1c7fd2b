import { expect, test } from "vitest";
import { z } from "zod";
import type { CallOptions } from "../../../resources/superset/client/call.ts";
import { listAll } from "../../../resources/superset/client/list.ts";

const item = z.object({ id: z.number() });

/** A list of Superset in which something happens after each page that is read. */
function listOf(ids: number[], happens: (ids: number[], reads: number) => void): ReturnType<typeof listAll> {
  let reads = 0;
  const get = <T>(_path: string, schema: z.ZodType<T>, { query }: CallOptions = {}): Promise<T> => {
    const { page } = z.object({ page: z.number() }).parse(query);
    const result = ids.slice(page * 100, (page + 1) * 100).map((id) => ({ id }));
    const answer = schema.parse({ count: ids.length, result });
    happens(ids, (reads += 1));
    return Promise.resolve(answer);
  };
  return listAll({ get }, "dataset", item, {});
}

const all = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const sorted = (items: readonly { id: number }[]): number[] => items.map(({ id }) => id).sort((a, b) => a - b);

test("a list has all objects although one is changed, and so comes first, after each page that is read", async () => {
  const changing = listOf(all(250), (ids, reads) => ids.unshift(...ids.splice(150 + reads, 1)));
  expect(sorted(await changing)).toEqual(all(250));
});

test("an object that goes while another one comes is not in the list, and the other one is", async () => {
  const replaced = listOf(all(150), (ids, reads) => {
    if (reads === 1) ids.unshift(...ids.splice(120, 1).map(() => 1000));
  });
  expect(sorted(await replaced)).toEqual([...all(150).filter((id) => id !== 120), 1000]);
});

test("a list that never comes to rest is an error, not half a list", async () => {
  let next = 1000;
  await expect(listOf(all(150), (ids) => ids.unshift((next += 1)))).rejects.toThrow(/changed each time/);
});
