import type { AssetOptions, Shape } from "./asset.ts";
import { differences, type DiffSource } from "./diff.ts";
import type { Add } from "./validate.ts";

const MOST_LISTED_ROWS = 100_000;

/** What is wrong with a comparison, as far as it shows without its tables. */
export function checkDiff(options: AssetOptions<Shape>, add: Add): void {
  const { body } = options;
  if (!("kind" in body) || body.kind !== "diff") return;
  const bad = (message: string): void => {
    add("bad_option", `diffTables: ${message}`);
  };
  for (const side of ["left", "right"] as const) {
    const source = body[side] as DiffSource | undefined;
    if (source === undefined)
      add("unknown_reference", `diffTables: ${side} is undefined: import the asset from the file that defines it`);
    else if ("format" in source && (source.schema === "" || source.table === "" || source.table.includes(".")))
      bad(`${side}: expected postgresTable("schema.table"), got ${JSON.stringify(`${source.schema}.${source.table}`)}`);
  }
  if (body.key.length === 0) bad("key: expected the columns that name a row");
  for (const side of ["left", "right"] as const) {
    const names = [...body.key, ...(body.columns ?? [])].map((pair) => pair[side]);
    const twins = names.filter((name, index) => names.indexOf(name) !== index);
    if (twins.length > 0) bad(`column ${JSON.stringify(twins[0])} of the ${side} table is named twice`);
  }
  if (!Number.isInteger(body.limit) || body.limit < 1 || body.limit > MOST_LISTED_ROWS)
    bad(`limit: expected 1 to ${MOST_LISTED_ROWS} rows, got ${body.limit}`);
  if (options.columns !== (differences as unknown)) bad("write columns: differences, which are those of its rows");
  if (!(options.checks ?? []).some(({ name }) => name === "no_differences"))
    bad("add noDifferences() to its checks, or warn(noDifferences()): without it a difference would go unnoticed");
  for (const option of ["partitions", "write", "each", "maxPartitionsPerRun", "quarantine"] as const)
    if (options[option] !== undefined) bad(`it has no ${option}: leave that out`);
}
