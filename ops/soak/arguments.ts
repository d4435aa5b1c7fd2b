import { STORE_NAMES, type StoreName } from "../../test/integration/stores/open_store.ts";

/**
 * The stores that were asked for, all of them when none was.
 *
 * @throws Error when there is none of a name
 */
export function readStores(names: readonly string[] | undefined): readonly StoreName[] {
  const unknown = names?.find((name) => !STORE_NAMES.some((known) => known === name));
  if (unknown !== undefined) throw new Error(`No store "${unknown}"; there are ${STORE_NAMES.join(", ")}`);
  return STORE_NAMES.filter((name) => names === undefined || names.includes(name));
}

/** The options of a soak that does something so many times. */
export const TIMES = { times: { type: "string", default: "100" } } as const;

/** @throws Error when it is no whole number from 1 on */
export function readTimes({ times }: { readonly times: string }): number {
  const count = Number(times);
  if (!Number.isInteger(count) || count < 1) throw new Error("--times takes a whole number");
  return count;
}

/** Says what went wrong with a store; the soak goes on with the others, and fails in the end. */
export function soakFailed(store: StoreName, error: unknown): void {
  console.error(`${store}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.exitCode = 1;
}
