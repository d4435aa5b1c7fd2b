import { describe, expect, it } from "vitest";
import { LONE_TEXTS, rowsBetween, SHAPE } from "./hostile_rows.ts";
import { KINDS, newTarget, PAIRS, Stores, valuesOf } from "./stores.ts";

const stores = Stores.forThisFile();

describe.each(PAIRS)("from $from.name to $to.name", ({ from, to }) => {
  it("every type and every value arrives as it was", async () => {
    const rows = rowsBetween(from, to);
    const source = newTarget(SHAPE);
    await stores.make(from, source, valuesOf(from, source, rows));
    expect(await stores.rows(from, source), "the source").toEqual(rows);
    const copied = newTarget(SHAPE);
    await stores.copy(to, copied, { format: "asset", target: source, store: from });
    expect(await stores.rows(to, copied)).toEqual(rows);
  });

  it.each(LONE_TEXTS.map((texts) => [JSON.stringify(texts), texts] as const))(
    "texts %s that are all of a row arrive",
    async (_, texts) => {
      expect(await stores.copyTexts(from, to, texts)).toEqual([...texts].sort());
    },
  );
});

it("has a pair for every two stores", () => {
  expect(PAIRS).toHaveLength(KINDS.length * (KINDS.length - 1));
});
