import { createHash } from "node:crypto";
import { OWN_SCHEMA, quote, stagingName } from "../quote.ts";

/** The quoted name of the table by whose rows publishes take turns. */
export const TURNS = `${quote(OWN_SCHEMA)}.${quote("turns")}`;

/** The quoted name of the table of swaps that are under way. */
export const SWAPS = `${quote(OWN_SCHEMA)}.${quote("swaps")}`;

/** The quoted name of a temporary table, which its session alone sees and which dies with it. */
export function temporaryStage(assetKey: string, runId: string): string {
  return `${quote("pg_temp")}.${quote(stagingName(assetKey, runId))}`;
}

/** The name that a table has while another takes its place, in the schema of both. */
export function setAsideName(assetKey: string): string {
  return `_old_${hashOf(assetKey)}`;
}

/** The name of the table that is being filled to take the place of another, in the schema of both. */
export function nextName(assetKey: string): string {
  return `_new_${hashOf(assetKey)}`;
}

function hashOf(assetKey: string): string {
  return createHash("sha256").update(assetKey).digest("hex").slice(0, 24);
}
