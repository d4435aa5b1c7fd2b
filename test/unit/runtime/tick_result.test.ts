import { expect, test } from "vitest";
import {
  daily,
  date,
  defineAsset,
  defineSchedule,
  defineSensor,
  hourly,
  type RunRequest,
  staticKeys,
  type TableRef,
  timestamp,
  twoDimensional,
  z,
} from "../../../definitions/index.ts";
import { testSchedule, testSensor } from "../../../runtime/testing.ts";

const columns = z.strictObject({ day: date(), at: timestamp(), kind: z.string() });
const body = { async *rows() {} };
const base = { description: "x", columns, body };
const byDay = defineAsset("a/by_day", { ...base, partitions: daily("day", { start: "2017-01-01" }) });
const byHour = defineAsset("a/by_hour", { ...base, partitions: hourly("at", { start: "2017-01-01-00:00" }) });
const byKind = defineAsset("a/by_kind", { ...base, partitions: staticKeys("kind", ["new", "old"]) });
const byCell = defineAsset("a/by_cell", {
  ...base,
  partitions: twoDimensional(daily("day", { start: "2017-01-01" }), staticKeys("kind", ["new", "old"])),
});
const plain = defineAsset("a/plain", base);
const stranger = defineAsset("a/stranger", base);

const cursor = z.strictObject({ id: z.int() });

/** What comes of a tick that returns this; from plain JavaScript it may be anything. */
async function returning(value: unknown, assets: readonly TableRef[] = [plain]): ReturnType<typeof testSensor> {
  const evaluate = (): object => value as object;
  return await testSensor(defineSensor("a/sensor", { description: "x", assets, cursor, evaluate }));
}

test.each<[string, unknown, RegExp]>([
  ["nothing", undefined, /expected object, received undefined/],
  ["null", null, /received null/],
  ["a text", "run please", /received string/],
  ["a list", [], /received array/],
  ["an unknown property", { run: [] }, /[Uu]nrecognized key: "run"/],
  ["runs that are no list", { runs: {} }, /runs: .*expected array/],
  ["a run that is no object", { runs: ["now"] }, /runs\[0\]: .*expected object/],
  ["an unknown form of partitions", { runs: [{ partitions: "2017-01-01" }] }, /[Uu]nrecognized key: "partitions"/],
  ["an empty run key", { runs: [{ runKey: "" }] }, /runs\[0\]\.runKey/],
  ["a run key that is a number", { runs: [{ runKey: 1 }] }, /runs\[0\]\.runKey: .*expected string/],
  ["two runs with one key", { runs: [{ runKey: "a" }, { runKey: "a" }] }, /two have the runKey "a"/],
  ["runs and a reason to skip", { runs: [{}], skip: "x" }, /skip: there are runs/],
  ["an asset that is none", { runs: [{ assets: ["a/plain"] }] }, /expected an asset/],
  ["an asset of others", { runs: [{ assets: [stranger] }] }, /"a\/stranger" is none of the assets of the sensor/],
  ["no assets at all", { runs: [{ assets: [] }] }, /runs\[0\]\.assets/],
  ["a partition of an asset without", { runs: [{ partitionKey: "x" }] }, /partitionKey: a\/plain have no partitions/],
  ["tags that are no texts", { runs: [{ tags: { a: 1 } }] }, /runs\[0\]\.tags\.a/],
  ["configuration that is not JSON", { runs: [{ runConfig: { a: () => 1 } }] }, /runs\[0\]\.runConfig/],
  ["a cursor of another shape", { cursor: { id: "1" } }, /cursor: id: .*expected number/],
  ["a cursor that is null", { cursor: null }, /cursor: /],
  ["a cursor that JSON does not know", { cursor: { id: 1n } }, /cursor: does not survive JSON/],
  ["partitions to add without a list", { addPartitions: [{ keys: ["a"] }] }, /addPartitions\[0\]\.list/],
  [
    "an empty partition to delete",
    { deletePartitions: [{ list: "a", keys: [""] }] },
    /deletePartitions\[0\]\.keys\[0\]/,
  ],
])("%s is an error", async (_what, value, message) => {
  await expect(returning(value)).rejects.toMatchObject({
    code: "bad_tick_result",
    message: expect.stringMatching(message) as string,
  });
});

test.each<[string, RunRequest, RegExp]>([
  ["no partition", {}, /a\/by_day has partitions: expected/],
  ["two forms", { partitionKey: "2017-01-01", partitionKeys: ["2017-01-02"] }, /partitionKey and partitionKeys/],
  ["no keys", { partitionKeys: [] }, /partitionKeys/],
  ["a day that is none", { partitionKey: "2017-02-30" }, /"2017-02-30" is no partition of a\/by_day/],
  ["an hour", { partitionKey: "2017-01-01-00:00" }, /expected a day/],
  ["a hostile key", { partitionKeys: ["2017-01-01", "'; DROP TABLE x"] }, /is no partition of a\/by_day/],
  ["a range that ends before", { partitionRange: { start: "2017-01-02", end: "2017-01-01" } }, /is before 2017-01-02/],
])("of an asset by day, %s is an error", async (_what, run, message) => {
  await expect(returning({ runs: [run] }, [byDay])).rejects.toThrow(message);
});

test("what the definition alone says of a partition is checked", async () => {
  const run = { runs: [{ partitionKey: "2017-01-01-24:00" }] };
  await expect(returning(run, [byHour])).rejects.toThrow(/expected an hour/);
  await expect(returning({ runs: [{ partitionKey: "2017-11-05-01:00-0500" }] }, [byHour])).resolves.toBeDefined();
  await expect(returning({ runs: [{ partitionKey: "newest" }] }, [byKind])).rejects.toThrow(/one of new, old/);
});

test.each<[string, RunRequest, RegExp | null]>([
  ["a cell", { partitionKey: "2017-01-01|new" }, null],
  ["cells", { partitionKeys: ["2017-01-01|new", "2017-01-05|old"] }, null],
  ["a range of cells", { partitionRange: { start: "2017-01-01|old", end: "2017-01-01|old" } }, null],
  ["a day", { partitionKey: "2017-01-01" }, /"2017-01-01" is no partition of a\/by_cell: expected a time and a key/],
  ["a day that is none", { partitionKey: "2017-02-30|new" }, /expected a day/],
  ["another key", { partitionKey: "2017-01-01|newest" }, /expected one of new, old/],
  ["three parts", { partitionKey: "2017-01-01|new|old" }, /TIME\|KEY/],
  ["the key first", { partitionKey: "new|2017-01-01" }, /expected a day/],
  [
    "a range that ends before",
    { partitionRange: { start: "2017-01-02|new", end: "2017-01-01|old" } },
    /is before 2017-01-02/,
  ],
])("of an asset with two dimensions, %s: %o is told apart", async (_what, run, message) => {
  const ticked = returning({ runs: [run] }, [byCell]);
  if (message === null) await expect(ticked).resolves.toBeDefined();
  else await expect(ticked).rejects.toThrow(message);
});

test("all that is wrong is said at once", async () => {
  const value = { runs: [{ assets: [stranger] }, { partitionKey: "x" }], cursor: { id: null } };
  await expect(returning(value)).rejects.toThrow(/a\/stranger.*no partitions.*cursor/s);
});

test("a whole result arrives as it was returned", async () => {
  const value = {
    runs: [
      { runKey: "1", assets: [byDay], partitionRange: { start: "2017-01-01", end: "2017-01-03" }, tags: { a: "b" } },
      { assets: [plain], runConfig: { ops: { x: { config: { full: true } } } } },
    ],
    cursor: { id: 7 },
    addPartitions: [{ list: "stores", keys: ["a", "b"] }],
  };
  expect(await returning(value, [byDay, plain])).toEqual({
    runs: [
      {
        runKey: "1",
        assets: ["a/by_day"],
        partitionKeys: null,
        partitionRange: { start: "2017-01-01", end: "2017-01-03" },
        tags: { a: "b" },
        runConfig: {},
      },
      {
        runKey: null,
        assets: ["a/plain"],
        partitionKeys: null,
        partitionRange: null,
        tags: {},
        runConfig: { ops: { x: { config: { full: true } } } },
      },
    ],
    skip: null,
    cursor: { id: 7 },
    log: [],
    addPartitions: [{ list: "stores", keys: ["a", "b"] }],
    deletePartitions: [],
  });
});

test("a tick without a cursor of its own leaves the cursor as it was", async () => {
  const sensor = defineSensor("a/sensor", {
    description: "x",
    assets: [plain],
    cursor,
    evaluate: ({ cursor: last, log }) => {
      log.warning(`at ${last?.id ?? 0}`);
      return last === null ? { cursor: { id: 1 } } : { skip: "nothing new" };
    },
  });
  const first = await testSensor(sensor);
  const second = await testSensor(sensor, { cursor: first.cursor });
  expect(second).toMatchObject({
    skip: "nothing new",
    cursor: { id: 1 },
    log: [{ level: "warning", message: "at 1" }],
  });
});

test("a stored cursor that the sensor no longer declares is an error that says what to do", async () => {
  const sensor = defineSensor("a/sensor", { description: "x", assets: [plain], cursor, evaluate: () => ({}) });
  const stored = { offset: 3 } as unknown as { id: number };
  await expect(testSensor(sensor, { cursor: stored })).rejects.toMatchObject({
    code: "bad_stored_cursor",
    message: expect.stringMatching(/empty the cursor in Dagster/) as string,
  });
});

test("a cursor of a sensor that declares none is an error", async () => {
  const evaluate = (): object => ({ cursor: { id: 1 } });
  const sensor = defineSensor("a/sensor", { description: "x", assets: [plain], evaluate });
  await expect(testSensor(sensor)).rejects.toThrow(/cursor: the sensor declares none/);
});

test("a definition with faults is not tested as if it had none", async () => {
  const sensor = defineSensor("a/faulty", { description: "", assets: [plain], evaluate: () => ({}) });
  await expect(testSensor(sensor)).rejects.toMatchObject({ code: "faulty_definition" });
});

test("a schedule is told its time, and may not return a cursor", async () => {
  const schedule = defineSchedule("a/schedule", {
    description: "x",
    cron: "@daily",
    assets: [byDay],
    evaluate: ({ scheduledAt }) => ({ runs: [{ partitionKey: scheduledAt.toISOString().slice(0, 10) }] }),
  });
  const scheduledAt = new Date("2017-01-05T00:00:00Z");
  expect((await testSchedule(schedule, { scheduledAt })).runs).toMatchObject([{ partitionKeys: ["2017-01-05"] }]);
  const wrong = defineSchedule("a/wrong", {
    description: "x",
    cron: "@daily",
    assets: [byDay],
    evaluate: () => ({ cursor: 1 }) as object,
  });
  await expect(testSchedule(wrong, { scheduledAt })).rejects.toThrow(/[Uu]nrecognized key: "cursor"/);
});
