/** Reports hostile values from a seeded generator; the test makes the same ones expected on its side. */
import { writeFileSync } from "node:fs";

import { metadata, PipesArgumentError, runWithPipes, type JsonValue } from "../../../../pipes/index.ts";

const { seed, count, expectedPath } = JSON.parse(process.argv[2] ?? "") as {
  readonly seed: number;
  readonly count: number;
  readonly expectedPath: string;
};

const FRAGMENTS = [
  ...[
    "\n",
    "\r",
    "\r\n",
    "\u0000",
    "\u0085",
    "\u2028",
    "\u2029",
    "\u001c",
    "\ud800",
    "\udfff",
    "\ud83c\udf89",
    "\ufeff",
  ],
  ...['"', "\\", "\\u", "'", "{", "}", "[", "]", ",", ":", "</script>", "é", "\u202e", "\x7f", "\uffff", "%s", "{0}"],
  ...['{"__dagster_pipes_version":"0.1","method":"closed","params":{}}', "__proto__", "NaN", "null", "1e999", " "],
];
const KEYS = ["__proto__", "constructor", "toJSON", "toString", "raw_value", "type", "", "a", "hasOwnProperty", "then"];

let state = seed;
/** A linear congruential generator: the same values on every machine for one seed. */
function below(limit: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * limit);
}

function pick<T>(items: readonly T[]): T {
  const item = items[below(items.length)];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
}

function text(): string {
  return Array.from({ length: below(6) }, () =>
    below(3) === 0 ? String.fromCharCode(below(65_536)) : pick(FRAGMENTS),
  ).join("");
}

function key(): string {
  return below(2) === 0 ? pick(KEYS) : text();
}

function value(depth: number): JsonValue {
  switch (below(depth > 4 ? 6 : 8)) {
    case 0:
      return text();
    case 1:
      return below(1000) - 500;
    case 2:
      return (below(2000) - 1000) * 10 ** (below(40) - 20);
    case 3:
      return below(2) === 0;
    case 4:
      return null;
    case 5:
      return BigInt(below(1_000_000)) ** BigInt(below(12));
    case 6:
      return Array.from({ length: below(4) }, () => value(depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: below(4) }, (): [string, JsonValue] => {
          const name = key();
          // A function under this name would be called; any other value under it is data.
          return [name, value(depth + 1)];
        }),
      );
  }
}

/** What the other side should see: only lone surrogates change. */
function wellFormed(item: JsonValue): JsonValue {
  if (typeof item === "string") return item.toWellFormed();
  if (typeof item === "number" && Number.isInteger(item) && !Number.isSafeInteger(item)) return item;
  if (Array.isArray(item)) return (item as JsonValue[]).map(wellFormed);
  if (typeof item === "object" && item !== null) {
    return Object.fromEntries(
      Object.entries(item).map(([name, member]) => [name.toWellFormed(), wellFormed(member ?? null)]),
    );
  }
  return item;
}

/** JSON with exact integers, written by other means than those under test. */
function plainJson(item: JsonValue): string {
  return JSON.stringify(item, (_name, member: unknown) =>
    typeof member === "bigint"
      ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(member.toString())
      : member,
  );
}

const expected: string[] = [];
await runWithPipes((pipes) => {
  for (let index = 0; index < count; index += 1) {
    const payload = value(0);
    pipes.reportCustomMessage(payload);
    expected.push(plainJson(wellFormed(payload)));
    pipes.log.info(text());
    pipes.logExternalStream(pick(["stdout", "stderr"] as const), text(), { [key()]: text() });
    pipes.reportAssetCheck({
      checkName: text() || "check",
      passed: below(2) === 0,
      metadata: {
        [key()]: metadata.text(text()),
        [key()]: metadata.json({ held: value(1) }),
        [key()]: metadata.float((below(2000) - 1000) / 8),
        [key()]: metadata.md(text()),
        [key()]: below(1000),
      },
    });
    // What is refused must leave no trace in the channel.
    for (const refused of [Number.NaN, { f: () => 1 }, [undefined], new Map()]) {
      try {
        pipes.reportCustomMessage(refused as never);
        throw new Error("it was not refused");
      } catch (error) {
        if (!(error instanceof PipesArgumentError)) throw error;
      }
    }
  }
  pipes.reportAssetMaterialization({ dataVersion: `v${text()}`, metadata: { [text()]: text() } });
});
writeFileSync(expectedPath, `[${expected.join(",")}]`);
