import { expect, test } from "vitest";
import { isoText } from "../../../resources/instant_text.ts";

test("an instant is written as toISOString writes it, whatever its year", () => {
  const farthest = 8_640_000_000_000_000;
  const instants = [0, -1, 1, 999, -999, 86_399_999, -86_400_001, 1_483_228_800_000, farthest, -farthest, 1 - farthest];
  // Years before 1 and after 9999 among them; a fixed step, so that a failure can be repeated.
  for (let ms = -farthest; ms < farthest; ms += 1_728_000_123_457) instants.push(ms);
  expect(instants.filter((ms) => isoText(new Date(ms)) !== new Date(ms).toISOString())).toEqual([]);
});

test("an invalid date is refused as toISOString refuses it", () => {
  expect(() => isoText(new Date(Number.NaN))).toThrow(RangeError);
});
