import { expect, test } from "vitest";
import { assetFile, createProject } from "./project.ts";

const columns = "columns: d.z.strictObject({ id: d.z.int32(), day: d.date(), kind: d.z.string() })";
const asset = (key: string, extra = ""): string =>
  assetFile(key, `${columns}, ${extra} body: { async *rows() {} }`, "").replaceAll("\n\n", "\n");
const define = (name: "defineSensor" | "defineSchedule", key: string, options: string, imports = ""): string =>
  `import { ${name} } from "dagster-typescript";\n${imports}\n${name}("${key}", { description: "A test.", ${options} });\n`;

const ASSETS = {
  "assets/a/plain.ts": asset("a/plain"),
  "assets/a/by_day.ts": asset("a/by_day", `partitions: d.daily("day", { start: "2017-01-01" }),`),
  "assets/a/by_hour.ts": asset("a/by_hour", `partitions: d.weekly("day", { start: "2017-01-01" }),`),
  "assets/a/by_kind.ts": asset("a/by_kind", `partitions: d.staticKeys("kind", ["x"]),`),
};
const plain = `import { plain } from "./plain.ts";`;

test("sensors and schedules are in the manifest, with their defaults and their place", async () => {
  const project = createProject({
    ...ASSETS,
    "assets/a/inbox.ts": define(
      "defineSensor",
      "a/inbox",
      `assets: [plain], watches: [by_day], timeout: "5s", tags: { a: "b" }, evaluate: () => ({})`,
      `${plain}\nimport { by_day } from "./by_day.ts";`,
    ),
    "assets/a/nightly.ts": define("defineSchedule", "a/nightly", `assets: [plain], cron: "@daily"`, plain),
    "assets/a/both.ts":
      define("defineSensor", "a/one", `assets: [plain], every: "2m", evaluate: () => ({})`, plain) +
      define(
        "defineSchedule",
        "a/two",
        `assets: [again], cron: "@daily", timezone: "Europe/Berlin", defaultStatus: "stopped", evaluate: () => ({})`,
        `import { plain as again } from "./plain.ts";`,
      ),
  });
  const { manifest, code } = await project.manifest();
  expect(manifest.faults).toEqual([]);
  expect(code).toBe(0);
  const shared = { description: "A test.", assets: [["a", "plain"]], default_status: "running", tags: {} };
  expect(manifest.sensors).toEqual([
    {
      ...shared,
      key: ["a", "inbox"],
      interval_seconds: 30,
      timeout_seconds: 5,
      tags: { a: "b" },
      watches: [["a", "by_day"]],
      sources: [{ file: "assets/a/inbox.ts", line: 4 }],
    },
    {
      ...shared,
      key: ["a", "one"],
      interval_seconds: 120,
      timeout_seconds: 20,
      watches: [],
      sources: [{ file: "assets/a/both.ts", line: 3 }],
    },
  ]);
  expect(manifest.schedules).toMatchObject([
    { ...shared, key: ["a", "nightly"], cron: "@daily", timezone: "UTC", partitions: "latest", checks_only: false },
    { ...shared, key: ["a", "two"], timezone: "Europe/Berlin", partitions: null, default_status: "stopped" },
  ]);
});

test("all that is wrong with them is reported with file and line, and hides nothing else", async () => {
  const project = createProject({
    ...ASSETS,
    "assets/a/good.ts": define("defineSensor", "a/good", "assets: [plain], evaluate: () => ({})", plain),
    "assets/a/unlike.ts": define("defineSensor", "a/other", "assets: [plain], evaluate: () => ({})", plain),
    "assets/a/taken.ts": define("defineSchedule", "a/plain", `assets: [plain], cron: "@daily"`, plain),
    "assets/a/nowhere.ts": define(
      "defineSensor",
      "a/nowhere",
      `assets: [{ kind: "table", assetKey: "a/lost" }], evaluate: () => ({})`,
    ),
    "assets/a/bad_cron.ts": define("defineSchedule", "a/bad_cron", `assets: [plain], cron: "daily"`, plain),
    "assets/a/mixed.ts": define(
      "defineSchedule",
      "a/mixed",
      `assets: [by_day, by_hour], cron: "@daily"`,
      `import { by_day } from "./by_day.ts";\nimport { by_hour } from "./by_hour.ts";`,
    ),
    "assets/a/no_times.ts": define(
      "defineSchedule",
      "a/no_times",
      `assets: [by_kind], cron: "@daily"`,
      `import { by_kind } from "./by_kind.ts";`,
    ),
    "assets/a/late.ts": define(
      "defineSensor",
      "a/late",
      `assets: [by_day], ...lateData({ source: plain, time: "day", arrived: "day" })`,
      `${plain}\nimport { by_day } from "./by_day.ts";\nimport { lateData } from "dagster-typescript/sensors";`,
    ),
    "assets/a/throws.ts": define(
      "defineSensor",
      "a/throws",
      `assets: [plain], evaluate: (() => { throw 1; })()`,
      plain,
    ),
    "assets/a/of_faulty.ts": define(
      "defineSensor",
      "a/of_faulty",
      `assets: [{ kind: "table", assetKey: "a/throws" }], evaluate: () => ({})`,
    ),
  });
  const { manifest, code, stderr } = await project.manifest();
  expect(code).toBe(1);
  const found = manifest.faults.map(({ code: fault, file, line, message }) => `${fault} ${file}:${line} ${message}`);
  const expected = [
    /^bad_option assets\/a\/bad_cron\.ts:3 cron: "daily" is no cron schedule/,
    /^bad_option assets\/a\/late\.ts:5 a\/by_day reads neither the source a\/plain nor another of the assets/,
    /^bad_option assets\/a\/mixed\.ts:4 a\/by_day and a\/by_hour have different partitions/,
    /^bad_option assets\/a\/no_times\.ts:3 the partitions of a\/by_kind are no times: expected partitions: "all"/,
    /^unknown_reference assets\/a\/nowhere\.ts:3 names "a\/lost"/,
    /^key_unlike_path assets\/a\/taken\.ts:3 /,
    /^duplicate_key assets\/a\/taken\.ts:3 key "a\/plain" is defined at assets\/a\/plain\.ts/,
    /^import_failed assets\/a\/throws\.ts:\d+ /,
    /^key_unlike_path assets\/a\/unlike\.ts:3 key "a\/other" is unlike the file's path/,
  ];
  for (const pattern of expected)
    expect(
      found.some((text) => pattern.test(text)),
      `${pattern}\n${found.join("\n")}`,
    ).toBe(true);
  expect(found).toHaveLength(expected.length);
  expect(manifest.sensors.map(({ key }) => key[1])).toEqual(["good", "of_faulty"]);
  expect(stderr).toContain("assets/a/bad_cron.ts:3: a/bad_cron: ");
});
