import { describe, expect, test } from "vitest";
import { asWarehouse, chooseWarehouse, serversToStart, tellUnanswered } from "../../../ops/start/warehouse.ts";

const answering = (store: string) => ({ store, unproven: null });
const away = (store: string, code: string, message = "nobody is there") => ({ store, unproven: { code, message } });

describe("npm start", () => {
  test("--warehouse replaces the store of all schemas and keeps those of single ones", () => {
    expect(chooseWarehouse(undefined, undefined)).toBeUndefined();
    expect(chooseWarehouse(undefined, "duckdb,a=postgres")).toBe("duckdb,a=postgres");
    expect(chooseWarehouse("hyper", undefined)).toBe("hyper");
    expect(chooseWarehouse("hyper", "duckdb,a=postgres")).toBe("hyper,a=postgres");
    expect(chooseWarehouse("duckdb", "a=postgres,b=clickhouse")).toBe("duckdb,a=postgres,b=clickhouse");
  });

  test("refuses stores that are not there and a WAREHOUSE that cannot be read", () => {
    expect(() => asWarehouse("mysql")).toThrow('--warehouse takes duckdb, postgres, clickhouse or hyper, not "mysql"');
    expect(() => asWarehouse("toString")).toThrow("--warehouse takes");
    expect(() => chooseWarehouse("hyper", "duckdb,postgres")).toThrow(/cannot both/);
    expect(() => chooseWarehouse(undefined, "a=postgress")).toThrow('WAREHOUSE takes duckdb, postgres, clickhouse or hyper, not "postgress"'); // prettier-ignore
  });

  test("starts a server for each store that a table is in and no variable names", () => {
    const stores = ["clickhouse", "duckdb", "hyper", "postgres"].map(answering);
    expect(serversToStart(stores, { HYPER_URL: "postgres://hyper@host:1//file", CLICKHOUSE_URL: "" })).toEqual([
      "clickhouse",
      "postgres",
    ]);
    expect(serversToStart([answering("duckdb")], {})).toEqual([]);
  });

  test("says in one line which server does not answer, where it is and what to do, without its password", () => {
    const env = { DATABASE_URL: "postgres://me:secret@db.example:5999/warehouse" };
    const line = tellUnanswered([answering("duckdb"), away("postgres", "postgres_unreachable", "no answer\n at all")], env); // prettier-ignore
    expect(line).toBe(
      "Nothing was run: postgres cannot be used. no answer at all. DATABASE_URL names db.example:5999: " +
        "start or correct it, or leave DATABASE_URL out for a server that is started on this machine",
    );
    expect(tellUnanswered([answering("duckdb"), answering("postgres")], env)).toBeUndefined();
  });

  test("goes on where a server answers, though its user may not prove SQL there", () => {
    expect(tellUnanswered([away("postgres", "permission_denied"), away("clickhouse", "access_denied")], {})).toBe(
      undefined,
    );
  });
});
