import { setTimeout } from "node:timers/promises";
import { SupersetRefusedError } from "./client/errors.ts";

const TRIES = 4;
const WAIT_MS = 500;

/**
 * Makes an object that somebody else may make at the same time. The first ones of their kind in a new Superset, made at
 * once, are refused for no fault of theirs, over permissions that each of them would make: those are tried again.
 *
 * @param kind As Superset calls it where it says so.
 * @throws SupersetError of the last attempt
 */
export async function makeOnce<T>(
  kind: "Dataset" | "Database",
  make: () => Promise<T>,
  tryFind: () => Promise<T | undefined>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await make();
    } catch (error) {
      if (!(error instanceof SupersetRefusedError)) throw error;
      // What Superset says of one that is there is as little as when its table is missing.
      const other = await tryFind();
      if (other !== undefined) return other;
      if (attempt === TRIES || !error.said.startsWith(`${kind} could not be created`)) throw error;
      await setTimeout(WAIT_MS * (1 + Math.random()));
    }
  }
}
