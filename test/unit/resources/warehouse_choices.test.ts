import { describe, expect, test } from "vitest";
import { chooseStore, warehouseFaults } from "../../../resources/stores.ts";
import { formatWarehouse, parseWarehouse } from "../../../resources/warehouse_choices.ts";

function storeOf(warehouse: string | undefined, schema = "retail", own?: string): string {
  const chosen = chooseStore(own, schema, { WAREHOUSE: warehouse });
  return typeof chosen === "string" ? chosen : `store ${chosen.name}`;
}

describe("WAREHOUSE", () => {
  test.each([
    [undefined, "store duckdb"],
    ["", "store duckdb"],
    ["postgres", "store postgres"],
    ["postgres,retail=clickhouse", "store clickhouse"],
    ["retail=clickhouse,postgres", "store clickhouse"],
    ["postgres,other=clickhouse", "store postgres"],
    ["other=clickhouse", "store duckdb"],
    [" duckdb , retail = postgres ", "store postgres"],
  ])("%j puts the schema retail into its store", (warehouse, expected) => {
    expect(storeOf(warehouse)).toBe(expected);
  });

  test.each([
    ["x=", /"x=" is neither a store nor schema=store/],
    ["=postgres", /"=postgres" is neither/],
    ["duckdb,retail=postgres=hyper", /"retail=postgres=hyper" is neither/],
    ["duckdb,", /"" is neither/],
    [",", /"" is neither/],
    ["postgres,duckdb", /postgres and duckdb cannot both be the store of all schemas/],
    ["postgres,postgres", /cannot both/],
    ["retail=postgres,retail=duckdb", /the schema retail is there twice/],
    ["retail postgres", /^WAREHOUSE: no store is called "retail postgres"; expected one of duckdb, postgres/],
    ["retail=Postgres", /^WAREHOUSE: no store is called "Postgres"/],
  ])("%j is a fault, and never another store", (warehouse, message) => {
    expect(storeOf(warehouse)).toMatch(message);
    expect(storeOf(warehouse)).toContain("WAREHOUSE");
  });

  test("is not asked where an asset chooses by itself", () => {
    expect(storeOf("postgres,duckdb", "retail", "hyper")).toBe("store hyper");
    expect(storeOf("postgres", "retail", "hyperr")).toMatch(/^no store is called "hyperr"/);
  });

  test("may not name a schema that no asset has", () => {
    const faults = (warehouse: string): string[] =>
      warehouseFaults(new Set(["retail", "marts"]), { WAREHOUSE: warehouse });
    expect(faults("postgres,retail=duckdb,marts=hyper")).toEqual([]);
    expect(faults("duckdb,reatil=postgres")).toEqual([
      'WAREHOUSE: no asset is in the schema "reatil"; expected one of marts, retail',
    ]);
  });

  test("is written as it is read", () => {
    for (const text of ["", "postgres", "postgres,a=duckdb,b=hyper", "a=duckdb"]) {
      const choices = parseWarehouse(text);
      expect(typeof choices === "string" ? choices : formatWarehouse(choices)).toBe(text);
    }
  });
});
