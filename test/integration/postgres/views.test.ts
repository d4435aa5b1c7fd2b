import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decimal, rowCount, sql, z } from "../../../definitions/index.ts";
import type { Sql } from "../../../definitions/sql.ts";
import type { Storage } from "../../../definitions/storage.ts";
import type { Target } from "../../../resources/store.ts";
import { attempt, entryOf, publish } from "../duckdb/warehouse.ts";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { connect, Server, textOf } from "./server.ts";
import { Warehouse } from "./warehouse.ts";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
  await server.sql("CREATE ROLE reader; CREATE ROLE writer");
}, 900_000);
afterAll(() => server.stop());

const shape = { shop: z.string().describe("Its name"), revenue: decimal(12, 2), day: z.string().nullable() };

function viewOf(warehouse: Warehouse, storage: Storage = {}, change: Partial<Target> = {}): Target {
  return { ...warehouse.target(shape), key: ["shop"], storage, ...change };
}

/** Sums per shop of the table `sales`, over some amount. */
function sums(warehouse: Warehouse, over = "0"): Sql {
  const sales = { kind: "table", assetKey: `${warehouse.schema}/sales` } as const;
  return sql`SELECT shop, CAST(sum(amount) AS numeric(12,2)) AS revenue, CAST(NULL AS text) AS day
    FROM ${sales} WHERE amount > ${over}::numeric GROUP BY shop`;
}

async function sales(warehouse: Warehouse): Promise<void> {
  await warehouse.sql(`CREATE SCHEMA ${warehouse.schema};
    CREATE TABLE {sales} (shop text, amount numeric(12,2)); INSERT INTO {sales} VALUES ('a', 1), ('a', 2), ('b', 5)`);
}

const rows = (warehouse: Warehouse): Promise<(string | null)[][]> =>
  warehouse.sql("SELECT shop, revenue FROM {x} ORDER BY shop");
const oid = (warehouse: Warehouse): Promise<(string | null)[][]> => warehouse.sql("SELECT '{x}'::regclass::oid::text");
const nothingStaged = async (warehouse: Warehouse): Promise<void> => {
  expect(
    await warehouse.sql(
      `SELECT relname FROM pg_class WHERE relname LIKE '\\_stage%' AND relnamespace IN ('${warehouse.schema}'::regnamespace, '_dagster_typescript'::regnamespace)`,
    ),
  ).toEqual([]);
};

test("a materialised view has the contract's columns, its key as a unique index, its indexes and its comments", async () => {
  const warehouse = new Warehouse(server);
  await sales(warehouse);
  const target = viewOf(warehouse, {
    postgres: { indexes: [{ columns: ["revenue"], include: ["day"], where: sql`revenue > 1` }] },
  });
  const facts = await warehouse.publishView(target, sums(warehouse));
  expect(facts.rowCount).toBe(2n);
  expect(await rows(warehouse)).toEqual([
    ["a", "3.00"],
    ["b", "5.00"],
  ]);
  expect(
    await warehouse.sql(
      `SELECT relkind::text, obj_description(oid), col_description(oid, 1) FROM pg_class WHERE oid = '{x}'::regclass`,
    ),
  ).toEqual([["m", "A test.", "Its name"]]);
  expect(
    await warehouse.sql(`SELECT indexname FROM pg_indexes WHERE schemaname = '${warehouse.schema}' ORDER BY 1`),
  ).toEqual([["x_revenue_day_idx"], ["x_shop_idx"]]);
  expect(
    await warehouse.sql(
      "SELECT attname FROM pg_attribute WHERE attrelid = '{x}'::regclass AND attnum > 0 ORDER BY attnum",
    ),
  ).toEqual([["shop"], ["revenue"], ["day"]]);
});

test("a refresh is seen when it is published, checked before, and stays the same view", async () => {
  const warehouse = new Warehouse(server);
  await sales(warehouse);
  const target = viewOf(warehouse);
  await warehouse.publishView(target, sums(warehouse));
  const before = await oid(warehouse);
  await warehouse.sql("INSERT INTO {sales} VALUES ('c', 7)");
  const given = attempt();
  const staged = await warehouse.store.stageView(target, sums(warehouse), "full", null, given);
  expect((await staged.check([rowCount({ min: 3 }), rowCount({ max: 2 })])).map(({ passed }) => passed)).toEqual([
    true,
    false,
  ]);
  expect((await staged.facts()).rowCount).toBe(3n);
  // Nobody waits meanwhile, and nobody sees it.
  expect(await rows(warehouse)).toHaveLength(2);
  await staged.discard();
  expect(await rows(warehouse)).toHaveLength(2);
  await warehouse.publishView(target, sums(warehouse), given);
  expect(await rows(warehouse)).toHaveLength(3);
  expect(await oid(warehouse)).toEqual(before);
  // A rerun of the same run finds what was published.
  expect(await warehouse.store.findPublished(target, given)).toMatchObject({ rowCount: 3n });
  await nothingStaged(warehouse);
});

test("the key's index may be declared, with a name; then there is no other", async () => {
  const warehouse = new Warehouse(server);
  await sales(warehouse);
  const target = viewOf(warehouse, { postgres: { indexes: [{ columns: ["shop"], unique: true, name: "the_key" }] } });
  await warehouse.publishView(target, sums(warehouse));
  const before = await oid(warehouse);
  await warehouse.publishView(target, sums(warehouse));
  expect(await oid(warehouse)).toEqual(before);
  expect(await warehouse.sql(`SELECT indexname FROM pg_indexes WHERE schemaname = '${warehouse.schema}'`)).toEqual([
    ["the_key"],
  ]);
});

test("a view that is described otherwise but defined the same is refreshed, not made anew", async () => {
  const warehouse = new Warehouse(server);
  await sales(warehouse);
  await warehouse.publishView(viewOf(warehouse), sums(warehouse));
  const before = await oid(warehouse);
  const target = viewOf(warehouse, {}, { description: "It's another." });
  await warehouse.publishView(
    target,
    sql`${sums(warehouse)}
    -- with a comment
    `,
  );
  expect(await oid(warehouse)).toEqual(before);
  expect(await warehouse.sql("SELECT obj_description('{x}'::regclass)")).toEqual([["It's another."]]);
});

test("in a key NULL is a value as any other: it is there once, also after a refresh", async () => {
  const warehouse = new Warehouse(server);
  await sales(warehouse);
  const target = viewOf(warehouse, {}, { key: ["day"] });
  const read = { kind: "table", assetKey: `${warehouse.schema}/sales` } as const;
  const plain = sql`SELECT shop, amount AS revenue, CAST(NULL AS text) AS day FROM ${read} WHERE amount > 1`;
  await expect(warehouse.publishView(target, plain)).rejects.toMatchObject({ code: "contract_broken" });
  await warehouse.sql("DELETE FROM {sales} WHERE shop = 'b'");
  await warehouse.publishView(target, plain);
  const before = await oid(warehouse);
  await warehouse.sql("UPDATE {sales} SET amount = 3 WHERE amount = 2");
  await warehouse.publishView(target, plain);
  expect([await rows(warehouse), await oid(warehouse)]).toEqual([[["a", "3.00"]], before]);
  await warehouse.sql("INSERT INTO {sales} VALUES ('b', 9)");
  await expect(warehouse.publishView(target, plain)).rejects.toMatchObject({ code: "contract_broken" });
  expect(await rows(warehouse)).toEqual([["a", "3.00"]]);
});

test("contracts are kept: columns, types, NULL and keys; the view stays as it was", async () => {
  const warehouse = new Warehouse(server);
  await sales(warehouse);
  await warehouse.publishView(viewOf(warehouse), sums(warehouse));
  const read = { kind: "table", assetKey: `${warehouse.schema}/sales` } as const;
  for (const [query, message] of [
    [sql`SELECT shop, amount AS revenue FROM ${read}`, /"day" is missing/],
    [sql`SELECT shop, 1 AS revenue, '' AS day FROM ${read}`, /"revenue" is integer, expected numeric\(12,2\)/],
    [
      sql`SELECT NULL AS shop, sum(amount)::numeric(12,2) AS revenue, '' AS day FROM ${read}`,
      /"shop" is NULL in 1 rows/,
    ],
    [sql`SELECT shop, amount AS revenue, '' AS day FROM ${read}`, /x_shop_idx.*"?a/s],
  ] as const) {
    const publishing = warehouse.publishView(viewOf(warehouse), query);
    await expect(publishing).rejects.toMatchObject({ code: "contract_broken", retryable: false });
    await expect(publishing).rejects.toThrow(message);
  }
  // The same definition, whose rows have changed.
  const plain = sql`SELECT shop, amount AS revenue, '' AS day FROM ${read} WHERE amount > 1`;
  await warehouse.publishView(viewOf(warehouse), plain);
  await warehouse.sql("INSERT INTO {sales} VALUES ('b', 9)");
  await expect(warehouse.publishView(viewOf(warehouse), plain)).rejects.toMatchObject({ code: "contract_broken" });
  await warehouse.sql("UPDATE {sales} SET amount = 5 WHERE shop = 'b'");
  await expect(warehouse.publishView(viewOf(warehouse), plain)).rejects.toMatchObject({ code: "contract_broken" });
  await warehouse.sql("DELETE FROM {sales} WHERE shop = 'b'; INSERT INTO {sales} VALUES (NULL, 4)");
  await expect(warehouse.publishView(viewOf(warehouse), plain)).rejects.toMatchObject({ code: "contract_broken" });
  expect(await rows(warehouse)).toEqual([
    ["a", "2.00"],
    ["b", "5.00"],
  ]);
});

interface Hung {
  readonly name: string;
  readonly hang: string;
  readonly show: string;
}

const HUNG: readonly Hung[] = [
  {
    name: "views, and views of views, with options, comments, grants and an owner",
    hang: `GRANT USAGE ON SCHEMA {s} TO PUBLIC; CREATE VIEW {v} WITH (security_barrier = true, security_invoker) AS SELECT shop AS "the ""shop", revenue FROM {x};
      CREATE VIEW {w} AS SELECT v.*, x.revenue AS again FROM {v} AS v, {x} AS x;
      CREATE VIEW {u} AS SELECT * FROM {w};
      COMMENT ON VIEW {v} IS 'theirs'; COMMENT ON COLUMN {v}.revenue IS 'money'; GRANT SELECT ON {v} TO reader;
      ALTER VIEW {w} OWNER TO writer; GRANT SELECT ON {v}, {x} TO writer`,
    show: `SELECT c.relname, relowner::regrole, relacl, reloptions, obj_description(c.oid), col_description(c.oid, 2), c.oid::text
      FROM pg_class AS c WHERE relkind = 'v' AND relnamespace = '{s}'::regnamespace ORDER BY 1`,
  },
  {
    name: "indexes with comments",
    hang: `CREATE INDEX theirs ON {x} (revenue DESC) INCLUDE (day) WHERE revenue > 1; COMMENT ON INDEX {s}.theirs IS 'why';
      CREATE INDEX ON {x} (lower(shop))`,
    show: `SELECT indexname, indexdef, obj_description(('"' || schemaname || '"."' || indexname || '"')::regclass) FROM pg_indexes
      WHERE schemaname = '{s}' ORDER BY 1`,
  },
  {
    name: "grants, also on columns and with grant option",
    hang: "GRANT SELECT ON {x} TO reader WITH GRANT OPTION; GRANT SELECT (shop) ON {x} TO PUBLIC",
    show: "SELECT relacl::text, attacl::text FROM pg_class, pg_attribute WHERE pg_class.oid = '{x}'::regclass AND attrelid = pg_class.oid AND attname = 'shop'",
  },
  {
    name: "an owner",
    hang: "GRANT CREATE, USAGE ON SCHEMA {s} TO writer; GRANT SELECT ON {sales} TO writer; ALTER MATERIALIZED VIEW {x} OWNER TO writer",
    show: "SELECT relowner::regrole::text, COALESCE(relacl, acldefault('r', relowner))::text FROM pg_class WHERE oid = '{x}'::regclass",
  },
  {
    name: "comments on columns without a description",
    hang: "COMMENT ON COLUMN {x}.revenue IS 'it''s money'",
    show: "SELECT col_description('{x}'::regclass, 2), obj_description('{x}'::regclass)",
  },
];

describe.each(["a refresh", "another definition"])("%s", (how) => {
  test.for(HUNG)("keeps $name", async ({ hang, show }) => {
    const warehouse = new Warehouse(server);
    const run = (text: string): Promise<(string | null)[][]> => warehouse.sql(text.replaceAll("{s}", warehouse.schema));
    await sales(warehouse);
    const target = viewOf(warehouse, { postgres: { indexes: [{ columns: ["day", "revenue"], name: "declared" }] } });
    await warehouse.publishView(target, sums(warehouse));
    await run(hang);
    const [shown, before] = [await run(show), await oid(warehouse)];
    await warehouse.sql("INSERT INTO {sales} VALUES ('c', 7)");
    await warehouse.publishView(target, sums(warehouse, how === "a refresh" ? "0" : "4"));
    expect(await run(show)).toEqual(shown);
    expect(await rows(warehouse)).toEqual(
      how === "a refresh"
        ? [
            ["a", "3.00"],
            ["b", "5.00"],
            ["c", "7.00"],
          ]
        : [
            ["b", "5.00"],
            ["c", "7.00"],
          ],
    );
    expect((await oid(warehouse))[0]?.[0] === before[0]?.[0]).toBe(how === "a refresh");
    for (const view of ["v", "w", "u"]) {
      const [[found] = []] = await run(`SELECT to_regclass('{${view}}')`);
      if (found != null)
        expect(await run(`SELECT count(DISTINCT revenue) FROM {${view}}`)).toEqual([[how === "a refresh" ? "3" : "2"]]);
    }
    await nothingStaged(warehouse);
  });
});

test("another definition may have other columns, which views that do not read them outlive", async () => {
  const warehouse = new Warehouse(server);
  await sales(warehouse);
  await warehouse.publishView(viewOf(warehouse), sums(warehouse));
  await warehouse.sql("CREATE VIEW {v} AS SELECT shop FROM {x}");
  const columns = warehouse.target({ more: z.boolean(), shop: z.string() }).columns;
  const read = { kind: "table", assetKey: `${warehouse.schema}/sales` } as const;
  await warehouse.publishView(
    { ...viewOf(warehouse), columns },
    sql`SELECT shop, true AS more FROM ${read} GROUP BY shop`,
  );
  expect(await warehouse.sql("SELECT * FROM {v} ORDER BY 1")).toEqual([["a"], ["b"]]);
  // One that does read a column is named, and nothing happens.
  await warehouse.sql("CREATE VIEW {w} AS SELECT more FROM {x}");
  const publishing = warehouse.publishView(viewOf(warehouse), sums(warehouse));
  await expect(publishing).rejects.toMatchObject({ code: "contract_broken" });
  await expect(publishing).rejects.toThrow(/more/);
  expect(await warehouse.sql("SELECT more FROM {w}")).toHaveLength(2);
});

test.each<[string, string, RegExp]>([
  ["a materialised view on it", "CREATE MATERIALIZED VIEW {m} AS SELECT * FROM {x}", /materialized view.*\.m/],
  [
    "a function that reads it",
    "CREATE FUNCTION {f}() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM {x}; END",
    /function/,
  ],
  ["a storage parameter", "ALTER MATERIALIZED VIEW {x} SET (fillfactor = 50)", /storage parameters/],
  ["a policy of another table", "CREATE POLICY p ON {sales} USING (shop IN (SELECT shop FROM {x}))", /policy/],
])(
  "%s keeps a view from being defined anew, which is said before anything changes; a refresh goes on",
  async (_name, hang, message) => {
    const warehouse = new Warehouse(server);
    await sales(warehouse);
    await warehouse.publishView(viewOf(warehouse), sums(warehouse));
    await warehouse.sql(hang);
    const staging = warehouse.publishView(viewOf(warehouse), sums(warehouse, "4"));
    await expect(staging).rejects.toMatchObject({ code: "contract_broken" });
    await expect(staging).rejects.toThrow(message);
    expect(await rows(warehouse)).toHaveLength(2);
    await warehouse.sql("INSERT INTO {sales} VALUES ('c', 7)");
    await warehouse.publishView(viewOf(warehouse), sums(warehouse));
    expect(await rows(warehouse)).toHaveLength(3);
  },
);

test("a table becomes a materialised view and the other way round; what hangs on them comes along", async () => {
  const warehouse = new Warehouse(server);
  await sales(warehouse);
  const storage = { postgres: { indexes: [{ columns: ["revenue"] }] } };
  const target = viewOf(warehouse, storage);
  const kind = (): Promise<(string | null)[][]> =>
    warehouse.sql("SELECT relkind::text FROM pg_class WHERE oid = '{x}'::regclass");
  await warehouse.publishQuery(target, sums(warehouse));
  await warehouse.sql(
    `CREATE VIEW {v} AS SELECT shop FROM {x}; GRANT SELECT ON {x} TO reader; CREATE INDEX theirs ON {x} (day)`,
  );
  const show = `SELECT relacl::text, (SELECT string_agg(indexname, ',' ORDER BY indexname) FROM pg_indexes
    WHERE schemaname = '${warehouse.schema}' AND indexname <> 'x_shop_idx') FROM pg_class WHERE oid = '{x}'::regclass`;
  const shown = await warehouse.sql(show);
  await warehouse.publishView(target, sums(warehouse, "4"));
  expect(await kind()).toEqual([["m"]]);
  expect(await warehouse.sql(show)).toEqual(shown);
  expect(await warehouse.sql("SELECT * FROM {v}")).toEqual([["b"]]);
  for (const write of [
    () => warehouse.publishQuery(target, sums(warehouse)),
    () => warehouse.publishRows(target, [{ shop: "q", revenue: "1.00", day: null }]),
  ]) {
    await write();
    expect(await kind()).toEqual([["r"]]);
    expect(await warehouse.sql(show)).toEqual(shown);
    expect(await warehouse.sql("SELECT * FROM {v} ORDER BY 1")).toEqual(
      await warehouse.sql("SELECT shop FROM {x} ORDER BY 1"),
    );
    await warehouse.publishView(target, sums(warehouse));
    expect(await kind()).toEqual([["m"]]);
  }
  await nothingStaged(warehouse);
});

test("what a change of kind cannot carry along is said, and nothing happens", async () => {
  const warehouse = new Warehouse(server);
  await sales(warehouse);
  const target = viewOf(warehouse);
  await warehouse.publishQuery(target, sums(warehouse));
  await warehouse.sql("ALTER TABLE {x} ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON {x} USING (true)");
  const staging = warehouse.publishView(target, sums(warehouse));
  await expect(staging).rejects.toMatchObject({ code: "contract_broken" });
  await expect(staging).rejects.toThrow(/row policies/);
  await warehouse.sql("DROP TABLE {x}");
  await warehouse.publishView(target, sums(warehouse));
  await warehouse.sql("CREATE MATERIALIZED VIEW {m} AS SELECT * FROM {x}");
  const again = warehouse.publishQuery(target, sums(warehouse));
  await expect(again).rejects.toMatchObject({ code: "contract_broken" });
  await expect(again).rejects.toThrow(/materialized view.*\.m/);
  await warehouse.sql("DROP MATERIALIZED VIEW {m}");
  const append = { ...target, strategy: { kind: "append" } } as const;
  await warehouse.publishQuery(append, sums(warehouse)).catch(() => undefined);
  expect(await rows(warehouse)).toHaveLength(2);
});

test("a view that people dropped, emptied or lost the key of is made again", async () => {
  const warehouse = new Warehouse(server);
  await sales(warehouse);
  const target = viewOf(warehouse);
  for (const harm of [
    "DROP MATERIALIZED VIEW {x}",
    "REFRESH MATERIALIZED VIEW {x} WITH NO DATA",
    `DROP INDEX ${warehouse.schema}.x_shop_idx`,
    "SELECT 1",
  ]) {
    await warehouse.publishView(target, sums(warehouse));
    await warehouse.sql(harm);
    await warehouse.publishView(target, sums(warehouse));
    expect(await rows(warehouse)).toHaveLength(2);
    expect(await warehouse.sql(`SELECT indexname FROM pg_indexes WHERE schemaname = '${warehouse.schema}'`)).toEqual([
      ["x_shop_idx"],
    ]);
  }
});

test("readers of a view and of a view on it see the old rows or the new ones while it is refreshed and defined anew", async () => {
  const warehouse = new Warehouse(server);
  await sales(warehouse);
  const target = viewOf(warehouse);
  await warehouse.sql("INSERT INTO {sales} SELECT 's' || n, 1 FROM generate_series(1, 2000) AS n");
  await warehouse.publishView(target, sums(warehouse));
  await warehouse.sql(
    "CREATE VIEW {v} AS SELECT * FROM {x}; CREATE VIEW {w} AS SELECT v.revenue FROM {v} AS v JOIN {x} AS x USING (shop)",
  );
  const over = new AbortController();
  const seen = new Set<string>();
  const clients = await Promise.all(["x", "v", "w"].map(async (name) => ({ name, client: await connect(server.url) })));
  const reading = clients.map(async ({ name, client }) => {
    let reads = 0;
    while (!over.signal.aborted) {
      const [[found] = []] = await textOf(
        client,
        `SELECT count(*) || ' of ' || max(revenue) FILTER (WHERE revenue < 100) FROM ${warehouse.name(name)}`,
      );
      seen.add(found ?? "none");
      reads += 1;
    }
    await client.end();
    return reads;
  });
  for (let round = 2; round <= 12; round += 1) {
    await warehouse.sql(`BEGIN; UPDATE {sales} SET amount = ${round} WHERE shop LIKE 's%'; COMMIT`);
    await warehouse.publishView(target, sums(warehouse, round % 3 === 0 ? String(-round) : "0"));
  }
  over.abort();
  for (const reads of await Promise.all(reading)) expect(reads).toBeGreaterThan(5);
  for (const found of seen) expect(found).toMatch(/^2002 of \d+\.00$/);
  expect(seen.size).toBeGreaterThan(1);
});

test("a reader who does not leave makes a new definition wait, then give up; others read on meanwhile", async () => {
  const warehouse = new Warehouse(server, { DATABASE_LOCK_TIMEOUT_SECONDS: "3" });
  await sales(warehouse);
  const target = viewOf(warehouse);
  await warehouse.publishView(target, sums(warehouse));
  await warehouse.sql("CREATE VIEW {v} AS SELECT * FROM {x}");
  const reader = await connect(server.url);
  await reader.query(`BEGIN; SELECT * FROM ${warehouse.name("v")}`);
  // A refresh does not care.
  await warehouse.publishView(target, sums(warehouse));
  const logged: string[] = [];
  const given = attempt({ log: (message) => logged.push(message) });
  const staged = await warehouse.store.stageView(target, sums(warehouse, "4"), "full", null, given);
  const over = new AbortController();
  const publishing = expect(publish(staged, target, given)).rejects.toMatchObject({
    code: "lock_timeout",
    retryable: true,
  });
  void publishing.finally(() => {
    over.abort();
  });
  while (!over.signal.aborted) expect(await warehouse.sql("SELECT count(*) FROM {v}")).toEqual([["2"]]);
  await publishing;
  await staged.discard();
  expect(logged.join()).toContain("Waiting");
  await reader.query("COMMIT");
  await reader.end();
  await warehouse.publishView(target, sums(warehouse, "4"));
  expect(await rows(warehouse)).toEqual([["b", "5.00"]]);
});

test("the ledger's line is made with the view: refused, neither is there", async () => {
  const warehouse = new Warehouse(server);
  await sales(warehouse);
  const target = viewOf(warehouse);
  for (const expected of [
    [],
    [
      ["a", "3.00"],
      ["b", "5.00"],
    ],
  ]) {
    const given = attempt();
    const staged = await warehouse.store.stageView(target, sums(warehouse, "4"), "full", null, given);
    const broken = { ...entryOf(target, given, await staged.facts()), report: "{ no JSON" };
    await expect(staged.publish(broken)).rejects.toMatchObject({ code: "statement_failed" });
    await staged.discard();
    expect(
      await warehouse.sql(
        `SELECT relname FROM pg_class WHERE relname = 'x' AND relnamespace = '${warehouse.schema}'::regnamespace`,
      ),
    ).toHaveLength(expected.length === 0 ? 0 : 1);
    await warehouse.publishView(target, sums(warehouse));
    expect(await rows(warehouse)).toHaveLength(2);
  }
});

test("views are made, refreshed and defined anew behind PgBouncer in transaction mode", async () => {
  const bouncer = await startEngine("pgbouncer", {
    dataDir: join(server.folder, "pgbouncer"),
    target: server.url,
    poolSize: 2,
  });
  try {
    const warehouse = new Warehouse(server, { DATABASE_URL: bouncer.url });
    await sales(warehouse);
    const target = viewOf(warehouse);
    await warehouse.publishView(target, sums(warehouse));
    await warehouse.sql("CREATE VIEW {v} AS SELECT * FROM {x}; INSERT INTO {sales} VALUES ('c', 7)");
    await warehouse.publishView(target, sums(warehouse));
    expect(await rows(warehouse)).toHaveLength(3);
    await warehouse.publishView(target, sums(warehouse, "6"));
    expect(await warehouse.sql("SELECT shop FROM {v}")).toEqual([["c"]]);
    await warehouse.store.close();
  } finally {
    await bouncer.stop();
  }
});
