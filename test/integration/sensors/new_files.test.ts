import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { z } from "zod";
import type { LastPublish } from "../../../definitions/tick.ts";
import { daily, date, defineAsset, defineSensor, dynamicKeys, z as zod } from "../../../definitions/index.ts";
import { newFiles, type NewFilesCursor, type NewFilesOptions } from "../../../resources/sensors/index.ts";
import { testSensor, type TestSensorTick } from "../../../runtime/testing.ts";

const base = {
  description: "x",
  columns: zod.strictObject({ day: date(), store: zod.string() }),
  body: { async *rows() {} },
};
const whole = defineAsset("shop/whole", base);
const byDay = defineAsset("shop/by_day", { ...base, partitions: daily("day", { start: "2017-01-01" }) });
const byStore = defineAsset("shop/by_store", { ...base, partitions: dynamicKeys("store", "stores") });

type Tick = TestSensorTick<z.input<NewFilesCursor>>;
type Options = Partial<Omit<NewFilesOptions, "folder" | "objects">>;

/** An inbox that is looked into every 30 seconds; files are written the moment before a tick. */
class Inbox {
  readonly projectDir = mkdtempSync(join(tmpdir(), "inbox-"));
  readonly folder = join(this.projectDir, "inbox");
  #last: Tick | undefined;
  #now = new Date("2017-06-01T00:00:00Z");
  readonly #options: Options;
  readonly #asset: typeof whole;

  constructor(options: Options = {}, asset: typeof whole = whole) {
    this.#options = options;
    this.#asset = asset;
    mkdirSync(this.folder);
    onTestFinished(() => {
      rmSync(this.projectDir, { recursive: true, force: true });
    });
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** @param agoSeconds How long before the next tick it was written. */
  write(name: string, text: string, agoSeconds = 3_600): void {
    mkdirSync(join(this.path(name), ".."), { recursive: true });
    writeFileSync(this.path(name), text);
    this.touch(name, agoSeconds);
  }

  touch(name: string, agoSeconds: number): void {
    const at = (this.#now.getTime() + 30_000) / 1000 - agoSeconds;
    utimesSync(this.path(name), at, at);
  }

  async tick(afterSeconds = 30): Promise<Tick> {
    this.#now = new Date(this.#now.getTime() + afterSeconds * 1000);
    const sensor = defineSensor("shop/inbox", {
      description: "x",
      assets: [this.#asset],
      ...newFiles({ folder: "inbox", ...this.#options }),
    });
    const { projectDir } = this;
    const publishes = Object.entries(this.published).map(
      ([key, startedAt]) => [key, { runId: "a run", startedAt, publishedAt: startedAt }] as const,
    );
    const lastPublishes = (): Promise<Map<string, LastPublish>> => Promise.resolve(new Map(publishes));
    const cursor = this.#last?.cursor ?? null;
    this.#last = await testSensor(sensor, { cursor, now: this.#now, projectDir, lastPublishes });
    return this.#last;
  }

  /** When runs began that published partitions. */
  published: Readonly<Record<string, string>> = {};

  forget(): void {
    this.#last = undefined;
  }
}

const day = ({ name }: { readonly name: string }): string => name.slice(0, 10);

test("a file is loaded at the next tick, and not again", async () => {
  const inbox = new Inbox();
  expect(await inbox.tick()).toMatchObject({ runs: [], skip: expect.stringMatching(/no new file among 0/) as string });
  inbox.write("a.csv", "1");
  expect((await inbox.tick()).runs).toHaveLength(1);
  expect((await inbox.tick()).runs).toEqual([]);
  inbox.write("b.csv", "2");
  expect((await inbox.tick()).log).toContainEqual({ level: "info", message: "New: b.csv" });
});

test("the files of many days are one run with the partitions that they belong to", async () => {
  const inbox = new Inbox({ partition: day }, byDay);
  inbox.write("2017-01-02.csv", "b");
  inbox.write("2017-01-01.csv", "a");
  inbox.write("2017-01-01_more.csv", "c");
  expect((await inbox.tick()).runs).toMatchObject([{ partitionKeys: ["2017-01-01", "2017-01-02"] }]);
});

test("the file of a day that is not over yet waits for its end, and holds no other up", async () => {
  const inbox = new Inbox({ partition: day }, byDay);
  inbox.write("2017-06-01.csv", "today");
  inbox.write("2017-05-31.csv", "yesterday");
  expect((await inbox.tick()).runs).toMatchObject([{ partitionKeys: ["2017-05-31"] }]);
  const waiting = await inbox.tick();
  expect(waiting).toMatchObject({ runs: [], skip: expect.stringMatching(/; 1 of partitions that are not over yet$/) as string }); // prettier-ignore
  expect(waiting.log).toContainEqual({
    level: "info",
    message: "2017-06-01.csv waits: its partition 2017-06-01 is not over yet",
  });
  expect((await inbox.tick(86_400)).runs).toMatchObject([{ partitionKeys: ["2017-06-01"] }]);
  expect((await inbox.tick()).runs).toEqual([]);
});

test("at first, what a backfill has loaded since it came is left out; what came later, or changes, is not", async () => {
  const inbox = new Inbox({ partition: day }, byDay);
  for (const name of ["2017-01-01.csv", "2017-01-02.csv", "2017-01-03.csv"]) inbox.write(name, name);
  inbox.published = { "2017-01-01": "2999-01-01T00:00:00.000000Z", "2017-01-02": "2017-01-02T00:00:00.000000Z" };
  const first = await inbox.tick();
  expect(first.runs).toMatchObject([{ partitionKeys: ["2017-01-02", "2017-01-03"] }]);
  expect(JSON.stringify(first.log)).toContain("began after they came: 2017-01-01.csv");
  expect((await inbox.tick()).runs).toEqual([]);
  inbox.write("2017-01-01.csv", "corrected");
  expect((await inbox.tick()).runs).toMatchObject([{ partitionKeys: ["2017-01-01"] }]);
});

test("a file that somebody is writing waits until nobody does", async () => {
  const inbox = new Inbox();
  inbox.write("a.csv", "half", 3);
  expect(await inbox.tick()).toMatchObject({
    runs: [],
    skip: expect.stringMatching(/1 may not be whole yet/) as string,
  });
  appendFileSync(inbox.path("a.csv"), " and more");
  inbox.touch("a.csv", 1);
  expect((await inbox.tick()).runs).toEqual([]);
  expect((await inbox.tick()).runs).toHaveLength(1);
});

test("a file from the future, by a clock that is ahead, is whole once it has stayed the same", async () => {
  const inbox = new Inbox();
  inbox.write("a.csv", "1", -86_400);
  expect((await inbox.tick()).runs).toEqual([]);
  appendFileSync(inbox.path("a.csv"), "2");
  inbox.touch("a.csv", -86_400);
  expect((await inbox.tick()).runs).toEqual([]);
  expect((await inbox.tick()).runs).toHaveLength(1);
  expect((await inbox.tick()).runs).toEqual([]);
});

test("a clock that is put back delays a file and loses none", async () => {
  const inbox = new Inbox();
  inbox.write("a.csv", "1", -86_400);
  await inbox.tick();
  expect((await inbox.tick(-7_200)).runs).toEqual([]);
  expect((await inbox.tick()).runs).toHaveLength(1);
  expect((await inbox.tick(-7_200)).runs).toEqual([]);
});

test("a file that vanishes between the listing and the reading is none, and hides no other", async () => {
  const inbox: Inbox = new Inbox(
    {
      partition: (file) => {
        if (file.name === "2017-01-01.csv") rmSync(inbox.path("2017-01-02.csv"));
        return day(file);
      },
    },
    byDay,
  );
  for (const name of ["2017-01-01.csv", "2017-01-02.csv", "2017-01-03.csv"]) inbox.write(name, name);
  expect((await inbox.tick()).runs).toMatchObject([{ partitionKeys: ["2017-01-01", "2017-01-03"] }]);
  inbox.write("2017-01-02.csv", "again");
  expect((await inbox.tick()).runs).toMatchObject([{ partitionKeys: ["2017-01-02"] }]);
});

test("a file that is written while it is read waits, and is loaded as it is in the end", async () => {
  const inbox: Inbox = new Inbox(
    {
      partition: (file) => {
        if (file.name === "2017-01-01.csv") inbox.write("2017-01-02.csv", "half", 0);
        return day(file);
      },
    },
    byDay,
  );
  for (const name of ["2017-01-01.csv", "2017-01-02.csv"]) inbox.write(name, name);
  expect((await inbox.tick()).runs).toMatchObject([{ partitionKeys: ["2017-01-01"] }]);
  inbox.write("2017-01-02.csv", "half and the other half");
  expect((await inbox.tick()).runs).toMatchObject([{ partitionKeys: ["2017-01-02"] }]);
  expect((await inbox.tick()).runs).toEqual([]);
});

test("an empty file waits until there is something in it", async () => {
  const inbox = new Inbox();
  inbox.write("a.csv", "");
  expect((await inbox.tick()).runs).toEqual([]);
  expect((await inbox.tick()).runs).toEqual([]);
  inbox.write("a.csv", "1");
  expect((await inbox.tick()).runs).toHaveLength(1);
});

test("a file that was renamed, touched, or moved away and back is not loaded again", async () => {
  const inbox = new Inbox();
  inbox.write("a.csv", "1");
  inbox.write("b.csv", "2");
  expect((await inbox.tick()).runs).toHaveLength(1);
  renameSync(inbox.path("a.csv"), inbox.path("renamed.csv"));
  expect((await inbox.tick()).runs).toEqual([]);
  inbox.touch("b.csv", 5);
  expect((await inbox.tick()).runs).toEqual([]);
  expect((await inbox.tick()).runs).toEqual([]);
  renameSync(inbox.path("b.csv"), join(inbox.projectDir, "away.csv"));
  expect((await inbox.tick()).runs).toEqual([]);
  renameSync(join(inbox.projectDir, "away.csv"), inbox.path("b.csv"));
  expect((await inbox.tick()).runs).toEqual([]);
});

test("the same content under two names is loaded once", async () => {
  const inbox = new Inbox();
  inbox.write("a.csv", "1");
  copyFileSync(inbox.path("a.csv"), inbox.path("b.csv"));
  inbox.touch("b.csv", 60);
  const { runs, log } = await inbox.tick();
  expect(runs).toHaveLength(1);
  expect(log).toContainEqual({ level: "info", message: "b.csv is loaded already: nothing to do" });
  copyFileSync(inbox.path("a.csv"), inbox.path("c.csv"));
  inbox.touch("c.csv", 60);
  expect((await inbox.tick()).runs).toEqual([]);
});

test("the same content for another partition is loaded: two days without sales have the same file", async () => {
  const inbox = new Inbox({ partition: day }, byDay);
  inbox.write("2017-01-01.csv", "header\n");
  inbox.write("2017-05-25.csv", "header\n");
  expect((await inbox.tick()).runs).toMatchObject([{ partitionKeys: ["2017-01-01", "2017-05-25"] }]);
});

test("a file that changes is loaded again, also when it changes back", async () => {
  const inbox = new Inbox({ partition: day }, byDay);
  const keys: (string | null | undefined)[] = [];
  for (const text of ["first", "second", "first"]) {
    inbox.write("2017-01-01.csv", text);
    const { runs } = await inbox.tick();
    expect(runs).toMatchObject([{ partitionKeys: ["2017-01-01"] }]);
    keys.push(runs[0]?.runKey);
  }
  expect(new Set(keys).size).toBe(3);
});

test("a file that takes the place of another with its size and its time is loaded again", async () => {
  const inbox = new Inbox({ pattern: "*.csv" });
  inbox.write("a.csv", "1");
  inbox.write("a.tmp", "2");
  expect((await inbox.tick()).runs).toHaveLength(1);
  renameSync(inbox.path("a.tmp"), inbox.path("a.csv"));
  expect((await inbox.tick()).runs).toHaveLength(1);
});

test("a tick that is repeated has the same run key, so that Dagster launches its run once", async () => {
  const inbox = new Inbox();
  await inbox.tick();
  inbox.write("a.csv", "1");
  const sensor = defineSensor("shop/inbox", { description: "x", assets: [whole], ...newFiles({ folder: "inbox" }) });
  const options = { cursor: (await inbox.tick(0)).cursor, projectDir: inbox.projectDir };
  expect((await testSensor(sensor, options)).runs).toEqual([]);
  inbox.write("b.csv", "2");
  const [first, second] = [await testSensor(sensor, options), await testSensor(sensor, options)];
  expect(first.runs).toHaveLength(1);
  expect(second.runs).toEqual(first.runs);
});

test("after the cursor was emptied all files are loaded again, with other run keys", async () => {
  const inbox = new Inbox();
  inbox.write("a.csv", "1");
  const [first] = (await inbox.tick()).runs;
  inbox.forget();
  const [again] = (await inbox.tick()).runs;
  expect(again?.runKey).toEqual(expect.any(String));
  expect(again?.runKey).not.toBe(first?.runKey);
});

test("only what the pattern names is seen, in folders too, and nothing that is no file", async () => {
  const inbox = new Inbox({ pattern: "2017/**/*.csv" });
  inbox.write("2017/01/a.csv", "1");
  inbox.write("2017/01/.a.csv.tmp", "2");
  inbox.write("2018/01/b.csv", "3");
  mkdirSync(inbox.path("2017/folder.csv"), { recursive: true });
  symlinkSync("nowhere", inbox.path("2017/broken.csv"));
  expect((await inbox.tick()).log).toContainEqual({ level: "info", message: "New: 2017/01/a.csv" });
});

test("a file of no partition is left alone, and one without a name for it fails the tick by its name", async () => {
  const inbox = new Inbox({ partition: ({ name }) => (name.startsWith("2017") ? name.slice(0, 10) : null) }, byDay);
  inbox.write("notes.txt", "x");
  expect((await inbox.tick()).runs).toEqual([]);
  inbox.write("2017-99-99.csv", "x");
  await expect(inbox.tick()).rejects.toMatchObject({ code: "bad_tick_result" });
  const strict = new Inbox(
    {
      partition: ({ name }) => {
        throw new Error(`no day in ${name}`);
      },
    },
    byDay,
  );
  strict.write("x.csv", "x");
  await expect(strict.tick()).rejects.toMatchObject({
    code: "bad_sensor_option",
    message: expect.stringMatching(/partition of x\.csv: no day in x\.csv/) as string,
  });
});

test("new dynamic partitions are added before they are asked for", async () => {
  const inbox = new Inbox({ partition: ({ name }) => name.replace(".csv", ""), list: "stores" }, byStore);
  inbox.write("berlin.csv", "1");
  expect(await inbox.tick()).toMatchObject({
    runs: [{ partitionKeys: ["berlin"] }],
    addPartitions: [{ list: "stores", keys: ["berlin"] }],
  });
});

test("a folder that is not there is an error, not an empty folder", async () => {
  const inbox = new Inbox();
  inbox.write("a.csv", "1");
  await inbox.tick();
  rmSync(inbox.folder, { recursive: true });
  await expect(inbox.tick()).rejects.toMatchObject({ code: "missing_folder" });
});
