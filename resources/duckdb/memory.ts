import { literal } from "../quote.ts";
import type { Client } from "./client.ts";
import { isOutOfMemory } from "./errors.ts";

/**
 * Does what is a stream: without a limit the engine keeps what it has read and written, up to most of the memory. Done
 * again without the limit where it is too little, as for a few thousand of very wide rows.
 */
export async function withLimitedMemory<T>(client: Client, limit: string, act: () => Promise<T>): Promise<T> {
  const { rows } = await client.text("SELECT current_setting('memory_limit')");
  // Refused where more is held at the moment.
  await client.run(`SET memory_limit = ${literal(limit)}`).catch(() => undefined);
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

/** So little that all blocks go which no statement holds at the moment. */
const NO_BLOCKS = "32MB";

/** Gives back the memory of the blocks that the engine has written and keeps for whoever reads them. */
export async function forgetBlocks(client: Client): Promise<void> {
  const { rows } = await client.text("SELECT current_setting('memory_limit')");
  // What cannot go stays, and the engine says so.
  await client.run(`SET memory_limit = ${literal(NO_BLOCKS)}`).catch(() => undefined);
  await client.run(`SET memory_limit = ${literal(rows[0]?.[0] ?? "80%")}`);
}
