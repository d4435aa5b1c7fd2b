import type { Sql, SqlValue } from "../definitions/sql.ts";
import type { StoreKind } from "../resources/store.ts";

/** The SQL with something else where it says what the run supplies. */
export function bindSql(sql: Sql, kind: "cursor" | "keys", bound: Sql): Sql {
  const bind = (value: SqlValue): SqlValue => {
    if (value === null || typeof value !== "object" || value instanceof Date) return value;
    if (value.kind === kind) return bound;
    return value.kind === "sql" ? { ...value, values: value.values.map(bind) } : value;
  };
  return { ...sql, values: sql.values.map(bind) };
}

/** The SQL with a list of bound values where it says the keys of the run; as it is where the run has none. */
export function bindKeys(sql: Sql, keys: readonly string[] | null, store: Pick<StoreKind, "typeName">): Sql {
  if (keys === null) return sql;
  const end = ` AS ${store.typeName({ kind: "string" })})`;
  const strings = ["(CAST(", ...keys.slice(1).map(() => `${end}, CAST(`), `${end})`];
  return bindSql(sql, "keys", { kind: "sql", strings, values: keys });
}
