import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Manifest } from "../../../definitions/manifest_schema.ts";
import { planFirstRun } from "../../../ops/start/first_run.ts";
import { buildManifest } from "../../../runtime/build_manifest.ts";

type ManifestAsset = Manifest["assets"][number];
const NOW = new Date("2026-01-01T12:00:00Z");
let folder: string;
let file: string;
let manifest: Manifest;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "first-run-"));
  file = join(folder, "manifest.json");
  manifest = await buildManifest(process.cwd());
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const days = { kind: "daily", column: "at", start: "2017-01-01", end: "2018-01-02", timezone: "UTC" } as const;

/** Assets like one of the reference graph, with these partitions each. */
function plan(
  partitions: Readonly<Record<string, Partial<ManifestAsset>>>,
  now = NOW,
  without: readonly string[] = [],
): ReturnType<typeof planFirstRun> {
  const [one] = manifest.assets;
  if (one === undefined) throw new TypeError("the graph is empty");
  const assets = Object.entries(partitions).map(([name, own]) => ({ ...one, key: ["a", name], ...own }));
  writeFileSync(file, JSON.stringify({ ...manifest, assets }));
  expect(readFileSync(file, "utf8")).toContain('"assets"');
  return planFirstRun(file, now, without);
}

test("without partitions everything is selected", () => {
  expect(plan({ x: { partitions: null }, y: { partitions: null } })).toEqual({
    selection: "*",
    partitionRange: undefined,
    left: [],
  });
});

test("what is not to run is not selected, and not told of as left", () => {
  expect(plan({ x: { partitions: null }, y: { partitions: null } }, NOW, ["a/y"])).toEqual({
    selection: 'key:"a/x"',
    partitionRange: undefined,
    left: [],
  });
});

test("assets with the same partitions, by whichever column, are one range from the first to the last", () => {
  expect(
    plan({ x: { partitions: days }, y: { partitions: { ...days, column: "day" } }, z: { partitions: null } }),
  ).toEqual({ selection: "*", partitionRange: "2017-01-01...2018-01-01", left: [] });
});

test("a day that has not ended is left out: by the clock of the source, and by the clock here", () => {
  const until = (now: string): string | undefined => plan({ x: { partitions: days } }, new Date(now)).partitionRange;
  expect(until("2017-06-01T00:00:00Z")).toBe("2017-01-01...2017-05-31");
  expect(until("2017-06-01T23:59:59Z")).toBe("2017-01-01...2017-05-31");
  expect(until("2017-01-01T12:00:00Z")).toBeUndefined();
  const open = { ...days, end: null, start: "2025-12-30" };
  expect(plan({ x: { partitions: open } }).partitionRange).toBe("2025-12-30...2025-12-31");
});

test("what has other partitions, or several runs, is left and named", () => {
  const weeks = { ...days, kind: "weekly" } as const;
  const planned = plan({
    x: { partitions: days },
    y: { partitions: days },
    z: { partitions: weeks },
    keys: { partitions: { kind: "static", column: "c", keys: ["k"] } },
    cut: { partitions: days, max_partitions_per_run: 30 },
    whole: { partitions: null },
  });
  expect(planned).toEqual({
    selection: 'key:"a/whole" or key:"a/x" or key:"a/y"',
    partitionRange: "2017-01-01...2018-01-01",
    left: ["a/z", "a/keys", "a/cut"],
  });
});
