import { createHash } from "node:crypto";

/** The schema in which the runtime keeps its own tables. */
export const OWN_SCHEMA = "_dagster_typescript";

/** A name as standard SQL takes it, whatever is in it. */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * Text as a literal; for statements that take no parameters, such as COMMENT ON. Without its NUL characters,
 * at which a driver would end the statement; PostgreSQL must have `standard_conforming_strings` on.
 */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''").replaceAll("\0", "")}'`;
}

/** The quoted name of an asset's table. */
export function tableName(assetKey: string): string {
  return assetKey.split("/").map(quote).join(".");
}

/** The quoted name of one of the runtime's own tables. */
export function ownTable(name: "ledger" | "quarantine" | "archive_files"): string {
  return `${quote(OWN_SCHEMA)}.${quote(name)}`;
}

/** A short name that no other asset and run share. */
export function stagingName(assetKey: string, runId: string): string {
  return `_stage_${createHash("sha256").update(`${assetKey}\0${runId}`).digest("hex").slice(0, 24)}`;
}
