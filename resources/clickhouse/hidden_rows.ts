import type { Client } from "./client.ts";
import { HiddenRowsError } from "./errors.ts";
import { tableName } from "./quote.ts";

/** How often the rows are counted before those that are missing are taken for hidden. */
const LOOKS = 3;

/**
 * A row policy filters what is copied, so the rows that it hides would be missing. Rows that come or go between the two
 * counts are no sign of one: the first is the lower, or the next look tells.
 *
 * @param assetKey `schema/table`.
 * @param consequence What would become of them.
 * @throws HiddenRowsError
 */
export async function requireAllSeen(client: Client, assetKey: string, consequence: string): Promise<void> {
  let [stored, seen] = [0n, 0n];
  for (let look = 0; look < LOOKS; look += 1) {
    const { rows } = await client.text({
      // Patches are no rows of their own; rows that a lightweight DELETE has masked are still stored.
      text: `WITH (
          SELECT sum(rows) FROM system.parts
          WHERE active AND NOT startsWith(partition_id, 'patch-') AND database = {p1:String} AND table = {p2:String}
        ) AS stored
        SELECT stored, count() FROM ${tableName(assetKey)} SETTINGS apply_deleted_mask = 0, final = 0`,
      parameters: assetKey.split("/"),
    });
    [stored = 0n, seen = 0n] = (rows[0] ?? []).map((count) => BigInt(count ?? 0));
    if (seen >= stored) return;
  }
  throw new HiddenRowsError(
    `${assetKey}: a row policy hides rows from this user (it sees ${seen} of ${stored}), and ${consequence}. ` +
      `Nothing was published: let a permissive row policy of this user show all rows`,
  );
}
