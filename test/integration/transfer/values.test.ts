import { describe, expect, it } from "vitest";
import { date, decimal, json, timestamp, z } from "../../../definitions/index.ts";
import type { ProjectError } from "../../../definitions/project_error.ts";
import { clickhouse } from "../../../resources/clickhouse/kind.ts";
import { duckdb } from "../../../resources/duckdb/kind.ts";
import { hyper } from "../../../resources/hyper/kind.ts";
import { postgres } from "../../../resources/postgres/kind.ts";
import type { CopiedSource } from "../../../runtime/copied_source.ts";
import { KINDS, newTarget, Stores, valuesOf } from "./stores.ts";

const stores = Stores.forThisFile();

/** A table of PostgreSQL that no asset makes. */
async function postgresTable(definition: string): Promise<CopiedSource> {
  const { schema } = newTarget({});
  await stores.query(postgres, `CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.source AS ${definition}`);
  return { format: "postgres", schema, table: "source", url: "DATABASE_URL" };
}

async function faultOf(act: () => Promise<unknown>): Promise<ProjectError> {
  try {
    await act();
  } catch (error) {
    return error as ProjectError;
  }
  throw new Error("expected a fault");
}

describe.each(KINDS.filter((kind) => kind !== postgres))("from PostgreSQL to $name", (to) => {
  it.each([
    ["NaN as a decimal", "'NaN'::numeric(12,2)", decimal(12, 2)],
    ["more digits than a decimal has", "12345678901.5::numeric", decimal(12, 2)],
    ["more than an integer", "2147483648::bigint", z.int32()],
    ["text where a number is expected", "'12a'::text", z.int()],
  ])("%s stops the copy", async (_name, value, type) => {
    const source = await postgresTable(`SELECT ${value} AS a`);
    const fault = await faultOf(() => stores.copy(to, newTarget({ a: type }), source));
    expect(fault.retryable).toBe(false);
    expect(fault.message).toMatch(/NaN|numeric field overflow|out of range|12a/);
  });

  it("takes types that only PostgreSQL has, by their text or as documents", async () => {
    const source = await postgresTable(`SELECT
      '6f6b1e0e-9f6a-4e5e-8c55-0f8b7a2a6b61'::uuid AS u, 5::smallint AS s, 'a'::varchar(3) AS v, 1.5::numeric AS n,
      '{"a": 1}'::jsonb AS j, ARRAY[1, 2] AS l, ARRAY[1, 2] AS m, '2017-01-02 03:04:05.678901'::timestamp AS t, '10.0.0.1'::inet AS i,
      '2017-01-02 01:00:00+02'::timestamptz AS d, 7::bigint AS f`);
    const shape = {
      ...{
        u: z.string(),
        s: z.int(),
        v: z.string(),
        n: decimal(10, 4),
        j: z.string(),
        l: z.string(),
        m: json(z.array(z.int())),
      },
      ...{ t: timestamp(), i: z.string(), d: date(), f: z.number() },
    };
    const target = newTarget(shape);
    await stores.copy(to, target, source);
    expect(await stores.rows(to, target)).toEqual([
      [
        ...["6f6b1e0e-9f6a-4e5e-8c55-0f8b7a2a6b61", "5", "a", "1.5000", '{"a": 1}', "{1,2}"],
        ...["[1,2]", "2017-01-02T03:04:05.678901Z", "10.0.0.1/32", "2017-01-01", "7"],
      ],
    ]);
  });

  it("copies no rows as no rows, and a million as a million", async () => {
    const shape = { id: z.int(), name: z.string().nullable(), at: timestamp() };
    const none = newTarget(shape);
    await stores.copy(to, none, await postgresTable("SELECT 1 AS id, 'x' AS name, now() AS at WHERE false"));
    expect(await stores.rows(to, none)).toEqual([]);
    const many = newTarget(shape);
    const source = await postgresTable(
      `SELECT g AS id, CASE WHEN g % 3 > 0 THEN 'name ' || g END AS name, timestamptz '2017-01-01' + g * interval '1 s' AS at
        FROM generate_series(1, 1000000) AS g`,
    );
    await stores.copy(to, many, source);
    const [[count, sum, names, last] = []] = await stores.query(
      to,
      `SELECT count(*), sum(id), count(name), max(name) FROM ${many.schema}.x`,
    );
    expect([count, sum, names, last]).toEqual(["1000000", "500000500000", "666667", "name 999998"]);
  });

  it("reads columns under other names, and says which are missing", async () => {
    const source = await postgresTable(`SELECT 1 AS "A b", 'x' AS c`);
    const target = newTarget({ id: z.int(), again: z.int(), c: z.string() });
    await stores.copy(to, target, source, { id: "A b", again: "A b" });
    expect(await stores.rows(to, target)).toEqual([["1", "1", "x"]]);
    const fault = await faultOf(() => stores.copy(to, newTarget({ id: z.int(), c: z.string() }), source));
    expect(fault.code).toBe("contract_broken");
    expect(fault.message).toContain('has no column "id"; it has "A b", "c"');
  });

  it("says what to do when the table is not there", async () => {
    const fault = await faultOf(() =>
      stores.copy(to, newTarget({ id: z.int() }), {
        format: "postgres",
        schema: "nope",
        table: "t",
        url: "DATABASE_URL",
      }),
    );
    expect(fault).toMatchObject({ code: "undefined_relation", retryable: false });
    expect(fault.message).toContain("nope.t");
  });
});

describe.each([
  { instant: "infinity", to: duckdb, arrives: true },
  { instant: "infinity", to: clickhouse, arrives: false },
  { instant: "infinity", to: hyper, arrives: false },
  { instant: "1899-12-31 23:59:59+00", to: clickhouse, arrives: false },
  { instant: "2300-01-01 00:00:00+00", to: clickhouse, arrives: false },
  { instant: "0044-03-15 00:00:00+00 BC", to: duckdb, arrives: false },
  { instant: "0044-03-15 00:00:00+00 BC", to: hyper, arrives: true },
  { instant: "294000-01-01 00:00:00+00", to: duckdb, arrives: false },
])("$instant in PostgreSQL, copied to $to.name", ({ instant, to, arrives }) => {
  it(arrives ? "arrives" : "stops the copy, and the fault names it", async () => {
    const source = await postgresTable(`SELECT '${instant}'::timestamptz AS a, 'infinity'::date AS b`);
    const target = newTarget({ a: timestamp() });
    if (arrives) {
      await stores.copy(to, target, source);
      expect(await stores.rows(to, target)).toEqual([[instant]]);
      return;
    }
    const fault = await faultOf(() => stores.copy(to, target, source));
    expect(fault.message).toContain(`out of range: ${instant}`);
    expect(fault.retryable).toBe(false);
  });
});

it.each([duckdb, hyper])("ClickHouse refuses instants of $name that it does not keep", async (from) => {
  for (const instant of ["1899-12-31T23:59:59.999999Z", "2300-01-01T00:00:00.000000Z"]) {
    const source = newTarget({ at: timestamp() });
    await stores.make(from, source, valuesOf(from, source, [[instant]]));
    const fault = await faultOf(() =>
      stores.copy(clickhouse, newTarget({ at: timestamp() }), { format: "asset", target: source, store: from }),
    );
    expect(fault.message).toContain('column "at" holds instants outside of 1900 to 2299');
  }
});

it.each(KINDS)("a table of $name that is not there has to be materialized first", async (from) => {
  const to = from === duckdb ? hyper : duckdb;
  const missing = newTarget({ id: z.int() });
  const fault = await faultOf(() =>
    stores.copy(to, newTarget({ id: z.int() }), { format: "asset", target: missing, store: from }),
  );
  expect(fault).toMatchObject({ code: "undefined_relation", retryable: false });
  expect(fault.message).toMatch(/materialize/);
});
