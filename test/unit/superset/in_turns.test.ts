import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { inTurns } from "../../../resources/superset/in_turns.ts";

test("results come in the order of the items, with at most so many under way", async () => {
  let [now, most] = [0, 0];
  const results = await inTurns([30, 1, 20, 2, 10], 2, async (ms) => {
    most = Math.max(most, (now += 1));
    await wait(ms);
    now -= 1;
    return ms * 2;
  });
  expect(results).toEqual([60, 2, 40, 4, 20]);
  expect(most).toBe(2);
});

test("after an error nothing else is begun, and it is told when what was under way has ended", async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const work = inTurns([0, 1, 2, 3, 4, 5], 2, async (item) => {
    begun.push(item);
    await wait(item === 0 ? 1 : 20);
    if (item === 0) throw new Error("no");
    ended.push(item);
  });
  await expect(work).rejects.toThrow("no");
  expect({ begun, ended }).toEqual({ begun: [0, 1], ended: [1] });
});
