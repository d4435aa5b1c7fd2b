import { literal } from "../quote.ts";
import type { Client } from "./client.ts";
import { isOutOfMemory } from "./errors.ts";

/**
 * Does what is a stream: without a limit the engine keeps what it has read and written, up to most of the memory. Done
 * again without the limit where it is too little, as for a few thousand of very wide rows.
 */
export async function withLimitedMemory<T>(client: Client, limit: string, act: () => Promise<T>): Promise<T> {
  const { rows } = await client.text("SELECT current_setting('memory_limit')");
  await client.run(`SET memory_limit = ${literal(limit)}`);
  // DuckDB 1.5.5 shows the default after a RESET, but keeps to the limit.
  const lift = (): Promise<void> => client.run(`SET memory_limit = ${literal(rows[0]?.[0] ?? "80%")}`);
  try {
    return await act();
  } catch (error) {
    if (!isOutOfMemory(error)) throw error;
    await lift();
    return await act();
  } finally {
    await lift();
  }
}
