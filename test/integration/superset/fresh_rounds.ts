import { expect } from "vitest";
import { chartData } from "../../../resources/superset/chart_data.ts";
import type { SupersetClient } from "../../../resources/superset/client/client.ts";
import type { Shop } from "./shop.ts";

/** Rounds of publish, sync and warm, with a reader who never stops asking. */
export interface FreshRounds {
  readonly client: SupersetClient;
  readonly shop: Shop;
  readonly rounds: number;
  /** Warms, and expects that it can. */
  readonly warm: () => Promise<void>;
}

/**
 * Publishes other rows again and again, and holds every answer that is asked for after the sync to be of the new rows, and
 * every one after warming to come from the cache. A reader asks all the time, so that answers of old rows are on their way
 * while the rows change.
 *
 * @returns how many answers the reader got
 */
export async function holdFresh({ client, shop, rounds, warm }: FreshRounds): Promise<number> {
  const ask = (): ReturnType<typeof chartData> => chartData(client, shop.revenueQuery());
  const over = new AbortController();
  let answers = 0;
  const reading = (async () => {
    for (; !over.signal.aborted; answers += 1) await ask();
  })();
  try {
    for (let round = 2; round < rounds + 2; round += 1) {
      const revenue = await shop.publish(round);
      await shop.sync(round);
      expect((await ask()).data, `round ${round}, after the sync`).toEqual([[{ revenue }]]);
      await warm();
      expect(await ask(), `round ${round}, warm`).toMatchObject({ isCached: true, data: [[{ revenue }]] });
    }
  } finally {
    over.abort();
    await reading;
  }
  return answers;
}
