import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { date, decimal, sql, z } from "../../../definitions/index.ts";
import type { WriteStrategy } from "../../../resources/store.ts";
import { Server } from "./server.ts";
import { Warehouse } from "./warehouse.ts";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
}, 900_000);
afterAll(() => server.stop());

const shape = {
  id: z.int32().describe("Its number"),
  shop: z.string(),
  day: date().nullable(),
  price: decimal(12, 2).nullable(),
};
const before = [
  { id: 1, shop: "a", day: "2024-01-01", price: "1.00" },
  { id: 2, shop: "b", day: "2024-01-02", price: "2.00" },
];
const after = [
  { id: 1, shop: "a", day: "2024-01-01", price: "10.00" },
  { id: 3, shop: "a", day: "2024-01-03", price: null },
];

const STRATEGIES: readonly (readonly [name: string, strategy: WriteStrategy, ids: string])[] = [
  ["replace", { kind: "replace" }, "1,3"],
  [
    "replacePartitions",
    { kind: "replacePartitions", partitions: { kind: "keys", column: "shop", keys: ["a"] } },
    "1,2,3",
  ],
  ["append", { kind: "append" }, "1,1,2,3"],
  ["merge", { kind: "merge", key: ["id"] }, "1,2,3"],
];

/** What people hang on `{x}`, how it shows, and what it has to be after a publish; by default what it was. */
interface Kind {
  readonly name: string;
  readonly hang: string;
  readonly show: string;
  readonly then?: (ids: string) => (string | null)[][];
  /** Append adds a key a second time, which a key of the table rightly refuses. */
  readonly isKey?: boolean;
  /** Whether a replace keeps the table and changes its rows; otherwise it is swapped for the staged one. */
  readonly keepsTable: boolean;
}

const count = (ids: string): (string | null)[][] => [[ids]];
const IDS = "SELECT string_agg(id::text, ',' ORDER BY id) FROM";
const KINDS: readonly Kind[] = [
  { name: "nothing", hang: "SELECT 1", show: "SELECT 1", keepsTable: false },
  {
    name: "a view",
    hang: "CREATE VIEW {v} AS SELECT * FROM {x}",
    show: `${IDS} {v}`,
    then: count,
    keepsTable: true,
  },
  {
    name: "a view of a view",
    hang: "CREATE VIEW {w} AS SELECT id FROM {x}; CREATE VIEW {v} AS SELECT * FROM {w}",
    show: `${IDS} {v}`,
    then: count,
    keepsTable: true,
  },
  {
    name: "a materialised view with its index",
    hang: "CREATE MATERIALIZED VIEW {v} AS SELECT id, count(*) AS n FROM {x} GROUP BY id; CREATE UNIQUE INDEX ON {v} (id)",
    show: `REFRESH MATERIALIZED VIEW CONCURRENTLY {v}; SELECT string_agg(DISTINCT id::text, ',') FROM {v}`,
    then: (ids) => [[[...new Set(ids.split(","))].join(",")]],
    keepsTable: true,
  },
  {
    name: "a plain index with a comment",
    hang: `CREATE INDEX "plain; ""x" ON {x} (shop); COMMENT ON INDEX {s}."plain; ""x" IS 'it''s for shops'`,
    show: "SELECT indexdef, obj_description(indexname::text::regclass, 'pg_class') FROM (SELECT indexdef, format('%I.%I', schemaname, indexname) AS indexname FROM pg_indexes WHERE schemaname = '{schema}' AND tablename = 'x') AS i",
    keepsTable: false,
  },
  {
    name: "partial, unique, covering, composite and expression indexes",
    hang: `CREATE INDEX partial ON {x} (price) WHERE shop = 'a';
      CREATE UNIQUE INDEX uni ON {x} (id, price) INCLUDE (shop) NULLS NOT DISTINCT WITH (fillfactor = 70);
      CREATE INDEX comp ON {x} USING btree (day DESC NULLS LAST, shop text_pattern_ops);
      CREATE INDEX brin ON {x} USING brin (day);
      CREATE INDEX expr ON {x} ((lower(shop) || '; DROP')) `,
    show: "SELECT indexdef FROM pg_indexes WHERE schemaname = '{schema}' AND tablename = 'x' ORDER BY 1",
    keepsTable: false,
  },
  {
    name: "grants on the table, with and without grant option, to people and to all",
    hang: "GRANT SELECT ON {x} TO reader; GRANT INSERT, DELETE ON {x} TO writer WITH GRANT OPTION; GRANT SELECT ON {x} TO PUBLIC",
    show: "SELECT unnest(relacl)::text FROM pg_class WHERE oid = '{x}'::regclass ORDER BY 1",
    keepsTable: false,
  },
  {
    name: "a privilege that its owner gave up",
    hang: "REVOKE TRUNCATE, TRIGGER ON {x} FROM postgres",
    show: "SELECT unnest(relacl)::text FROM pg_class WHERE oid = '{x}'::regclass ORDER BY 1",
    keepsTable: false,
  },
  {
    name: "a grant by somebody else than the owner",
    hang: "GRANT SELECT ON {x} TO writer WITH GRANT OPTION; SET ROLE writer; GRANT SELECT ON {x} TO reader; RESET ROLE",
    show: "SELECT unnest(relacl)::text FROM pg_class WHERE oid = '{x}'::regclass ORDER BY 1",
    keepsTable: true,
  },
  {
    name: "grants on columns",
    hang: "GRANT SELECT (id, shop), UPDATE (shop) ON {x} TO reader",
    show: "SELECT attname, attacl FROM pg_attribute WHERE attrelid = '{x}'::regclass AND attacl IS NOT NULL ORDER BY 1",
    keepsTable: false,
  },
  {
    name: "row policies",
    hang: `ALTER TABLE {x} ENABLE ROW LEVEL SECURITY;
      CREATE POLICY "some; ""shops" ON {x} FOR SELECT TO reader, writer USING (shop = 'a' AND price > 0.5);
      CREATE POLICY restrict ON {x} AS RESTRICTIVE FOR UPDATE USING (true) WITH CHECK (shop <> 'it''s');
      COMMENT ON POLICY restrict ON {x} IS 'why';
      GRANT SELECT ON {x} TO reader`,
    show: `SELECT policyname, permissive, roles, cmd, qual, with_check, relrowsecurity, obj_description(p.oid, 'pg_policy')
      FROM pg_policies JOIN pg_policy AS p ON polname = policyname AND polrelid = '{x}'::regclass
      JOIN pg_class AS c ON c.oid = polrelid WHERE schemaname = '{schema}' ORDER BY 1`,
    keepsTable: false,
  },
  {
    name: "a policy that reads the table itself and another one",
    hang: `CREATE TABLE {mine} (id integer); ALTER TABLE {x} ENABLE ROW LEVEL SECURITY;
      CREATE POLICY own ON {x} USING (id IN (SELECT id FROM {mine}) OR id = (SELECT max(y.id) FROM {x} AS y))`,
    show: "SELECT policyname, qual FROM pg_policies WHERE schemaname = '{schema}'",
    keepsTable: false,
  },
  {
    name: "what people wrote about columns without a description",
    hang: `COMMENT ON COLUMN {x}.shop IS 'it''s "theirs"'; COMMENT ON COLUMN {x}.id IS 'the contract wins'`,
    show: "SELECT col_description('{x}'::regclass, 2), col_description('{x}'::regclass, 1), obj_description('{x}'::regclass)",
    then: () => [[`it's "theirs"`, "Its number", "A test."]],
    keepsTable: false,
  },
  {
    name: "an owner",
    hang: "GRANT CREATE, USAGE ON SCHEMA {s} TO writer; ALTER TABLE {x} OWNER TO writer",
    show: "SELECT relowner::regrole::text, relacl::text FROM pg_class WHERE oid = '{x}'::regclass",
    keepsTable: false,
  },
  {
    name: "a primary key",
    hang: "ALTER TABLE {x} ADD PRIMARY KEY (id)",
    show: "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '{x}'::regclass AND contype = 'p'",
    isKey: true,
    keepsTable: true,
  },
  {
    name: "a foreign key of another table, and its rows",
    hang: `ALTER TABLE {x} ADD PRIMARY KEY (id); CREATE TABLE {child} (x_id integer REFERENCES {x} ON DELETE CASCADE);
      INSERT INTO {child} VALUES (1)`,
    show: "SELECT x_id FROM {child}",
    isKey: true,
    keepsTable: true,
  },
  {
    name: "a check constraint, a trigger, statistics and a default",
    hang: `ALTER TABLE {x} ADD CONSTRAINT positive CHECK (id > 0), ALTER COLUMN price SET DEFAULT 0;
      CREATE STATISTICS {s}.both ON id, shop FROM {x};
      CREATE TRIGGER keep BEFORE TRUNCATE ON {x} EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
    show: `SELECT (SELECT count(*) FROM pg_constraint WHERE conrelid = '{x}'::regclass AND contype = 'c'),
      (SELECT count(*) FROM pg_trigger WHERE tgrelid = '{x}'::regclass),
      (SELECT count(*) FROM pg_statistic_ext WHERE stxrelid = '{x}'::regclass),
      (SELECT count(*) FROM pg_attrdef WHERE adrelid = '{x}'::regclass)`,
    keepsTable: true,
  },
  {
    name: "a function that returns its rows",
    hang: "CREATE FUNCTION {f}() RETURNS SETOF {x} LANGUAGE sql BEGIN ATOMIC SELECT * FROM {x}; END",
    show: `${IDS} {f}()`,
    then: count,
    keepsTable: true,
  },
  {
    name: "a publication",
    hang: "ALTER TABLE {x} REPLICA IDENTITY FULL; CREATE PUBLICATION {p} FOR TABLE {x}",
    show: "SELECT pubname = '{pubname}' FROM pg_publication_tables WHERE schemaname = '{schema}'",
    keepsTable: true,
  },
  {
    name: "a publication of its schema",
    hang: "CREATE PUBLICATION {p} FOR TABLES IN SCHEMA {s} WITH (publish = 'insert')",
    show: "SELECT pubname = '{pubname}' FROM pg_publication_tables WHERE schemaname = '{schema}'",
    keepsTable: true,
  },
  {
    name: "storage parameters",
    hang: "ALTER TABLE {x} SET (fillfactor = 50), ALTER COLUMN shop SET STATISTICS 500",
    show: "SELECT reloptions FROM pg_class WHERE oid = '{x}'::regclass",
    keepsTable: true,
  },
  {
    name: "storage parameters of its long values",
    hang: "ALTER TABLE {x} SET (toast.autovacuum_enabled = false)",
    show: "SELECT t.reloptions FROM pg_class AS c JOIN pg_class AS t ON t.oid = c.reltoastrelid WHERE c.oid = '{x}'::regclass",
    keepsTable: true,
  },
  {
    name: "the name of a NOT NULL, and what people wrote about it",
    hang: "ALTER TABLE {x} RENAME CONSTRAINT x_id_not_null TO must; COMMENT ON CONSTRAINT must ON {x} IS 'It must'",
    show: "SELECT conname, obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conrelid = '{x}'::regclass ORDER BY 1",
    then: () => [
      ["must", "It must"],
      ["x_shop_not_null", null],
    ],
    keepsTable: false,
  },
  {
    name: "what people wrote about its row type, and took from it",
    hang: "COMMENT ON TYPE {x} IS 'A sale'; REVOKE USAGE ON TYPE {x} FROM PUBLIC",
    show: "SELECT obj_description(oid, 'pg_type'), typacl FROM pg_type WHERE oid = (SELECT reltype FROM pg_class WHERE oid = '{x}'::regclass)",
    keepsTable: true,
  },
  {
    name: "an index that an extension takes with it",
    hang: "CREATE INDEX taken ON {x} (id); ALTER INDEX {s}.taken DEPENDS ON EXTENSION plpgsql",
    show: "SELECT deptype FROM pg_depend WHERE objid = '{s}.taken'::regclass AND deptype = 'x'",
    keepsTable: true,
  },
];

beforeAll(() => server.sql("CREATE ROLE reader; CREATE ROLE writer"));

describe.each(STRATEGIES)("%s", (_name, strategy, ids) => {
  test.for(KINDS)("keeps $name", async (kind) => {
    const warehouse = new Warehouse(server);
    const publication = `p_${randomUUID().slice(0, 8)}`;
    const run = (text: string): Promise<(string | null)[][]> =>
      warehouse.sql(
        text
          .replaceAll("{schema}", warehouse.schema)
          .replaceAll("{s}", warehouse.schema)
          .replaceAll("{p}", `"${publication}"`)
          .replaceAll("{pubname}", publication),
      );
    const first = warehouse.target(shape);
    const target = warehouse.target(shape, strategy);
    await warehouse.publishRows(first, before);
    await run(`GRANT USAGE ON SCHEMA {s} TO PUBLIC`);
    await run(kind.hang);
    const shown = await run(kind.show);
    const oid = await run("SELECT '{x}'::regclass::oid::text");

    const appendsKey = kind.isKey === true && strategy.kind === "append";
    const rows = appendsKey ? after.map((row) => ({ ...row, id: row.id + 10 })) : after;
    const expected = appendsKey ? "1,2,11,13" : ids;
    await warehouse.publishRows(target, rows);

    expect(await run(`${IDS} {x}`)).toEqual([[expected]]);
    expect(await run(kind.show)).toEqual(kind.then?.(expected) ?? shown);
    const isSame = (await run("SELECT '{x}'::regclass::oid::text"))[0]?.[0] === oid[0]?.[0];
    expect(isSame).toBe(strategy.kind !== "replace" || kind.keepsTable);
    expect(
      await run(`SELECT count(*) FROM pg_class WHERE relname LIKE '\\_stage%' AND relnamespace = '{s}'::regnamespace`),
    ).toEqual([["0"]]);
    // And by a query too.
    if (strategy.kind === "replace") {
      await warehouse.publishQuery(
        target,
        sql`SELECT id, shop, day, price FROM ${{ kind: "table", assetKey: target.assetKey }}`,
      );
      expect(await run(kind.show)).toEqual(kind.then?.(expected) ?? shown);
    }
  });
});

test("a table that a subscription fills stays it, so that what is published elsewhere goes on to come", async () => {
  const warehouse = new Warehouse(server);
  const target = warehouse.target(shape);
  await warehouse.publishRows(target, before);
  const name = `s_${warehouse.schema}`;
  await warehouse.sql(`CREATE PUBLICATION ${name} FOR TABLE {x}`);
  await warehouse.sql(
    `CREATE SUBSCRIPTION ${name} CONNECTION '${server.url}' PUBLICATION ${name} WITH (create_slot = false, slot_name = NONE, enabled = false)`,
  );
  await warehouse.sql(`DROP PUBLICATION ${name}`);
  await warehouse.publishRows(target, after);
  const tables =
    "SELECT srrelid::regclass = '{x}'::regclass FROM pg_subscription_rel WHERE srsubid = (SELECT oid FROM pg_subscription WHERE subname = '";
  expect(await warehouse.sql(`${tables}${name}')`)).toEqual([["true"]]);
  await warehouse.sql(`DROP SUBSCRIPTION ${name}`);
  expect(await warehouse.sql(`${IDS} {x}`)).toEqual([["1,3"]]);
});

test("a new table has the privileges that the schema gives to new ones", async () => {
  const warehouse = new Warehouse(server);
  await warehouse.sql(`CREATE SCHEMA ${warehouse.schema};
    ALTER DEFAULT PRIVILEGES IN SCHEMA ${warehouse.schema} GRANT SELECT ON TABLES TO reader`);
  await warehouse.publishRows(warehouse.target(shape), before);
  await warehouse.publishRows(warehouse.target(shape), before);
  expect(await warehouse.sql("SELECT has_table_privilege('reader', '{x}', 'SELECT')")).toEqual([["true"]]);
});

test("a table that is partitioned by people stays so, and takes the rows in", async () => {
  const warehouse = new Warehouse(server);
  await warehouse.sql(`CREATE SCHEMA ${warehouse.schema};
    CREATE TABLE {x} (id integer NOT NULL, shop text NOT NULL, day date, price numeric(12,2)) PARTITION BY LIST (shop);
    CREATE TABLE {a} PARTITION OF {x} FOR VALUES IN ('a'); CREATE TABLE {rest} PARTITION OF {x} DEFAULT`);
  for (const [, strategy] of STRATEGIES.slice(0, 2))
    await warehouse.publishRows(warehouse.target(shape, strategy), after);
  expect(await warehouse.sql(`${IDS} {a}`)).toEqual([["1,3"]]);
});

test("columns that something hangs on are not dropped: the publish says what keeps the table", async () => {
  const warehouse = new Warehouse(server);
  await warehouse.publishRows(warehouse.target(shape), before);
  await warehouse.sql("CREATE VIEW {v} AS SELECT shop FROM {x}");
  const narrower = warehouse.publishRows(warehouse.target({ id: z.int32() }), [{ id: 7 }]);
  await expect(narrower).rejects.toMatchObject({ code: "contract_broken" });
  await expect(narrower).rejects.toThrow(/view.*\.v.*"shop" is not in the contract/s);
  expect(await warehouse.sql(`${IDS} {x}`)).toEqual([["1,2"]]);
  // A new nullable column is no trouble.
  await warehouse.publishRows(warehouse.target({ ...shape, more: z.string().nullable() }), [
    { ...before[0], more: "m" },
  ]);
  expect(await warehouse.sql("SELECT id, more FROM {x}")).toEqual([["1", "m"]]);
});

test("a view in the place of the table is never dropped", async () => {
  const warehouse = new Warehouse(server);
  await warehouse.sql(`CREATE SCHEMA ${warehouse.schema}; CREATE VIEW {x} AS SELECT 7 AS id`);
  await expect(warehouse.publishRows(warehouse.target(shape), before)).rejects.toMatchObject({ code: "not_a_table" });
  expect(await warehouse.sql("SELECT id FROM {x}")).toEqual([["7"]]);
});
