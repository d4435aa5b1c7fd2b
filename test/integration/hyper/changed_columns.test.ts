import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { z } from "../../../definitions/index.ts";
import { Client as HyperClient } from "../../../resources/hyper/client.ts";
import { nextName, setAsideName } from "../../../resources/hyper/names.ts";
import type { Target, WriteStrategy } from "../../../resources/store.ts";
import { attempt, connect, HyperServer, query, type Warehouse } from "./warehouse.ts";
import { ROWS } from "./publish_changed.ts";

const server = HyperServer.forThisFile();
const OLD = { id: z.int32(), v: z.string() };
const NEW = { id: z.int32(), v: z.string(), w: z.int32() };
/** undefined_table; and serialization_failure, of a statement that began before the table went. */
const INSTANT = /^(42P01|40001)$/;
const HANG_MS = 60_000;
/** For each of the two ways in which columns change. */
const KILLS = 6;

async function tables(warehouse: Warehouse): Promise<string[]> {
  const names = await warehouse.sql(
    `SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = '${warehouse.schema}'`,
  );
  return names.map(([name]) => name ?? "").sort();
}

/** Reads the table until it is told to end; what it saw, and how often. */
async function readUntil(name: string, over: AbortSignal): Promise<Map<string, number>> {
  const seen = new Map<string, number>();
  const reader = await connect(server.url);
  try {
    do {
      const saw = await query(reader, `SELECT count(*) FROM ${name}`).then(
        ([row]) => row?.[0] ?? "",
        (error: unknown) => (error as { readonly code: string }).code,
      );
      seen.set(saw, (seen.get(saw) ?? 0) + 1);
      await wait(1);
    } while (!over.aborted);
    return seen;
  } finally {
    await reader.end();
  }
}

const rows = (count: number): object[] => Array.from({ length: count }, (_, id) => ({ id, v: "v", w: 1 }));

test.each([
  ["one more that may be NULL", { ...OLD, w: z.int32().nullable() }, 'column "w" is new'],
  ["one more that is never NULL", NEW, 'column "w" is new and not nullable'],
  ["one less", { id: z.int32() }, 'column "v" is not in the contract'],
  ["another type", { id: z.int64(), v: z.string() }, 'column "id" is integer, the contract says bigint'],
  ["NULL where there was none", { ...OLD, v: z.string().nullable() }, 'column "v" is NOT NULL'],
])("%s is refused, unless the asset chose that readers may be interrupted", async (_, shape, why) => {
  const warehouse = await server.open();
  await warehouse.publishRows(warehouse.target(OLD), rows(1_000));
  const target = warehouse.target(shape);
  const refused = {
    code: "contract_broken",
    retryable: false,
    message: expect.stringMatching(`${why}.*storage: \\{ hyper: \\{ interruptReaders: true \\} \\}`) as unknown,
  };
  const over = new AbortController();
  const reading = readUntil(`${warehouse.schema}.x`, over.signal);
  await expect(warehouse.publishRows(target, [])).rejects.toMatchObject(refused);
  over.abort();
  expect([...(await reading).keys()]).toEqual(["1000"]);
  expect(await warehouse.sql(`SELECT count(*), min(v) FROM ${warehouse.schema}.x`)).toEqual([["1000", "v"]]);
  expect(await tables(warehouse)).toEqual(["x"]);
});

const WIDE = { ...OLD, w: z.int32().nullable() };
const APPEND: WriteStrategy = { kind: "append" };
const MERGE: WriteStrategy = { kind: "merge", key: ["id"] };
const PARTITION: WriteStrategy = {
  kind: "replacePartitions",
  partitions: { kind: "keys", column: "v", keys: ["v"] },
};

test.each([
  [APPEND, ["1002", "1001", "5"]],
  [MERGE, ["1000", "999", "5"]],
  [PARTITION, ["2", "1", "5"]],
])("a table that keeps rows by $kind keeps them when it gets a nullable column", async (strategy, want) => {
  const warehouse = await server.open();
  const name = `${warehouse.schema}.x`;
  await warehouse.publishRows(warehouse.changeable(OLD, strategy), rows(1_000));
  await warehouse.sql(`COMMENT ON COLUMN ${name}.v IS 'by hand'`);
  await warehouse.publishRows(warehouse.changeable(WIDE, strategy), [
    { id: 1, v: "v", w: null },
    { id: 7, v: "v", w: 5 },
  ]);
  expect(await warehouse.sql(`SELECT count(*), count(*) - count(w), sum(w) FROM ${name}`)).toEqual([want]);
  expect(await tables(warehouse)).toEqual(["x"]);
  expect(await warehouse.sql("SELECT count(*) FROM _dagster_typescript.swaps")).toEqual([["0"]]);
  expect(
    await warehouse.sql(`SELECT d.description FROM pg_catalog.pg_description AS d
    JOIN pg_catalog.pg_class AS c ON c.oid = d.objoid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = '${warehouse.schema}'`),
  ).toEqual([["by hand"]]);
});

test("readers of a table that gets nullable columns see all its rows, and miss it for an instant at most", async () => {
  const warehouse = await server.open();
  await warehouse.publishRows(warehouse.changeable(OLD, APPEND), rows(50_000));
  const over = new AbortController();
  const reading = readUntil(`${warehouse.schema}.x`, over.signal);
  const columns: Record<string, z.ZodType> = { ...OLD };
  for (const name of ["a", "b", "c", "d"]) {
    columns[name] = z.int32().nullable();
    await warehouse.publishRows(warehouse.changeable(columns, APPEND), []);
  }
  over.abort();
  expect([...(await reading).keys()].filter((saw) => !INSTANT.test(saw))).toEqual(["50000"]);
});

test("nothing is lost that somebody writes outside of the project while a table gets a column", async () => {
  const warehouse = await server.open();
  const name = `${warehouse.schema}.x`;
  await warehouse.publishRows(warehouse.changeable(OLD, APPEND), [...rows(100_000), { id: -1, v: "0" }]);
  const other = await connect(server.url);
  onTestFinished(async () => {
    await other.end();
  });
  let [added, changed, over] = [0, 0, false];
  const write = async (...statements: readonly string[]): Promise<boolean> => {
    try {
      for (const text of ["BEGIN", ...statements, "COMMIT"]) await other.query(text);
      return true;
    } catch (error) {
      expect((error as { readonly code: string }).code).toMatch(INSTANT);
      await other.query("ROLLBACK");
      return false;
    }
  };
  const writing = (async (): Promise<void> => {
    while (!over) {
      // The second one leaves as many rows as there were. No UPDATE: the server dies of who reads the table meanwhile.
      if (await write(`INSERT INTO ${name} (id, v) VALUES (-2, 'by hand')`)) added += 1;
      await wait(Math.random() * 150);
      const another = `INSERT INTO ${name} (id, v) VALUES (-1, '${changed + 1}')`;
      if (await write(`DELETE FROM ${name} WHERE id = -1`, another)) changed += 1;
      await wait(Math.random() * 150);
    }
  })();
  const columns: Record<string, z.ZodType> = { ...OLD };
  for (const one of ["a", "b", "c", "d"]) {
    columns[one] = z.int32().nullable();
    await warehouse.publishRows(warehouse.changeable(columns, APPEND), []);
  }
  over = true;
  await writing;
  expect(Math.min(added, changed)).toBeGreaterThan(0);
  const counts = `SELECT (SELECT count(*) FROM ${name} WHERE id = -2), (SELECT v FROM ${name} WHERE id = -1)`;
  expect(await warehouse.sql(counts)).toEqual([[String(added), String(changed)]]);
});

test("a row that takes another's place right before the renames is kept, and the other does not come back", async () => {
  const warehouse = await server.open();
  const name = `${warehouse.schema}.x`;
  await warehouse.publishRows(warehouse.changeable(OLD, APPEND), rows(2));
  let isWritten = false;
  const run = Reflect.get(HyperClient.prototype, "run");
  vi.spyOn(HyperClient.prototype, "run").mockImplementation(async function (this: HyperClient, statement) {
    if (!isWritten && typeof statement === "string" && statement.includes("RENAME TO")) {
      isWritten = true;
      await warehouse.sql(`DELETE FROM ${name} WHERE id = 1`);
      await warehouse.sql(`INSERT INTO ${name} VALUES (77, 'by hand')`);
    }
    await run.call(this, statement);
  });
  onTestFinished(() => {
    vi.restoreAllMocks();
  });
  await warehouse.publishRows(warehouse.changeable(WIDE, APPEND), [{ id: 3, v: "v", w: 1 }]);
  expect(isWritten).toBe(true);
  expect((await warehouse.sql(`SELECT id FROM ${name} ORDER BY id`)).flat()).toEqual(["0", "3", "77"]);
  expect(await tables(warehouse)).toEqual(["x"]);
});

test.each([{ kind: "replace" }, APPEND] satisfies WriteStrategy[])(
  "a table whose rows are written by $kind gets a column also after a process was killed while it wrote another",
  async (strategy) => {
    const warehouse = await server.open();
    await warehouse.publishRows(warehouse.changeable(OLD, strategy), rows(1_000));
    const script = join(import.meta.dirname, "write_for_ever.ts");
    const child = spawn(process.execPath, [script, server.url], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data", { signal: AbortSignal.timeout(HANG_MS) });
    child.kill("SIGKILL");
    await once(child, "close");
    await warehouse.publishRows(warehouse.changeable(WIDE, strategy), rows(5));
    const [counts] = await warehouse.sql(`SELECT count(*), sum(w) FROM ${warehouse.schema}.x`);
    expect(counts).toEqual([strategy.kind === "append" ? "1005" : "5", "5"]);
  },
);

test("readers of a table whose columns change see all old rows or all new ones, and miss it for an instant at most", async () => {
  const warehouse = await server.open();
  const old = warehouse.changeable(OLD);
  const changed = warehouse.changeable(NEW);
  await warehouse.publishRows(old, rows(1_000));
  const over = new AbortController();
  const reading = readUntil(`${warehouse.schema}.x`, over.signal);
  let swaps = 0;
  for (; swaps < 6; swaps += 2) {
    await warehouse.publishRows(changed, rows(50_000));
    await warehouse.publishRows(old, rows(1_000));
  }
  over.abort();
  const seen = await reading;
  const counts = [...seen.keys()].filter((saw) => !INSTANT.test(saw)).sort();
  expect(counts).toEqual(["1000", "50000"]);
  expect(await tables(warehouse)).toEqual(["x"]);
});

test("what people wrote on columns comes along when they change, unless the contract describes them", async () => {
  const warehouse = await server.open();
  const { schema } = warehouse;
  await warehouse.publishRows(warehouse.changeable({ ...OLD, gone: z.int32(), described: z.int32() }), []);
  for (const column of ["v", "gone", "described"])
    await warehouse.sql(`COMMENT ON COLUMN ${schema}.x.${column} IS 'it''s by hand'`);
  const described = z.int64().describe("From the contract");
  await warehouse.publishRows(warehouse.changeable({ described, ...NEW }), []);
  expect(
    await warehouse.sql(
      `SELECT a.attname, d.description FROM pg_catalog.pg_attribute AS a
        LEFT JOIN pg_catalog.pg_description AS d ON d.objoid = a.attrelid AND d.objsubid = a.attnum
        JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = '${schema}' AND a.attnum > 0 ORDER BY a.attnum`,
    ),
  ).toEqual([
    ["described", "From the contract"],
    ["id", null],
    ["v", "it's by hand"],
    ["w", null],
  ]);
});

test("while others write the table it keeps its columns and its rows, and then they change", async () => {
  const warehouse = await server.open();
  await warehouse.publishRows(warehouse.changeable(OLD), rows(1_000));
  const other = await connect(server.url);
  onTestFinished(async () => {
    await other.end();
  });
  await other.query("BEGIN");
  await other.query(`DELETE FROM _dagster_typescript.turns WHERE asset_key = '${warehouse.schema}/x'`);
  const over = new AbortController();
  const reading = readUntil(`${warehouse.schema}.x`, over.signal);
  const waiting = Promise.withResolvers<string>();
  const publishing = warehouse.publishRows(warehouse.changeable(NEW), rows(5), { log: waiting.resolve });
  expect(await waiting.promise).toContain("Waiting");
  over.abort();
  expect([...(await reading).keys()]).toEqual(["1000"]);
  expect(await tables(warehouse)).toEqual(["x"]);
  await other.query("ROLLBACK");
  await publishing;
  expect(await warehouse.sql(`SELECT count(*), sum(w) FROM ${warehouse.schema}.x`)).toEqual([["5", "5"]]);
});

test("rows that somebody is writing outside of the project keep the table until they are written", async () => {
  const warehouse = await server.open({ HYPER_LOCK_TIMEOUT_SECONDS: "1" });
  await warehouse.publishRows(warehouse.changeable(OLD), rows(3));
  const other = await connect(server.url);
  onTestFinished(async () => {
    await other.end();
  });
  await other.query("BEGIN");
  await other.query(`INSERT INTO ${warehouse.schema}.x VALUES (9, 'by hand')`);
  const given = attempt();
  const writer = await warehouse.store.stageRows(warehouse.changeable(NEW), given);
  await writer.append(rows(5) as Record<string, unknown>[]);
  const staged = await writer.finish();
  const entry = { ...given, assetKey: `${warehouse.schema}/x`, partitionKeys: null, cursor: null, report: "{}" };
  const publishing = staged.publish({ ...entry, rowCount: 5n, columns: [], contentHash: "" });
  await expect(publishing).rejects.toMatchObject({ code: "table_locked", retryable: true });
  expect(await tables(warehouse)).toEqual(["x"]);
  await other.query("COMMIT");
  expect(await warehouse.sql(`SELECT count(*) FROM ${warehouse.schema}.x`)).toEqual([["4"]]);
  // The same staged rows go in when nobody is in the way.
  await staged.publish({ ...entry, rowCount: 5n, columns: [], contentHash: "" });
  expect(await warehouse.sql(`SELECT count(*) FROM ${warehouse.schema}.x`)).toEqual([["5"]]);
});

test("two that change the columns at the same time are as if one came after the other", async () => {
  const warehouse = await server.open();
  const other = await server.open();
  await warehouse.publishRows(warehouse.changeable(OLD), rows(1_000));
  await Promise.all([
    warehouse.publishRows(warehouse.changeable(NEW), rows(500)),
    other.publishRows(warehouse.changeable({ id: z.string() }), [{ id: "a" }]),
    warehouse.publishRows(warehouse.changeable(NEW), rows(500)),
  ]);
  expect(await tables(warehouse)).toEqual(["x"]);
  const [count] = await warehouse.sql(`SELECT count(*) FROM ${warehouse.schema}.x`);
  expect(["1", "500"]).toContain(count?.[0]);
});

/** What a killed process leaves, by how far it was; `null`: it had published. */
const LEFT: readonly [string, readonly string[], "old" | "new"][] = [
  ["while it filled the other table", ["begin", "next"], "old"],
  ["between the two renames", ["begin", "next", "aside"], "old"],
  ["between the second rename and the commit", ["begin", "next", "aside", "in"], "old"],
  ["after the commit", ["begin", "next", "aside", "in", "mark"], "new"],
  ["while its swap was undone", ["begin", "aside"], "old"],
  ["while its swap was tidied", ["begin", "mark", "in"], "new"],
];
const REPAIRS: readonly [string, (warehouse: Warehouse, old: Target) => Promise<void>][] = [
  ["removeOrphans", async ({ store }) => store.removeOrphans(() => false)],
  ["staging", async ({ store }, old) => (await store.stageRows(old, attempt())).discard()],
];

test.each(LEFT.flatMap(([when, steps, want]) => REPAIRS.map(([by, act]) => ({ when, steps, want, by, act }))))(
  "a process killed $when leaves the $want rows, by $by",
  async ({ steps, want, act }) => {
    const warehouse = await server.open();
    const { schema } = warehouse;
    const old = warehouse.changeable(OLD);
    await warehouse.publishRows(old, rows(1_000));
    const next = `${schema}.${nextName(old.assetKey)}`;
    const swap = (published: boolean): string =>
      `INSERT INTO _dagster_typescript.swaps VALUES ('${old.assetKey}', 'dead', ${String(published)})`;
    const statements: Readonly<Record<string, readonly string[]>> = {
      begin: [swap(false)],
      next: [`CREATE TABLE ${next} (id int)`, `INSERT INTO ${next} VALUES (1)`],
      aside: [`ALTER TABLE ${schema}.x RENAME TO ${setAsideName(old.assetKey)}`],
      in: [`ALTER TABLE ${next} RENAME TO x`],
      mark: [swap(true)],
    };
    if (!steps.includes("next") && steps.includes("in")) {
      // The old table is gone already.
      await warehouse.sql(`DROP TABLE ${schema}.x`);
      for (const text of statements["next"] ?? []) await warehouse.sql(text);
    }
    for (const step of steps) for (const text of statements[step] ?? []) await warehouse.sql(text);
    await act(warehouse, old);
    expect(await tables(warehouse)).toEqual(["x"]);
    expect(await warehouse.sql(`SELECT count(*) FROM ${schema}.x`)).toEqual([[want === "old" ? "1000" : "1"]]);
    expect(await warehouse.sql(`SELECT 1 FROM _dagster_typescript.swaps WHERE asset_key = '${old.assetKey}'`)).toEqual(
      [],
    );
  },
);

test("a publish of another strategy after a killed swap adds to the old rows", async () => {
  const warehouse = await server.open();
  const target = warehouse.changeable(OLD, { kind: "append" });
  await warehouse.publishRows(target, rows(1_000));
  const given = attempt();
  const writer = await warehouse.store.stageRows(target, given);
  await writer.append([{ id: 1_000, v: "v" }]);
  const staged = await writer.finish();
  // Another run is killed after this one has staged its rows; its note of it is lost, too.
  await warehouse.sql(`ALTER TABLE ${warehouse.schema}.x RENAME TO ${setAsideName(target.assetKey)}`);
  await staged.publish({
    ...{ ...given, assetKey: target.assetKey, partitionKeys: null, rowCount: 1n, columns: [], contentHash: "" },
    ...{ cursor: null, report: "{}" },
  });
  expect(await tables(warehouse)).toEqual(["x"]);
  expect(await warehouse.sql(`SELECT count(*) FROM ${warehouse.schema}.x`)).toEqual([["1001"]]);
});

test("a table aside that nobody knows of is never dropped", async () => {
  const warehouse = await server.open();
  const target = warehouse.changeable(OLD);
  await warehouse.publishRows(target, rows(3));
  const aside = `${warehouse.schema}.${setAsideName(target.assetKey)}`;
  await warehouse.sql(`CREATE TABLE ${aside} AS SELECT 1 AS id`);
  await warehouse.publishRows(target, rows(4));
  await expect(warehouse.publishRows(warehouse.changeable(NEW), rows(5))).rejects.toMatchObject({
    code: "table_in_the_way",
    retryable: false,
  });
  expect(await warehouse.sql(`SELECT count(*) FROM ${aside}`)).toEqual([["1"]]);
  expect(await warehouse.sql(`SELECT count(*) FROM ${warehouse.schema}.x`)).toEqual([["4"]]);
});

test.each(["replace", "append"] as const)(
  "whenever its process is killed, a table whose columns change has the rows of a whole %s, and a rerun ends it",
  { timeout: 600_000 },
  async (kind) => {
    const warehouse = await server.open();
    const assetKey = `${warehouse.schema}/x`;
    const run = async (number: number, killAfterMs?: number): Promise<{ said: string; ms: number }> => {
      const script = join(import.meta.dirname, "publish_changed.ts");
      const child = spawn(process.execPath, [script, server.url, assetKey, String(number), kind], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      let said = "";
      let beganAt = 0;
      let timer: NodeJS.Timeout | undefined;
      child.stderr.on("data", (text: Buffer) => (said += text.toString()));
      child.stdout.on("data", (text: Buffer) => {
        said += text.toString();
        if (beganAt !== 0) return;
        beganAt = performance.now();
        if (killAfterMs !== undefined) timer = setTimeout(() => child.kill("SIGKILL"), killAfterMs);
      });
      await once(child, "close", { signal: AbortSignal.timeout(HANG_MS) });
      clearTimeout(timer);
      return { said, ms: performance.now() - beganAt };
    };
    let usualMs = (await run(0)).ms;
    let inTime = 0;
    const over = new AbortController();
    const reading = readUntil(`${warehouse.schema}.x`, over.signal);
    for (let kill = 1; kill <= KILLS; kill += 1) {
      // The second half of a run is where tables change their names.
      const killed = await run(kill, usualMs * (0.4 + 0.6 * Math.random()));
      if (!killed.said.includes("published")) inTime += 1;
      const rerun = await run(kill);
      expect(rerun.said).toMatch(/published/);
      usualMs = Math.max(rerun.ms, usualMs * 0.8);
      const all = kind === "append" ? (kill + 1) * ROWS : ROWS;
      const sql = `SELECT count(*), count(v${kill}), min(v${kill}), max(v${kill}) FROM ${warehouse.schema}.x`;
      expect(await warehouse.sql(sql)).toEqual([[String(all), String(ROWS), String(kill), String(kill)]]);
      await warehouse.store.removeOrphans(() => false);
      expect(await tables(warehouse)).toEqual(["x"]);
    }
    over.abort();
    expect(inTime).toBeGreaterThan(0);
    const seen = [...(await reading).keys()].filter((saw) => !INSTANT.test(saw)).map(Number);
    expect(seen.filter((count) => count % ROWS !== 0)).toEqual([]);
    expect(kind === "append" ? Math.min(...seen) : Math.max(...seen)).toBe(ROWS);
  },
);
