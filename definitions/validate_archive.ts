import type { AssetOptions, Shape } from "./asset.ts";
import { tryGetSeconds } from "./duration.ts";
import type { Add } from "./validate.ts";

const BUCKET = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[^?#*[\]]+)?$/;

/** What is wrong with an archive, as far as it shows without the asset that it archives. */
export function checkArchive(options: AssetOptions<Shape>, add: Add): void {
  const { body } = options;
  if (!("kind" in body) || body.kind !== "archive") return;
  const bad = (message: string): void => {
    add("bad_option", `archive: ${message}`);
  };
  if ((body.source as typeof body.source | undefined) === undefined)
    add("unknown_reference", "archive: the asset is undefined: import it from the file that defines it");
  if (tryGetSeconds(body.olderThan) === undefined)
    bad(`olderThan: expected a duration such as "90d", got ${JSON.stringify(body.olderThan)}`);
  if (typeof body.to !== "string" || body.to.trim() === "") bad('to: expected a folder, or "s3://bucket/prefix"');
  else if (/^[a-z0-9]+:\/\//i.test(body.to) && !BUCKET.test(body.to))
    bad(`to: expected a folder, or "s3://bucket/prefix", got ${JSON.stringify(body.to)}`);
  else if (/[*?[\]]/.test(body.to))
    bad("to: the name of the folder holds one of * ? [ ], which DuckDB takes for a pattern");
  for (const option of ["partitions", "write", "storage", "each", "maxPartitionsPerRun", "quarantine"] as const) {
    if (options[option] !== undefined) bad(`${option} belongs to the asset that is archived, here leave it out`);
  }
  if ((options.checks ?? []).length > 0)
    bad("checks: no row is new here: the asset that is archived checks its rows before they are published");
}
