import { nullWithoutTable } from "../errors.ts";
import type { Statement } from "../render_sql.ts";
import type { Client } from "./client.ts";
import { UndefinedColumnError, UndefinedRelationError } from "./errors.ts";

/**
 * Whether a table is there: by a look at it, and not into the catalog, because hyperd 0.0.26963 dies at times of a session
 * that reads the catalog while another one makes a table. Ends a transaction in which the table is missing.
 *
 * @param name Quoted name.
 */
export async function hasTable(client: Client, name: string): Promise<boolean> {
  return await succeeds(client, `SELECT 1 FROM ${name} LIMIT 0`);
}

/** The rows that a query finds; none where its table is missing, which also ends a transaction. */
export async function rowsIfThere(client: Client, query: Statement | string): Promise<(string | null)[][]> {
  return (await nullWithoutTable(client.text(query)))?.rows ?? [];
}

/** Whether all that a query names is there. */
export async function succeeds(client: Client, query: string): Promise<boolean> {
  try {
    await client.run(query);
    return true;
  } catch (error) {
    if (error instanceof UndefinedRelationError || error instanceof UndefinedColumnError) return false;
    throw error;
  }
}
