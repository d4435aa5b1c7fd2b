import type { AssetOptions, Shape } from "./asset.ts";
import type { Column } from "./column_type.ts";
import type { Add } from "./validate.ts";

const POLICIES: ReadonlySet<unknown> = new Set(["freeze", "evolve", "warn"]);

/** Whether the policy of the contract can be held, and what a copy leaves out. */
export function checkContract(
  { contract, body, each }: AssetOptions<Shape>,
  columns: readonly Column[],
  add: Add,
): void {
  const bad = (message: string): void => {
    add("bad_option", message);
  };
  const isCopy = "kind" in body && body.kind === "copy";
  if (contract !== undefined) {
    if (!POLICIES.has(contract))
      bad(`contract: expected "freeze", "evolve" or "warn", got ${JSON.stringify(contract)}`);
    if (!isCopy && !("rows" in body))
      bad("contract: only rows and copies meet columns that nobody declared: leave it out");
    if (contract === "evolve" && (each?.concurrency ?? 1) > 1)
      bad("contract: partitions that are computed side by side cannot evolve one table: each: { concurrency: 1 }");
  }
  if (!isCopy || body.ignore === "others") return;
  const sources = new Map<string, string>(body.columns.map(({ target, source }) => [target, source]));
  for (const { name } of columns) {
    const source = sources.get(name) ?? name;
    if (body.ignore.includes(source)) bad(`copy: ignore names ${JSON.stringify(source)}, which is column ${name} here`);
  }
}
