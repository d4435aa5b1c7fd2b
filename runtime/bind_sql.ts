import type { Check } from "../definitions/check.ts";
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
  return keys === null ? sql : bindSql(sql, "keys", listOf(keys, store));
}

/** Values bound as a list, in brackets. */
export function listOf(keys: readonly string[], store: Pick<StoreKind, "typeName">): Sql {
  const end = ` AS ${store.typeName({ kind: "string" })})`;
  const strings = ["(CAST(", ...keys.slice(1).map(() => `${end}, CAST(`), `${end})`];
  return { kind: "sql", strings, values: keys };
}

/** The check with something else where its SQL says the keys. */
export function bindCheck(check: Check, keys: Sql): Check {
  const { rule } = check;
  if (rule.kind === "sql") return { ...check, rule: { ...rule, bad: bindSql(rule.bad, "keys", keys) } };
  if (rule.kind !== "same_sum" || rule.where === null) return check;
  return { ...check, rule: { ...rule, where: bindSql(rule.where, "keys", keys) } };
}
