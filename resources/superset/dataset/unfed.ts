import { z } from "zod";
import type { SupersetClient } from "../client/client.ts";

const listed = z.object({
  id: z.number(),
  uuid: z.string().nullish(),
  table_name: z.string(),
  schema: z.string().nullish(),
  database: z.object({ database_name: z.string() }).nullish(),
});

/** A dataset that no asset feeds: people have made it, or its asset is gone. */
export interface UnfedDataset {
  readonly id: number;
  /** `database: schema.table` */
  readonly name: string;
}

/** All datasets but those with the given UUIDs, by name. */
export async function unfedDatasets(client: SupersetClient, fed: ReadonlySet<string>): Promise<UnfedDataset[]> {
  const all = await client.list("dataset", listed, {
    columns: ["uuid", "table_name", "schema", "database.database_name"],
  });
  return all
    .filter(({ uuid }) => uuid === null || uuid === undefined || !fed.has(uuid))
    .map(({ id, table_name, schema, database }) => ({
      id,
      name: `${database?.database_name ?? "?"}: ${[schema, table_name].filter((part) => part).join(".")}`,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
