import type { Attempt } from "../store.ts";
import type { Client } from "./client.ts";

/** A statement that is about to start does not hear an interrupt: it is repeated. */
const INTERRUPT_EVERY_MS = 50;

/**
 * Does something with a client; when the run is terminated meanwhile, the running statement ends.
 *
 * @throws what the signal was aborted with, rather than that a statement was interrupted
 */
export async function interruptible<T>(
  client: Client,
  { signal }: Pick<Attempt, "signal">,
  act: (client: Client) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  let timer: NodeJS.Timeout | undefined;
  const interrupt = (): void => {
    client.connection.interrupt();
    timer = setTimeout(interrupt, INTERRUPT_EVERY_MS);
  };
  signal.addEventListener("abort", interrupt, { once: true });
  try {
    return await act(client);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", interrupt);
    clearTimeout(timer);
  }
}
