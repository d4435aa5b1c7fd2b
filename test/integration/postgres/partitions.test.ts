import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { date, sql, timestamp, z } from "../../../definitions/index.ts";
import type { PostgresTable } from "../../../definitions/storage.ts";
import type { Target, WriteStrategy } from "../../../resources/store.ts";
import { attempt, entryOf } from "../duckdb/warehouse.ts";
import { connect, Server, textOf } from "./server.ts";
import { Warehouse } from "./warehouse.ts";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
  await server.sql("CREATE ROLE reader; CREATE ROLE writer");
}, 900_000);
afterAll(() => server.stop());

const shape = { id: z.int32(), at: timestamp(), shop: z.string().nullable() };
const row = (id: number, at: string): { id: number; at: Date; shop: null } => ({ id, at: new Date(at), shop: null });

function cut(
  target: Target,
  every: "day" | "week" | "month" | "year",
  more: PostgresTable = {},
  column = "at",
): Target {
  return { ...target, storage: { postgres: { partitionBy: { column, every }, ...more } } };
}

/** Partitions with their bounds and the numbers of their rows. */
async function partitions(warehouse: Warehouse, table = "x"): Promise<(string | null)[][]> {
  const found = await warehouse.sql(`SELECT c.oid::regclass::text, relname, pg_get_expr(relpartbound, c.oid)
    FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid WHERE inhparent = '{${table}}'::regclass ORDER BY relname`);
  return await Promise.all(
    found.map(async ([name, shown = "", bounds = ""]) => [
      shown,
      bounds,
      (await warehouse.sql(`SELECT string_agg(id::text, ',' ORDER BY id) FROM ${name ?? ""}`))[0]?.[0] ?? null,
    ]),
  );
}

const ids = async (warehouse: Warehouse): Promise<string | null | undefined> =>
  (await warehouse.sql("SELECT string_agg(id::text, ',' ORDER BY id) FROM {x}"))[0]?.[0];

describe("by time", () => {
  test.each([
    ["day", "x_p20240131", "('2024-01-31 00:00:00+00') TO ('2024-02-01 00:00:00+00')"],
    ["week", "x_p2024w05", "('2024-01-29 00:00:00+00') TO ('2024-02-05 00:00:00+00')"],
    ["month", "x_p202401", "('2024-01-01 00:00:00+00') TO ('2024-02-01 00:00:00+00')"],
    ["year", "x_p2024", "('2024-01-01 00:00:00+00') TO ('2025-01-01 00:00:00+00')"],
  ] as const)(
    "a table by %s has the partitions that its rows need, with bounds in UTC",
    async (every, name, bounds) => {
      const warehouse = new Warehouse(server);
      await server.sql("ALTER ROLE postgres SET timezone = 'Pacific/Apia'");
      const target = cut(warehouse.target(shape), every);
      await warehouse.publishRows(target, [row(1, "2024-01-31T23:59:59.999Z")]);
      expect(await partitions(warehouse)).toEqual([[name, `FOR VALUES FROM ${bounds}`, "1"]]);
      // The same when it is added to a table that stays.
      await warehouse.publishRows({ ...target, strategy: { kind: "append" } }, [
        row(2, "2024-01-31T00:00:00Z"),
        row(3, "2030-06-05T00:00:00Z"),
      ]);
      expect((await partitions(warehouse))[0]).toEqual([name, `FOR VALUES FROM ${bounds}`, "1,2"]);
      expect(await partitions(warehouse)).toHaveLength(2);
      await server.sql("ALTER ROLE postgres RESET timezone");
    },
  );

  test("by a date column, before Christ too", async () => {
    const warehouse = new Warehouse(server);
    const target = cut(warehouse.target({ id: z.int32(), on: date() }), "month", {}, "on");
    const query = sql`SELECT 1 AS id, '0044-03-15 BC'::date AS on UNION ALL SELECT 2, '2024-02-29' UNION ALL SELECT 3, '0044-03-15'`;
    for (const strategy of [{ kind: "replace" }, { kind: "append" }] as const)
      await warehouse.publishQuery({ ...target, strategy }, query);
    expect(await partitions(warehouse)).toEqual([
      ["x_p004403", "FOR VALUES FROM ('0044-03-01 BC') TO ('0044-04-01 BC')", "1,1"],
      ["x_p0044031", "FOR VALUES FROM ('0044-03-01') TO ('0044-04-01')", "3,3"],
      ["x_p202402", "FOR VALUES FROM ('2024-02-01') TO ('2024-03-01')", "2,2"],
    ]);
  });

  test("infinite times and more partitions than a server bears are refused with what to do", async () => {
    const warehouse = new Warehouse(server);
    const target = cut(warehouse.target(shape), "day");
    await warehouse.publishRows(target, [row(1, "2024-01-01T00:00:00Z")]);
    for (const strategy of [{ kind: "replace" }, { kind: "append" }] as const) {
      for (const [query, message] of [
        [sql`SELECT 1 AS id, 'infinity'::timestamptz AS at, NULL::text AS shop`, /"at" is infinity/],
        [
          sql`SELECT n AS id, '2000-01-01'::timestamptz + n * interval '1 day' AS at, NULL::text AS shop FROM generate_series(1, 5000) AS n`,
          /longer ones in storage.postgres.partitionBy/,
        ],
      ] as const) {
        const publishing = warehouse.publishQuery({ ...target, strategy }, query);
        await expect(publishing).rejects.toMatchObject({ code: "contract_broken", retryable: false });
        await expect(publishing).rejects.toThrow(message);
      }
    }
    expect(await ids(warehouse)).toBe("1");
  });

  test("an empty result is a table without partitions, which takes rows in later", async () => {
    const warehouse = new Warehouse(server);
    for (const kind of ["replace", "append"] as const) {
      const target = cut(warehouse.target(shape, { kind }), "day");
      await warehouse.publishRows(target, []);
      expect(await partitions(warehouse)).toEqual([]);
      expect(await ids(warehouse)).toBeNull();
      await warehouse.publishRows(target, [row(1, "2024-01-01T00:00:00Z")]);
      expect((await partitions(warehouse)).map(([name]) => name)).toEqual(["x_p20240101"]);
      await warehouse.publishRows(cut(warehouse.target(shape), "day"), []);
      expect(await partitions(warehouse)).toEqual([]);
    }
  });
});

test("a replace makes the table anew with the partitions of its rows only; the others keep those that it has", async () => {
  const warehouse = new Warehouse(server);
  const target = cut(warehouse.target(shape), "month");
  await warehouse.publishRows(target, [row(1, "2024-01-01T00:00:00Z"), row(2, "2024-02-01T00:00:00Z")]);
  await warehouse.publishRows(target, [row(3, "2024-02-03T00:00:00Z"), row(4, "2024-03-01T00:00:00Z")]);
  expect((await partitions(warehouse)).map(([name, , found]) => [name, found])).toEqual([
    ["x_p202402", "3"],
    ["x_p202403", "4"],
  ]);
  const window = {
    kind: "window",
    column: "at",
    start: new Date("2024-02-01Z"),
    end: new Date("2024-03-01Z"),
  } as const;
  await warehouse.publishRows({ ...target, strategy: { kind: "replacePartitions", partitions: window } }, []);
  expect((await partitions(warehouse)).map(([name, , found]) => [name, found])).toEqual([
    ["x_p202402", null],
    ["x_p202403", "4"],
  ]);
  await warehouse.publishRows({ ...target, strategy: { kind: "merge", key: ["id"] } }, [
    row(4, "2024-05-01T00:00:00Z"),
  ]);
  expect((await partitions(warehouse)).map(([name, , found]) => [name, found])).toEqual([
    ["x_p202402", null],
    ["x_p202403", null],
    ["x_p202405", "4"],
  ]);
});

test("an unpartitioned table is partitioned by the next replace, or the other way round; till then the log says so", async () => {
  const warehouse = new Warehouse(server);
  const plain = warehouse.target(shape);
  const rows = [row(1, "2024-01-01T00:00:00Z"), row(2, "2024-02-01T00:00:00Z")];
  await warehouse.publishRows(plain, rows);
  await warehouse.sql(
    "GRANT SELECT ON {x} TO reader; CREATE INDEX theirs ON {x} (shop); COMMENT ON COLUMN {x}.shop IS 'it'",
  );
  const show = `SELECT relacl::text, col_description(c.oid, 3), (SELECT string_agg(relname, ',') FROM pg_index JOIN pg_class AS i ON i.oid = indexrelid WHERE indrelid = c.oid) FROM pg_class AS c WHERE oid = '{x}'::regclass`;
  const shown = await warehouse.sql(show);
  const logged: string[] = [];
  const log = (message: string): number => logged.push(message);
  await warehouse.publishRows(
    { ...cut(plain, "month"), strategy: { kind: "append" } },
    [row(3, "2024-03-01T00:00:00Z")],
    { log },
  );
  expect(logged).toEqual([expect.stringContaining("is not partitioned by month of at")]);
  await warehouse.publishRows(cut(plain, "month"), rows);
  expect((await partitions(warehouse)).map(([name]) => name)).toEqual(["x_p202401", "x_p202402"]);
  expect(await warehouse.sql(show)).toEqual(shown);
  await warehouse.publishRows(cut(plain, "year"), rows);
  expect((await partitions(warehouse)).map(([name]) => name)).toEqual(["x_p2024"]);
  // The table stays by years until it is made anew.
  logged.length = 0;
  await warehouse.publishRows(
    { ...cut(plain, "day"), strategy: { kind: "append" } },
    [row(4, "2025-03-01T00:00:00Z")],
    { log },
  );
  expect((await partitions(warehouse)).map(([name]) => name)).toEqual(["x_p2024", "x_p2025"]);
  expect(logged).toEqual([expect.stringContaining("is not partitioned by day of at")]);
  await warehouse.publishRows(plain, rows);
  expect(await warehouse.sql("SELECT relkind::text FROM pg_class WHERE oid = '{x}'::regclass")).toEqual([["r"]]);
  expect(await warehouse.sql(show)).toEqual(shown);
  // What hangs on the table keeps it.
  await warehouse.sql("CREATE VIEW {v} AS SELECT * FROM {x}");
  logged.length = 0;
  await warehouse.publishRows(cut(plain, "month"), rows, { log });
  expect(logged).toEqual([expect.stringMatching(/is not partitioned by month of at.*view/)]);
  expect(await ids(warehouse)).toBe("1,2");
});

const STRATEGIES: readonly (readonly [string, WriteStrategy, string])[] = [
  ["replace", { kind: "replace" }, "1,3"],
  [
    "replacePartitions",
    {
      kind: "replacePartitions",
      partitions: { kind: "window", column: "at", start: new Date("2024-01-01Z"), end: new Date("2024-03-01Z") },
    },
    "1,3,9",
  ],
  ["append", { kind: "append" }, "1,1,3,9"],
  ["merge", { kind: "merge", key: ["id"] }, "1,3,9"],
];
const HUNG: readonly (readonly [name: string, hang: string, show: string, isSwapped: boolean])[] = [
  ["views", "CREATE VIEW {v} AS SELECT * FROM {x}", "SELECT count(*) = (SELECT count(*) FROM {x}) FROM {v}", false],
  [
    "a materialised view",
    "CREATE MATERIALIZED VIEW {v} AS SELECT DISTINCT id FROM {x}; CREATE UNIQUE INDEX ON {v} (id)",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY {v}; SELECT count(*) = (SELECT count(DISTINCT id) FROM {x}) FROM {v}",
    false,
  ],
  [
    "indexes with comments",
    "CREATE INDEX theirs ON {x} (shop) WHERE id > 0; COMMENT ON INDEX {s}.theirs IS 'why'; CREATE INDEX ON {x} (lower(shop))",
    "SELECT indexname, indexdef, obj_description(('{s}.' || indexname)::regclass) FROM pg_indexes WHERE schemaname = '{s}' AND tablename = 'x' ORDER BY 1",
    true,
  ],
  [
    "grants",
    "GRANT SELECT ON {x} TO reader; GRANT UPDATE (shop) ON {x} TO writer WITH GRANT OPTION",
    "SELECT relacl::text, attacl::text FROM pg_class, pg_attribute WHERE pg_class.oid = '{x}'::regclass AND attrelid = pg_class.oid AND attname = 'shop'",
    true,
  ],
  [
    "row policies",
    "ALTER TABLE {x} ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON {x} FOR SELECT TO reader USING (id > 1)",
    "SELECT polname, pg_get_expr(polqual, polrelid), relrowsecurity FROM pg_policy, pg_class AS c WHERE polrelid = c.oid AND c.oid = '{x}'::regclass",
    true,
  ],
  [
    "comments",
    "COMMENT ON COLUMN {x}.shop IS 'its shop'",
    "SELECT col_description('{x}'::regclass, 3), obj_description('{x}'::regclass)",
    true,
  ],
  [
    "an owner",
    "GRANT CREATE, USAGE ON SCHEMA {s} TO writer; ALTER TABLE {x} OWNER TO writer",
    "SELECT relowner::regrole FROM pg_class WHERE oid = '{x}'::regclass",
    true,
  ],
  [
    "a trigger",
    "CREATE FUNCTION {f}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER t BEFORE INSERT ON {x} FOR EACH ROW EXECUTE FUNCTION {f}()",
    "SELECT tgname FROM pg_trigger WHERE tgrelid = '{x}'::regclass",
    false,
  ],
  [
    "a publication that lists it",
    "CREATE PUBLICATION of_{s} FOR TABLE {x} WITH (publish = 'insert')",
    "SELECT pubname FROM pg_publication_rel JOIN pg_publication AS p ON p.oid = prpubid WHERE prrelid = '{x}'::regclass",
    false,
  ],
  [
    "a publication that lists one of its partitions",
    "CREATE PUBLICATION of_{s} FOR TABLE {x_p202401} WITH (publish = 'insert')",
    "SELECT pubname FROM pg_publication_rel JOIN pg_publication AS p ON p.oid = prpubid WHERE prrelid = '{x_p202401}'::regclass",
    false,
  ],
  [
    "a grant on a partition, and an index of a partition",
    "GRANT SELECT ON {x_p202401} TO reader; CREATE INDEX theirs ON {x_p202401} (shop)",
    "SELECT relacl::text, (SELECT count(*) FROM pg_index WHERE indrelid = '{x_p202401}'::regclass) FROM pg_class WHERE oid = '{x_p202401}'::regclass",
    false,
  ],
];

describe.each(STRATEGIES)("%s of a partitioned table", (_name, strategy, expected) => {
  test.for(HUNG)("keeps %s", async ([, hang, show, isSwapped]) => {
    const warehouse = new Warehouse(server);
    const run = (text: string): Promise<(string | null)[][]> => warehouse.sql(text.replaceAll("{s}", warehouse.schema));
    const first = cut(warehouse.target(shape), "month", {
      indexes: [{ columns: ["shop", "id"] }, { columns: ["id", "at"], name: "declared" }],
    });
    await warehouse.publishRows(first, [row(1, "2024-01-05T00:00:00Z"), row(9, "2024-05-05T00:00:00Z")]);
    await run(hang);
    const [shown, oid] = [await run(show), await run("SELECT '{x}'::regclass::oid::text")];
    await warehouse.publishRows({ ...first, strategy }, [
      row(1, "2024-01-05T00:00:00Z"),
      row(3, "2024-02-05T00:00:00Z"),
    ]);
    expect(await run(show)).toEqual(shown);
    expect(await ids(warehouse)).toBe(expected);
    expect((await run("SELECT '{x}'::regclass::oid::text"))[0]?.[0] === oid[0]?.[0]).toBe(
      !isSwapped || strategy.kind !== "replace",
    );
    // Every partition has every index, with a name that goes with its own; and all have one owner.
    expect(
      await run(`SELECT c.relname, i.relname FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid
        JOIN pg_index ON indrelid = c.oid JOIN pg_class AS i ON i.oid = indexrelid
        WHERE inhparent = '{x}'::regclass AND i.relname LIKE '%\\_shop\\_id\\_idx' ORDER BY 1`),
    ).toEqual((await partitions(warehouse)).map(([name]) => [name, `${name ?? ""}_shop_id_idx`]));
    expect(
      await run(
        "SELECT DISTINCT c.relowner = p.relowner FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid JOIN pg_class AS p ON p.oid = inhparent WHERE p.oid = '{x}'::regclass AND c.relname LIKE '%2'",
      ),
    ).toEqual([["true"]]);
    expect(
      await run(
        `SELECT relname FROM pg_class WHERE relname LIKE '\\_stage%' AND relnamespace IN ('{s}'::regnamespace, '_dagster_typescript'::regnamespace)`,
      ),
    ).toEqual([]);
  });
});

test("the privileges that a schema gives to new tables are the table's, not its partitions': policies hold", async () => {
  const warehouse = new Warehouse(server);
  await warehouse.sql(`CREATE SCHEMA ${warehouse.schema}; GRANT USAGE ON SCHEMA ${warehouse.schema} TO reader;
    ALTER DEFAULT PRIVILEGES IN SCHEMA ${warehouse.schema} GRANT SELECT ON TABLES TO reader`);
  const target = cut(warehouse.target(shape), "month");
  for (const strategy of [{ kind: "replace" }, { kind: "append" }, { kind: "replace" }] as const) {
    await warehouse.publishRows({ ...target, strategy }, [
      row(1, "2024-01-05T00:00:00Z"),
      row(2, "2024-02-05T00:00:00Z"),
    ]);
    expect(
      await warehouse.sql(
        "SELECT has_table_privilege('reader', '{x}', 'SELECT'), has_table_privilege('reader', '{x_p202401}', 'SELECT'), has_table_privilege('reader', '{x_p202402}', 'SELECT')",
      ),
    ).toEqual([["true", "false", "false"]]);
  }
});

test("partitions and their indexes find other names where theirs are taken, and long ones end in time", async () => {
  const warehouse = new Warehouse(server);
  const table = `t${"ü".repeat(30)}`;
  await warehouse.sql(`CREATE SCHEMA ${warehouse.schema}; CREATE TABLE {x_p202401} ()`);
  const indexes = { indexes: [{ columns: ["shop"] }] };
  for (let round = 0; round < 2; round += 1) {
    await warehouse.publishRows(cut(warehouse.target(shape), "month", indexes), [row(1, "2024-01-05T00:00:00Z")]);
    expect((await partitions(warehouse)).map(([name]) => name)).toEqual(["x_p2024011"]);
    await warehouse.publishRows(cut(warehouse.target(shape, { kind: "replace" }, table), "month", indexes), [
      row(1, "2024-01-05T00:00:00Z"),
    ]);
    const found = await warehouse.sql(
      `SELECT relname, octet_length(relname) <= 63 FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid WHERE inhparent = '${warehouse.name(table)}'::regclass`,
    );
    expect(found).toEqual([[`t${"ü".repeat(27)}_p202401`, "true"]]);
  }
});

test("a broken unique index, a refused ledger line or rows outside of the window leave rows and partitions as they were", async () => {
  const warehouse = new Warehouse(server);
  const target = cut(warehouse.target(shape), "month", { indexes: [{ columns: ["id", "at"], unique: true }] });
  await warehouse.publishRows(target, [row(1, "2024-01-05T00:00:00Z")]);
  const before = await partitions(warehouse);
  const twice = [row(2, "2024-07-05T00:00:00Z"), row(2, "2024-07-05T00:00:00Z")];
  for (const strategy of [{ kind: "replace" }, { kind: "append" }] as const) {
    const given = attempt();
    const staged = await warehouse.stageRows({ ...target, strategy }, twice, given);
    // The index of the table, which is what people declared, and not that of a partition.
    await expect(staged.publish(entryOf(target, given, await staged.facts()))).rejects.toThrow(
      /a unique index; .*"x_id_at_idx"/s,
    );
    await staged.discard();
    const good = await warehouse.stageRows({ ...target, strategy }, twice.slice(1), given);
    await expect(good.publish({ ...entryOf(target, given, await good.facts()), report: "{" })).rejects.toMatchObject({
      code: "statement_failed",
    });
    await good.discard();
  }
  expect(await partitions(warehouse)).toEqual(before);
  // A unique index must contain the column of the partitions.
  const bad = warehouse.publishRows(
    cut(warehouse.target(shape, { kind: "replace" }, "y"), "month", { indexes: [{ columns: ["id"], unique: true }] }),
    twice,
  );
  await expect(bad).rejects.toMatchObject({ code: "contract_broken" });
  await expect(bad).rejects.toThrow(/y_id_idx/);
});

test("partitions that people attach take their rows, and those of other times are made as before", async () => {
  const warehouse = new Warehouse(server);
  const target = cut(warehouse.target(shape, { kind: "append" }), "month");
  await warehouse.publishRows(target, [row(1, "2020-01-05T00:00:00Z")]);
  await warehouse.sql(
    `CREATE TABLE {quarter} PARTITION OF {x} FOR VALUES FROM ('2020-04-01 00:00+00') TO ('2020-07-01 00:00+00');
     CREATE TABLE {late} PARTITION OF {x} FOR VALUES FROM ('2030-01-01 00:00+00') TO (MAXVALUE)`,
  );
  await warehouse.publishRows(target, [
    row(2, "2020-03-31T23:59:59Z"),
    row(3, "2020-05-05T00:00:00Z"),
    row(4, "2020-07-01T00:00:00Z"),
    row(5, "2040-07-01T00:00:00Z"),
  ]);
  const expected = [
    ["late", "5"],
    ["quarter", "3"],
    ["x_p202001", "1"],
    ["x_p202003", "2"],
    ["x_p202007", "4"],
  ];
  const found = async (): Promise<unknown> => (await partitions(warehouse)).map(([name, , numbers]) => [name, numbers]);
  expect(await found()).toEqual(expected);
  // What people attached keeps the table from being made anew.
  const logged: string[] = [];
  await warehouse.publishRows(
    { ...target, strategy: { kind: "replace" } },
    [row(6, "2020-06-05T00:00:00Z"), row(7, "2020-08-01T00:00:00Z")],
    { log: (message) => logged.push(message) },
  );
  expect(await ids(warehouse)).toBe("6,7");
  expect(logged).toEqual([]);
  expect((await partitions(warehouse)).map(([name, , numbers]) => [name, numbers])).toContainEqual(["x_p202008", "7"]);
  // A table that has theirs only is cut as the asset says, too.
  const other = cut(warehouse.target(shape, { kind: "append" }, "y"), "year");
  await warehouse.publishRows(other, []);
  await warehouse.sql(
    "CREATE TABLE {theirs} PARTITION OF {y} FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2021-01-01 00:00+00')",
  );
  await warehouse.publishRows(other, [row(1, "2020-01-05T00:00:00Z"), row(2, "2021-01-05T00:00:00Z")]);
  expect((await partitions(warehouse, "y")).map(([name]) => name)).toEqual(["theirs", "y_p2021"]);
});

test("rows beside a partition that is in the way of theirs are a fault that names it and says what to do", async () => {
  const warehouse = new Warehouse(server);
  const target = cut(warehouse.target(shape, { kind: "append" }), "month");
  await warehouse.publishRows(target, [row(1, "2020-01-05T00:00:00Z")]);
  await warehouse.sql(
    `CREATE TABLE {half} PARTITION OF {x} FOR VALUES FROM ('2020-03-01 00:00+00') TO ('2020-03-16 00:00+00')`,
  );
  await warehouse.publishRows(target, [row(2, "2020-03-05T00:00:00Z")]);
  const publishing = warehouse.publishRows(target, [row(3, "2020-03-20T00:00:00Z"), row(4, "2020-04-20T00:00:00Z")]);
  await expect(publishing).rejects.toMatchObject({ code: "missing_partition", retryable: false });
  await expect(publishing).rejects.toThrow(
    /Attach one.*2020-03-01 00:00:00\+00 to 2020-04-01 00:00:00\+00, of which \S+half has a part.*\(2020-03-20 00:00:00\+00\)/s,
  );
  expect((await partitions(warehouse)).map(([name, , numbers]) => [name, numbers])).toEqual([
    ["half", "2"],
    ["x_p202001", "1"],
  ]);
  // A rule by which people check rows breaks with the same SQLSTATE.
  await warehouse.sql("ALTER TABLE {x} ADD CONSTRAINT small CHECK (id < 10)");
  await expect(warehouse.publishRows(target, [row(11, "2020-03-05T00:00:00Z")])).rejects.toMatchObject({
    code: "statement_failed",
  });
});

test("readers see all the old rows or all the new ones, whichever strategy writes the partitions", async () => {
  const warehouse = new Warehouse(server);
  const target = cut(warehouse.target(shape), "month");
  const rows = (shop: string): object[] =>
    Array.from({ length: 600 }, (_, id) => ({ id, at: new Date(Date.UTC(2024, id % 12, 1)), shop }));
  await warehouse.publishRows(target, rows("0"));
  const over = new AbortController();
  const seen = new Set<string>();
  const readers = await Promise.all([1, 2].map(() => connect(server.url)));
  const reading = readers.map(async (client) => {
    while (!over.signal.aborted) {
      const [[found] = []] = await textOf(
        client,
        `SELECT min(shop) || max(shop) || ' ' || count(*) FROM ${warehouse.name()}`,
      );
      seen.add(found ?? "none");
    }
    await client.end();
  });
  const window = {
    kind: "window",
    column: "at",
    start: new Date("2024-01-01Z"),
    end: new Date("2025-01-01Z"),
  } as const;
  const strategies: WriteStrategy[] = [
    { kind: "replace" },
    { kind: "merge", key: ["id"] },
    { kind: "replacePartitions", partitions: window },
  ];
  for (let round = 1; round <= 9; round += 1) {
    const strategy = strategies[round % 3] ?? { kind: "replace" };
    await warehouse.publishRows({ ...target, strategy }, rows(String(round)));
  }
  over.abort();
  await Promise.all(reading);
  for (const found of seen) expect(found).toMatch(/^(\d)\1 600$/);
  expect(seen.size).toBeGreaterThan(1);
});

test.each(["append", "merge", "replacePartitions"] as const)(
  "readers see all of a publish or nothing when %s makes a partition for half of its rows",
  async (kind) => {
    const warehouse = new Warehouse(server);
    const target = cut(warehouse.target(shape), "month");
    await warehouse.publishRows(target, [row(-1, "2000-01-05T00:00:00Z")]);
    const over = new AbortController();
    /** How many rows there are of the latest round. */
    const seen = new Set<string>();
    const readers = await Promise.all([1, 2, 3, 4, 5, 6].map(() => connect(server.url)));
    const reading = readers.map(async (client) => {
      while (!over.signal.aborted) {
        const [[found] = []] = await textOf(
          client,
          `SELECT count(*) FROM ${warehouse.name()} WHERE shop = (SELECT max(shop) FROM ${warehouse.name()})`,
        );
        seen.add(found ?? "none");
      }
      await client.end();
    });
    // Each round writes into the month that the one before has made, and into the next one.
    for (let round = 0; round < 20; round += 1) {
      const [start, end] = [new Date(Date.UTC(2001, round)), new Date(Date.UTC(2001, round + 2))];
      const strategies: Record<typeof kind, WriteStrategy> = {
        append: { kind: "append" },
        merge: { kind: "merge", key: ["id"] },
        replacePartitions: { kind: "replacePartitions", partitions: { kind: "window", column: "at", start, end } },
      };
      const rows = Array.from({ length: 200 }, (_, id) => ({
        id,
        at: new Date(Date.UTC(2001, round + (id < 100 ? 0 : 1), 5)),
        shop: String(round).padStart(2, "0"),
      }));
      await warehouse.publishRows({ ...target, strategy: strategies[kind] }, rows);
    }
    over.abort();
    await Promise.all(reading);
    expect([...seen].filter((count) => count !== "0")).toEqual(["200"]);
  },
);

test("a server with too few locks for so many partitions says which setting it is, and keeps the table", async () => {
  const small = await Server.start({ settings: { max_locks_per_transaction: "10", max_connections: "20" } });
  try {
    const warehouse = new Warehouse(small);
    const target = cut(warehouse.target(shape), "day", { indexes: [{ columns: ["id"] }, { columns: ["shop"] }] });
    await warehouse.publishRows(target, [row(1, "2024-01-05T00:00:00Z")]);
    const query = sql`SELECT n::integer AS id, '2000-01-01'::timestamptz + n * interval '1 day' AS at, NULL::text AS shop
      FROM generate_series(1, 1500) AS n`;
    const publishing = warehouse.publishQuery(target, query);
    await expect(publishing).rejects.toMatchObject({ code: "lock_table_full", retryable: false });
    await expect(publishing).rejects.toThrow(/max_locks_per_transaction/);
    expect(await ids(warehouse)).toBe("1");
  } finally {
    await small.stop();
  }
});
