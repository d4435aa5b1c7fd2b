import type { ManifestAsset } from "../definitions/manifest_schema.ts";
import type { ResolvedAsset } from "./resolve.ts";

/** What Dagster calls the body of an asset: how two tables differ are rows from TypeScript. */
export function bodyName({ body }: Pick<ResolvedAsset, "body">): ManifestAsset["body"] {
  if (body.kind === "diff") return "rows";
  return body.kind === "query" && body.view !== null ? "materialized_view" : body.kind;
}

/** What steps of a run have in common that run one at a time; `null`: nothing. */
export function exclusiveOf({ body, store }: Pick<ResolvedAsset, "body" | "store">): string | null {
  switch (body.kind) {
    case "task":
    case "superset":
      return null;
    case "archive":
      return store.exclusive("query");
    case "validation":
      return store.exclusive("rows");
    case "diff":
      // It holds the tables that it reads for as long as a query does.
      return [body.left, body.right].map((side) => side.store?.exclusive("query") ?? null).find(Boolean) ?? null;
    default:
      return store.exclusive(body.kind);
  }
}
