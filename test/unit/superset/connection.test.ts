import { expect, test } from "vitest";
import { SupersetConfigError } from "../../../resources/superset/client/errors.ts";
import { storeConnection } from "../../../resources/superset/connection.ts";

const SNAPSHOT = "/data/my project/published/current/warehouse.duckdb";

test("over a network PostgreSQL is asked for TLS, unless its URL says otherwise", () => {
  const sslmode = (url: string): unknown =>
    storeConnection("postgres", { DATABASE_URL: url }, SNAPSHOT).connectArgs["sslmode"];
  expect(sslmode("postgres://u:p@db.example/w")).toBe("require");
  expect(sslmode("postgres://u:p@db.example/w?sslmode=verify-full")).toBe("verify-full");
  expect(sslmode("postgres://u:p@db.example/w?sslmode=disable")).toBe("disable");
  expect(sslmode("postgres://u:p@127.0.0.1:5432/w")).toBe("disable");
});

test("the password is in the URI alone, and is among what no message may hold", () => {
  const url = "postgres://u:p%40ss%2Fword@db.example/w?sslrootcert=/ca.pem&connect_timeout=3";
  const connection = storeConnection("postgres", { DATABASE_URL: url }, SNAPSHOT);
  expect(connection.uri).toBe("postgresql+psycopg2://u:p%40ss%2Fword@db.example/w");
  expect(connection.connectArgs).toMatchObject({ sslrootcert: "/ca.pem", connect_timeout: 3 });
  expect(connection.secrets).toEqual(["p%40ss%2Fword", "p@ss/word"]);
});

test("an account in the options of a URL goes where Superset hides it, and other secrets are refused without showing them", () => {
  const of = (store: "postgres" | "hyper", query: string): ReturnType<typeof storeConnection> =>
    storeConnection(store, { DATABASE_URL: `postgres://db/w${query}`, HYPER_URL: `postgres://h//w.hyper${query}` }, SNAPSHOT); // prettier-ignore
  const { uri, connectArgs, secrets } = of("postgres", "?user=u&password=p%40ss&sslmode=require");
  expect(uri).toBe("postgresql+psycopg2://u:p%40ss@db/w");
  expect(JSON.stringify(connectArgs)).not.toContain('ss"');
  expect(secrets).toEqual(["p%40ss", "p@ss"]);
  expect(of("hyper", "?user=u&password=p").uri).toBe("postgresql+hyper://u:p@h//w.hyper");
  const refused = (): unknown => of("postgres", "?sslpassword=hunter2");
  expect(refused).toThrow(/option sslpassword/);
  expect(refused).not.toThrow(/hunter2/);
});

test("ClickHouse over https is verified, on the port of https", () => {
  const env = { CLICKHOUSE_URL: "https://u:p@ch.example", CLICKHOUSE_CA_FILE: "/ca.pem" };
  const { uri, connectArgs } = storeConnection("clickhouse", env, SNAPSHOT);
  expect(uri).toBe("clickhousedb://u:p@ch.example:8443/");
  expect(connectArgs).toMatchObject({ secure: true, ca_cert: "/ca.pem" });
});

test("the file of Hyper and the snapshot of DuckDB are named as they are on the disk", () => {
  const env = { HYPER_URL: "postgres://u:p@h:7483//data/my%20project/warehouse.hyper" };
  expect(storeConnection("hyper", env, SNAPSHOT).uri).toBe(
    "postgresql+hyper://u:p@h:7483//data/my project/warehouse.hyper",
  );
  expect(storeConnection("duckdb", {}, SNAPSHOT).uri).toBe(`duckdb:///${SNAPSHOT}`);
});

test("Superset may have an address of its own, and one that cannot be read is not shown", () => {
  const env = { DATABASE_URL: "postgres://owner:a@localhost/w", SUPERSET_POSTGRES_URL: "postgres://reader:b@db/w" };
  expect(storeConnection("postgres", env, SNAPSHOT).uri).toContain("reader:b@db");
  expect(() => storeConnection("hyper", {}, SNAPSHOT)).toThrow(/HYPER_URL: is not set/);
  const wrong = (): unknown => storeConnection("hyper", { HYPER_URL: "hunter2" }, SNAPSHOT);
  expect(wrong).toThrow(SupersetConfigError);
  expect(wrong).not.toThrow(/hunter2/);
});
