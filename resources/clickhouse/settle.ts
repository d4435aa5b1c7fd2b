import type { Target } from "../store.ts";
import { type Client, FEW_ROWS } from "./client.ts";
import { IS_UNSETTLED, NEXT_PUBLISHED_AT, PAST, settleEntry } from "./ledger.ts";
import type { IsOpen } from "./lock.ts";
import { type Look, NAMED, OWN, readLook } from "./place.ts";
import { OWN_DATABASE } from "./quote.ts";
import { dropDead } from "./staging.ts";

/** What is there under the lock of an asset. */
export interface SettledLook extends Look {
  /** Whether the line of what is in place was not in the ledger yet. */
  readonly wasUnsettled: boolean;
  /** When what is published now is published: after all lines of the asset, and not before the server's time. */
  readonly publishedAt: string;
}

/**
 * What every publish begins with, under the lock of its asset: no exchange of a dead process can come any more, and the
 * line of what is in place is in the ledger.
 *
 * @throws ContractError when the asset's name is taken by what no asset replaces
 */
export async function settlePlace(client: Client, target: Target, isOpen: IsOpen): Promise<SettledLook> {
  let look = await lookAt(client, target);
  const names = look.own.map(({ name }) => name);
  // Until they were gone, one of them could come into place.
  if (await dropDead(client, names, isOpen, target.assetKey)) look = await lookAt(client, target);
  if (look.wasUnsettled) await settleEntry(client, target);
  return look;
}

/** Looks at the runtime's own tables, and after that at what has the asset's name: a table of a dead process is in one. */
async function lookAt(client: Client, target: Target): Promise<SettledLook> {
  const { schema, table, assetKey } = target;
  const { rows } = await client.text(
    {
      text: `WITH ${OWN} AS own, ${PAST} AS past SELECT own, ${NAMED}, countIf(${IS_UNSETTLED}), ${NEXT_PUBLISHED_AT}
      FROM system.tables WHERE database = {p2:String} AND name = {p3:String}`,
      parameters: [OWN_DATABASE, schema, table, assetKey],
    },
    FEW_ROWS,
  );
  const [[own, named, unsettled, publishedAt] = []] = rows;
  return { ...readLook(target, own, named), wasUnsettled: unsettled !== "0", publishedAt: publishedAt ?? "" };
}
