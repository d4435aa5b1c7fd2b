import type { AssetOptions, Shape } from "./asset.ts";
import type { Sql } from "./sql.ts";
import type { ValidationSource } from "./validation.ts";

/** The keys of the assets that a body reads or follows, as far as it says so in the right form. */
export function readsOf({ body }: Pick<AssetOptions<Shape>, "body">): ReadonlySet<string> {
  if ("rows" in body || "task" in body) return new Set((body.deps ?? []).map(({ assetKey }) => assetKey));
  if (body.kind === "copy") return new Set("format" in body.source ? [] : [body.source.assetKey]);
  if (body.kind === "diff")
    return new Set([body.left, body.right].flatMap((side) => ("format" in side ? [] : [side.assetKey])));
  if (body.kind === "archive") return new Set([body.source.assetKey]);
  if (body.kind === "validation") return new Set([body.left, body.right].flatMap(keysOfSide));
  const query = body.kind === "materialized_view" ? body.query : body;
  return new Set(query.kind === "sql" ? keysIn(query) : Object.values(query.refs).map(({ assetKey }) => assetKey));
}

function keysOfSide(source: ValidationSource): string[] {
  if ("format" in source) return source.format === "superset" ? [source.object.assetKey ?? ""].filter(Boolean) : [];
  return source.kind === "sql" ? keysIn(source) : [source.assetKey];
}

function keysIn({ values }: Sql): string[] {
  return values.flatMap((value) => {
    if (typeof value !== "object" || value === null || value instanceof Date) return [];
    if (value.kind === "sql") return keysIn(value);
    return value.kind === "table" || value.kind === "column" ? [value.assetKey] : [];
  });
}
