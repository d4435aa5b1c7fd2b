import { z } from "zod";
import type { SupersetClient } from "../client/client.ts";
import type { Dataset } from "./model.ts";
import type { WantedDataset } from "./wanted.ts";

const related = z.object({
  result: z.array(z.object({ value: z.number(), extra: z.object({ email: z.string().nullish() }).optional() })),
});
const PAGE_SIZE = 100;

/** Owners that a dataset lacks. */
export interface MissingOwners {
  /** All that it should have, those that it has included; `undefined`: none is missing. */
  readonly ids: readonly number[] | undefined;
  /** Addresses that no user of Superset has. */
  readonly unknown: readonly string[];
}

/** Looks up the declared owners; who owns the dataset already stays an owner. */
export async function missingOwners(
  client: SupersetClient,
  wanted: WantedDataset,
  dataset: Dataset,
): Promise<MissingOwners> {
  const ids = new Set(dataset.owners.map(({ id }) => id));
  const before = ids.size;
  const unknown: string[] = [];
  for (const name of wanted.owners) {
    const id = await tryFindUser(client, name);
    if (id === undefined) unknown.push(name);
    else ids.add(id);
  }
  return { ids: ids.size === before ? undefined : [...ids], unknown };
}

/** By the whole address: Superset searches for parts of names only, which may be those of somebody else. */
async function tryFindUser(client: SupersetClient, address: string): Promise<number | undefined> {
  for (let page = 0; ; page += 1) {
    const { result } = await client.get("/dataset/related/owners", related, { query: { page, page_size: PAGE_SIZE } });
    const found = result.find(({ extra }) => extra?.email?.toLowerCase() === address.toLowerCase());
    if (found !== undefined) return found.value;
    if (result.length < PAGE_SIZE) return undefined;
  }
}
