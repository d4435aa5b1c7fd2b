import { execFileSync } from "node:child_process";
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { expect, onTestFinished, test } from "vitest";
import { date, decimal, int64, json, timestamp, z } from "../../../definitions/index.ts";
import type { ArchiveJob, ArchivePartition } from "../../../resources/archive.ts";
import { archiveFolder, type ArchivePlace } from "../../../resources/archive_folder.ts";
import { DuckDBArchive } from "../../../resources/duckdb/archive.ts";
import { requireReadable } from "../../../resources/duckdb/archive_files.ts";
import { Client } from "../../../resources/duckdb/client.ts";
import { exportTable } from "../../../resources/duckdb/export.ts";
import { writeStaged } from "../../../resources/duckdb/write.ts";
import type { Target } from "../../../resources/store.ts";
import { attempt, columnsOf, targetOf, type TextRows } from "./warehouse.ts";

const DAY_MS = 86_400_000;
const NOW = new Date("2026-01-01T00:00:00Z");

/** A warehouse that stays open, so that others can read it while an archive is at work. */
class Hot {
  readonly dir = mkdtempSync(join(tmpdir(), "archive-"));
  readonly #instance: DuckDBInstance;
  readonly client: Client;
  readonly source: Target;
  readonly target: Target;

  private constructor(instance: DuckDBInstance, client: Client, source: Target) {
    this.#instance = instance;
    this.client = client;
    this.source = source;
    this.target = { ...source, assetKey: "a/all", table: "all" };
  }

  static async open(source: Target): Promise<Hot> {
    const instance = await DuckDBInstance.create(":memory:", { autoinstall_known_extensions: "false" });
    const hot = new Hot(instance, new Client(instance, await connect(instance)), source);
    onTestFinished(() => {
      hot.client.close();
      rmSync(hot.dir, { recursive: true, force: true });
    });
    return hot;
  }

  async another(): Promise<Client> {
    return new Client(this.#instance, await connect(this.#instance));
  }

  async archive(
    change: Partial<ArchiveJob> & { place?: (place: ArchivePlace) => ArchivePlace } = {},
  ): Promise<DuckDBArchive> {
    const { source, target } = this;
    const { place = (one: ArchivePlace): ArchivePlace => one, ...rest } = change;
    const job = { source, target, column: "at", to: "cold", now: NOW, isOpen: () => false, ...rest };
    return await DuckDBArchive.open(this.client, job, attempt(), (to) => place(archiveFolder(this.dir, to)));
  }

  files(): string[] {
    return globSync("**/*.*", { cwd: this.dir });
  }

  async rows(text: string): Promise<TextRows> {
    return (await this.client.text(text)).rows;
  }
}

async function connect(instance: DuckDBInstance): Promise<Awaited<ReturnType<DuckDBInstance["connect"]>>> {
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  return connection;
}

/** The n-th day of 2017. */
function day(n: number): ArchivePartition {
  const start = new Date(Date.UTC(2017, 0, n));
  const end = new Date(start.getTime() + DAY_MS);
  const window = { start, end };
  return { key: start.toISOString().slice(0, 10), window, rows: { kind: "window", column: "at", ...window } };
}

const EVENTS = targetOf({ id: z.int(), at: timestamp() }, "a/events");

/** Ten days with a thousand rows each. */
async function tenDays(): Promise<Hot> {
  const hot = await Hot.open(EVENTS);
  await hot.client.run("CREATE SCHEMA a");
  await hot.client.run('CREATE TABLE a.events (id BIGINT NOT NULL, "at" TIMESTAMPTZ NOT NULL)');
  await hot.client.run(`INSERT INTO a.events
    SELECT n AS id, TIMESTAMPTZ '2017-01-01' + to_minutes(n * 1440 // 1000) AS "at" FROM range(10000) AS numbers(n)`);
  return hot;
}

const HOT = "SELECT count(*) FROM a.events";
const ALL = `SELECT count(*), count(DISTINCT id), sum(id) FROM a."all"`;
const WHOLE = [["10000", "10000", "49995000"]];

test("whoever reads the view, meanwhile or afterwards, sees all rows once; in the table are the hot ones", async () => {
  const hot = await tenDays();
  const archive = await hot.archive();
  await archive.publish(entry(hot.target));
  const reader = await hot.another();
  const wrong: unknown[] = [];
  let [reads, isOver] = [0, false];
  const reading = (async () => {
    while (!isOver) {
      const { rows } = await reader.text(ALL).catch((error: unknown) => ({ rows: error }));
      reads += 1;
      if (JSON.stringify(rows) !== JSON.stringify(WHOLE)) wrong.push(rows);
    }
  })();
  for (let n = 1; n <= 8; n += 2) await archive.move([day(n), day(n + 1)]);
  expect(await hot.rows(HOT)).toEqual([["2000"]]);
  await archive.restore((await archive.cold()).slice(0, 4));
  expect(await hot.rows(HOT)).toEqual([["6000"]]);
  isOver = true;
  await reading;
  expect(wrong).toEqual([]);
  expect(reads).toBeGreaterThan(5);
  expect(await hot.rows(ALL)).toEqual(WHOLE);
  reader.connection.closeSync();
});

test("a reader that began before a restore goes on reading the files", async () => {
  const hot = await tenDays();
  const archive = await hot.archive();
  await archive.move([day(1), day(2)]);
  const reader = await hot.another();
  await reader.run("BEGIN");
  expect((await reader.text("SELECT count(*) FROM a.events")).rows).toEqual([["8000"]]);
  await archive.restore(await archive.cold());
  await (await hot.archive()).tidy();
  expect((await reader.text(ALL)).rows).toEqual(WHOLE);
  await reader.run("COMMIT");
  // A day later nobody reads them any more.
  const later = await hot.archive({ now: new Date(NOW.getTime() + DAY_MS) });
  expect(hot.files()).toHaveLength(2);
  await later.tidy();
  expect(hot.files()).toEqual([]);
  expect([...(await later.restored())]).toEqual([]);
  reader.connection.closeSync();
});

test.each(["America/New_York", "Asia/Tokyo"])(
  "whatever the reader's clock is, the view has all rows: %s",
  async (zone) => {
    for (const type of ["TIMESTAMPTZ", "DATE"]) {
      const shape = { id: z.int(), at: type === "DATE" ? date() : timestamp() };
      const hot = await Hot.open(targetOf(shape, "a/events"));
      await hot.client.run("CREATE SCHEMA a");
      await hot.client
        .run(`CREATE TABLE a.events AS SELECT n AS id, CAST(TIMESTAMPTZ '2017-01-01' + to_hours(n) AS ${type}) AS "at"
      FROM range(240) AS numbers(n)`);
      const archive = await hot.archive();
      await archive.move([day(1), day(2), day(3)]);
      await archive.move([day(10)]);
      await hot.client.run(`SET TimeZone = '${zone}'`);
      expect(await hot.rows(ALL)).toEqual([["240", "240", "28680"]]);
      const third = type === "DATE" ? `"at" = '2017-01-03'` : `"at" >= '2017-01-03T00:00:00Z' AND "at" < '2017-01-04T00:00:00Z'`; // prettier-ignore
      expect(await hot.rows(`SELECT min(id), max(id) FROM a."all" WHERE ${third}`)).toEqual([["48", "71"]]);
    }
  },
);

test("files of another time are not opened", async () => {
  const hot = await tenDays();
  const archive = await hot.archive();
  await archive.move([day(1)]);
  const plan = await hot.rows(`EXPLAIN SELECT * FROM a."all" WHERE "at" >= '2017-01-09'`);
  expect(JSON.stringify(plan)).not.toContain("READ_PARQUET");
  expect(JSON.stringify(await hot.rows(`EXPLAIN SELECT * FROM a."all"`))).toContain("READ_PARQUET");
});

test("other stores copy the view, with all rows, and not the table without the archived ones", async () => {
  const hot = await tenDays();
  await (await hot.archive()).move([day(1), day(2)]);
  const file = join(hot.dir, "copy.bin");
  await exportTable(hot.client, hot.target, file);
  expect(await hot.rows(`SELECT count(*), count(DISTINCT id), sum(id) FROM read_parquet('${file}')`)).toEqual(WHOLE);
  const reading = requireReadable(hot.client, "the copy", ["a/events"], null);
  await expect(reading).rejects.toMatchObject({ code: "partition_archived" });
  await expect(reading).rejects.toThrow(
    /the copy reads a\/events, of which partitions 2017-01-01, 2017-01-02 are archived/,
  );
});

test("the content of the view does not depend on where its rows are", async () => {
  const hot = await tenDays();
  const archive = await hot.archive();
  const before = await archive.facts();
  await archive.move([day(1), day(2), day(3)]);
  const { contentHash, rowCount } = await archive.facts();
  expect({ contentHash, rowCount }).toEqual({ contentHash: before.contentHash, rowCount: 10_000n });
  await hot.client.run("UPDATE a.events SET id = -1 WHERE id = 9999");
  expect((await archive.facts()).contentHash).not.toBe(before.contentHash);
});

const everyType = {
  at: date(),
  big: int64().nullable(),
  small: z.int32().nullable(),
  'mon"ey': decimal(38, 10).nullable(),
  short: decimal(4, 4).nullable(),
  score: z.number().nullable(),
  yes: z.boolean().nullable(),
  "Été 🎈": timestamp().nullable(),
  day: date().nullable(),
  "it's {x}": z.string().nullable(),
  kind: z.enum(["a", "b"]).nullable(),
  document: json(z.unknown()).nullable(),
};

test("a round trip loses nothing of any type", async () => {
  const hot = await Hot.open(targetOf(everyType, "a/events"));
  await hot.client.run("CREATE SCHEMA a");
  const types = `DATE, BIGINT, INTEGER, DECIMAL(38,10), DECIMAL(4,4), DOUBLE, BOOLEAN, TIMESTAMP WITH TIME ZONE, DATE, VARCHAR, VARCHAR, JSON`.split(/, /); // prettier-ignore
  const names = columnsOf(everyType).map(({ name }) => `"${name.replaceAll('"', '""')}"`);
  await hot.client.run(`CREATE TABLE a.events (${names.map((name, n) => `${name} ${types[n]}`).join(", ")})`);
  await hot.client.run(`INSERT INTO a.events VALUES
    ('2017-01-01', 9223372036854775807, 2147483647, 9999999999999999999999999999.9999999999, .9999, 1.7976931348623157e308,
      true, '9999-12-31T23:59:59.999999Z', '9999-12-31', '', 'a', '{"a": [1.10, 1e2, null], "a": "\\u0041"}'),
    ('2017-01-01', -9223372036854775808, -2147483648, -9999999999999999999999999999.9999999999, -.5, 5e-324,
      false, '0001-01-01T00:00:00.000001Z', '0001-01-01', 'line\nfeed 😀 ''" ' || chr(0), 'b', '"text"'),
    ('2017-01-01', 0, 0, 0.0000000001, 0, 'NaN', NULL, 'infinity', 'infinity', NULL, NULL, 'null'),
    ('2017-01-01', 1, 1, 1, 0, '-infinity', NULL, '-infinity', '0044-03-15 (BC)', 'NULL', 'a', '[]'),
    ('2017-01-01', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    ('2017-01-01', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`);
  const shown = (from: string): Promise<TextRows> =>
    hot.rows(`SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ${from} ORDER BY ALL`);
  const before = await shown("a.events");
  const archive = await hot.archive();
  await archive.move([day(1)]);
  expect(await hot.rows(HOT)).toEqual([["0"]]);
  expect(await shown('a."all"')).toEqual(before);
  const described = async (of: string): Promise<TextRows> => (await hot.rows(`DESCRIBE ${of}`)).map((row) => row.slice(0, 2)); // prettier-ignore
  expect(await described('a."all"')).toEqual(await described("a.events"));
  await archive.restore(await archive.cold());
  expect(await shown("a.events")).toEqual(before);
});

test.each<[string, (path: string) => void]>([
  [
    "is half written",
    (path) => {
      truncateSync(path, 200);
    },
  ],
  [
    "is empty",
    (path) => {
      truncateSync(path, 0);
    },
  ],
  ["is gone", (path) => { rmSync(path); }], // prettier-ignore
])("a file that %s after it was written stops the archive, and no row is deleted", async (_name, harm) => {
  const hot = await tenDays();
  const place = (one: ArchivePlace): ArchivePlace => ({
    ...one,
    put: async (name, fill) => {
      const state = await one.put(name, fill);
      harm(one.uri(name));
      return state;
    },
  });
  const archive = await hot.archive({ place });
  await expect(archive.move([day(1), day(2)])).rejects.toThrow(/Parquet|No files found|no magic bytes|too small/i);
  expect(await hot.rows(HOT)).toEqual([["10000"]]);
  expect(hot.files()).toEqual([]);
  expect(await archive.cold()).toEqual([]);
});

test("rows that do not read back as they were stop the archive, and no row is deleted", async () => {
  const hot = await tenDays();
  const other = join(hot.dir, "other.bin");
  await hot.client.run(
    `COPY (SELECT id + 1 AS id, "at" FROM a.events WHERE "at" < '2017-01-02') TO '${other}' (FORMAT parquet)`,
  );
  const place = (one: ArchivePlace): ArchivePlace => ({
    ...one,
    put: async (name, fill) => {
      const state = await one.put(name, fill);
      writeFileSync(one.uri(name), readFileSync(other));
      return state;
    },
  });
  await expect((await hot.archive({ place })).move([day(1)])).rejects.toMatchObject({ code: "archive_damaged" });
  expect(await hot.rows(HOT)).toEqual([["10000"]]);
  expect(hot.files()).toEqual(["other.bin"]);
});

test("a cold file that is missing, cut or altered is told with its name, and nothing is moved or deleted", async () => {
  const hot = await tenDays();
  const archive = await hot.archive();
  await archive.move([day(1), day(2)]);
  const [first, second] = await archive.cold();
  if (first === undefined || second === undefined) throw new Error("two files were expected");
  const path = join(hot.dir, "cold", first.name);
  const whole = readFileSync(path);

  const altered = Buffer.from(whole);
  altered[100] = (altered[100] ?? 0) ^ 1;
  writeFileSync(path, altered);
  const restoring = archive.restore([second, first]);
  await expect(restoring).rejects.toMatchObject({ code: "archive_damaged" });
  await expect(restoring).rejects.toThrow(first.name);
  expect(await hot.rows(HOT)).toEqual([["8000"]]);

  truncateSync(path, 50);
  await expect(archive.tidy()).rejects.toThrow(`${first.name} has 50 bytes, not ${whole.length}`);
  rmSync(path);
  await expect(archive.tidy()).rejects.toThrow(`${first.name} is missing`);
  await expect(hot.rows(ALL)).rejects.toThrow(first.name);
  writeFileSync(path, whole);
  await archive.tidy();
  await archive.restore([first]);
  expect(await hot.rows(HOT)).toEqual([["9000"]]);
  expect(await hot.rows(ALL)).toEqual(WHOLE);

  // A file that is lost for good: without its line the view goes on, and the partition can be computed again.
  rmSync(join(hot.dir, "cold", second.name));
  await hot.client.run(`DELETE FROM _dagster_typescript.archive_files WHERE name = '${second.name}'`);
  await archive.tidy();
  await archive.publish(entry(hot.target));
  expect((await hot.rows(ALL))[0]?.[0]).toBe("9000");
});

test("a full disk of the archive is told with its place; the rows stay, and no file does", async () => {
  const hot = await Hot.open(EVENTS);
  await hot.client.run("CREATE SCHEMA a");
  await hot.client.run(`CREATE TABLE a.events AS SELECT CAST(hash(n) % 100000000000 AS BIGINT) AS id,
    TIMESTAMPTZ '2017-01-01' + to_seconds(n % 86400) AS "at" FROM range(600000) AS numbers(n)`);
  const folder = join(hot.dir, "small");
  mkdirSync(folder);
  const isRoot = process.getuid?.() === 0;
  const limit = (size: string): void =>
    void execFileSync("prlimit", ["--pid", String(process.pid), `--fsize=${size}:`]);
  if (isRoot) execFileSync("mount", ["-t", "tmpfs", "-o", "size=512k", "tmpfs", folder]);
  else limit("524288");
  try {
    const archive = await hot.archive({ to: "small" });
    const moving = archive.move([day(1)]);
    await expect(moving).rejects.toMatchObject({ code: "archive_not_writable", retryable: true });
    await expect(moving).rejects.toThrow(/nothing could be written to small.*all rows are where they were/s);
    expect(await archive.cold()).toEqual([]);
    expect(hot.files()).toEqual([]);
    expect(await hot.rows(HOT)).toEqual([["600000"]]);
  } finally {
    if (isRoot) execFileSync("umount", ["--lazy", folder]);
    else limit("unlimited");
  }
});

test("of an archive and a publish of the same partition at the same time one gives way, and no row is lost", async () => {
  const hot = await tenDays();
  const other = await hot.another();
  const { rows } = day(1);
  const target = { ...EVENTS, strategy: { kind: "replacePartitions", partitions: rows } } as const;
  // It has begun before the archive, so it does not see what that lists.
  await other.run("BEGIN");
  await other.run(`CREATE TABLE a.stage AS SELECT id, "at" FROM a.events WHERE "at" < '2017-01-02'`);
  const archive = await hot.archive();
  await archive.move([day(1)]);
  await expect(writeStaged(other, target, "a.stage")).rejects.toThrow(/conflict/i);
  await other.run("ROLLBACK");
  expect(await hot.rows(ALL)).toEqual(WHOLE);
  // Begun after it, it sees the list.
  await other.run("BEGIN");
  const late = writeStaged(other, target, "a.events");
  await expect(late).rejects.toMatchObject({ code: "partition_archived", retryable: false });
  await expect(late).rejects.toThrow(/a\/events: partition 2017-01-01 is archived by a\/all/);
  await other.run("ROLLBACK");

  // The other way round: the publish is first.
  await archive.restore(await archive.cold());
  await other.run("BEGIN");
  await other.run("CREATE TABLE a.stage AS FROM a.events LIMIT 0");
  await hot.client.run("BEGIN");
  await hot.client.run(HOT);
  await writeStaged(other, target, "a.stage");
  await other.run("COMMIT");
  await hot.client.run("ROLLBACK");
  expect(await archive.firstHot(new Date("2017-01-01"))).toEqual(new Date("2017-01-02"));
  other.connection.closeSync();
});

test("a column that was added since is NULL in the rows of before; any other change is refused", async () => {
  const hot = await tenDays();
  await (await hot.archive()).move([day(1)]);
  await hot.client.run("ALTER TABLE a.events ADD COLUMN note VARCHAR");
  await hot.client.run(`UPDATE a.events SET note = 'new' WHERE "at" < '2017-01-03'`);
  const shape = { id: z.int(), at: timestamp(), note: z.string().nullable() };
  const [source, target] = [targetOf(shape, "a/events"), targetOf(shape, "a/all")];
  const wider = await hot.archive({ source, target });
  await wider.move([day(2)]);
  expect(await hot.rows(`SELECT note, count(*) FROM a."all" GROUP BY ALL ORDER BY ALL`)).toEqual([
    ["new", "1000"],
    [null, "9000"],
  ]);
  await wider.restore((await wider.cold()).slice(0, 1));
  expect(await hot.rows(ALL)).toEqual(WHOLE);

  // As the table would be after a `replace` with other types.
  await hot.client.run("ALTER TABLE a.events ALTER COLUMN id TYPE VARCHAR");
  const texts = targetOf({ ...shape, id: z.string() }, "a/events");
  const other = { source: texts, target: { ...texts, assetKey: "a/all", table: "all" } };
  await expect((await hot.archive(other)).move([day(3)])).rejects.toThrow(/"id" is BIGINT, the contract says VARCHAR/);
  await expect(hot.archive()).rejects.toThrow(/"id" is VARCHAR, expected BIGINT.*"note" is not in the contract/);
  expect(await hot.rows(HOT)).toEqual([["9000"]]);
  expect(hot.files()).toHaveLength(2);
});

test("what a killed run wrote is removed by the next, and a living run's is not", async () => {
  const hot = await tenDays();
  const archive = await hot.archive();
  await archive.move([day(1)]);
  const lost = "partition=2017-01-02/lost.parquet";
  mkdirSync(join(hot.dir, "cold", "partition=2017-01-02"));
  for (const name of [lost, `${lost}.unfinished`]) writeFileSync(join(hot.dir, "cold", name), "x");
  const owner = { elsewhere: "00000000.1.2.3.4", run: "some_run" };
  await hot.client.run(`INSERT INTO _dagster_typescript.archive_files
    SELECT archive_key, source_key, '2017-01-02', rows_end, rows_end, window_end, window_end, place, '${lost}', 'writing',
      NULL, NULL, NULL, NULL, NULL, NULL, '${owner.run}', '${owner.elsewhere}', changed_at
    FROM _dagster_typescript.archive_files`);
  await (await hot.archive({ isOpen: (runId) => runId === owner.run })).tidy();
  expect(hot.files()).toHaveLength(3);
  await archive.tidy();
  expect(hot.files()).toHaveLength(1);
  expect(existsSync(join(hot.dir, "cold", "partition=2017-01-02"))).toBe(false);
  expect(await hot.rows(ALL)).toEqual(WHOLE);
});

test("a second archive of the same table is refused, as is the name of a table", async () => {
  const hot = await tenDays();
  await (await hot.archive()).move([day(1)]);
  const second = hot.archive({ target: { ...hot.target, assetKey: "a/second", table: "second" } });
  await expect(second).rejects.toThrow(/a\/all has archived partitions of a\/events/);
  const taken = await hot.archive();
  await hot.client.run(`DROP VIEW a."all"; CREATE TABLE a."all" AS SELECT 1`);
  await expect(taken.move([day(2)])).rejects.toThrow(/has a table of that name/);
  expect(await hot.rows(HOT)).toEqual([["9000"]]);
  expect(hot.files()).toHaveLength(1);
});

function entry(target: Target): Parameters<DuckDBArchive["publish"]>[0] {
  return {
    ...{ assetKey: target.assetKey, runId: "r", rootRunId: "r", codeVersion: "v", partitionKeys: null },
    ...{ rowCount: 0n, columns: [], contentHash: "", startedAt: NOW, cursor: null, report: "{}" },
  };
}
