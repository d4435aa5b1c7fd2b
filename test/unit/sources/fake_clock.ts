import type { Clock } from "../../../resources/sources/index.ts";

/** A clock on which waiting takes no time; it remembers the waits. */
export interface FakeClock extends Clock {
  readonly sleeps: readonly number[];
}

export function fakeClock(options: { readonly now?: string; readonly random?: number } = {}): FakeClock {
  const sleeps: number[] = [];
  let nowMs = Date.parse(options.now ?? "2017-06-01T00:00:00Z");
  return {
    sleeps,
    now: () => nowMs,
    random: () => options.random ?? 0,
    sleep: (ms, signal) => {
      signal.throwIfAborted();
      sleeps.push(ms);
      nowMs += ms;
      return Promise.resolve();
    },
  };
}
