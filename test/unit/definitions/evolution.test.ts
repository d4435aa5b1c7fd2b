import { expect, test } from "vitest";
import { type AssetOptions, z } from "../../../definitions/index.ts";
import type { Shape } from "../../../definitions/asset.ts";
import { validate } from "../../../definitions/validate.ts";

test("a break names what happened to a column and why, and a deprecation a day", () => {
  const options = {
    description: "A test.",
    columns: z.strictObject({ id: z.int(), note: z.string().nullable() }),
    body: { rows: () => [] },
    breaks: [
      { column: "gone", change: "removed", because: "agreed" },
      { column: "note", change: "nullable", because: "agreed" },
      { column: "id", change: "removed", because: "agreed" },
      { column: "nowhere", change: "retyped", because: "agreed" },
      { column: "id", change: "nullable", because: "agreed" },
      { column: "id", change: "renamed", because: "agreed" },
      { column: "id", change: "retyped", because: " " },
      { column: "gone", change: "removed", because: "twice" },
    ],
    deprecated: { on: "next year", replacedBy: "a/b_v2" },
  } as unknown as AssetOptions<Shape>;
  const { faults } = validate("a/b", options, { file: "b.ts", line: 1 });
  expect(faults.map(({ message }) => message)).toEqual([
    'breaks: column "id" is not removed: the asset has it',
    'breaks: column "nowhere" is none of the asset: say "removed", or name one of its columns',
    'breaks: column "id" is not nullable',
    expect.stringContaining("expected a change of removed, retyped, nullable"),
    'breaks: column "id": because: say why, and who agreed',
    'breaks: column "gone" is removed twice',
    'deprecated: on "next year" is no day, YYYY-MM-DD',
  ]);
});
