import { resolve } from "node:path";
import type { ContractPolicy } from "../definitions/asset.ts";
import type { Copy } from "../definitions/body.ts";
import type { Column } from "../definitions/column_type.ts";
import type { CopiedColumns } from "../resources/store_sources.ts";
import { ContractError } from "../resources/errors.ts";
import { parquetColumns, silentLoss, type SourceColumn } from "../resources/store_sources.ts";
import type { Attempt, BulkSource, Target } from "../resources/store.ts";
import type { CopiedSource } from "./copied_source.ts";
import { evolvedColumn, requireNewColumns } from "./evolved.ts";

/** What a copy reads into which columns. */
export interface CopyContract {
  readonly target: Target;
  readonly columns: CopiedColumns;
  /** What differs from the contract and was let through, for people. */
  readonly differences: readonly string[];
}

/** What a copy is held to. */
export interface CopyTerms {
  readonly policy: ContractPolicy;
  readonly target: Target;
  readonly columns: Copy["columns"];
  readonly ignore: Copy["ignore"];
  /** Columns beyond the contract that the table has already. */
  readonly evolved: readonly Column[];
  /** Whether the source has a contract of its own, so that what is not taken of it was left on purpose. */
  readonly isSelection: boolean;
}

/** The columns of what a copy reads. @throws ProjectError by its cause */
export async function sourceColumns(
  source: CopiedSource,
  direct: BulkSource | undefined,
  projectDir: string,
  { assetKey }: Target,
  { runId, signal, log }: Attempt,
): Promise<readonly SourceColumn[]> {
  if (source.format === "asset")
    return source.target.columns.map(({ name, type }) => ({ name, type, typeName: source.store.typeName(type) }));
  if (source.format === "parquet") return await parquetColumns(resolve(projectDir, source.path));
  if (direct?.format !== "postgres") throw new TypeError(`the columns of ${source.format} are unknown`);
  return await direct.columns({ assetKey, runId, signal, log });
}

/**
 * Compares the columns of a source with the contract, before a row is read.
 *
 * @throws ContractError with all that the policy does not let through
 */
export function holdCopy(found: readonly SourceColumn[], terms: CopyTerms): CopyContract {
  const { policy, target, evolved } = terms;
  const has = new Map(found.map((column) => [column.name, column]));
  const named = new Map(terms.columns.map(({ target: name, source }) => [name, source]));
  const columns = new Map<string, string | null>(named);
  const refused: string[] = [];
  const told: string[] = [];
  const differ = (what: string, isLetThrough: boolean): void => {
    (isLetThrough ? told : refused).push(what);
  };
  const read = new Set<string>();
  const hold = (column: Column, isEvolved: boolean): void => {
    const name = columns.get(column.name) ?? column.name;
    const from = has.get(name);
    read.add(name);
    if (from === undefined) {
      columns.set(column.name, null);
      if (!isEvolved) differ(`column ${JSON.stringify(name)} is missing`, policy === "warn" && column.nullable);
      return;
    }
    const loss = silentLoss(from, column.type);
    if (loss === undefined) return;
    const what = `column ${JSON.stringify(name)} is ${from.typeName}, ${loss}: ${column.name} is ${column.type.kind}`;
    differ(what, policy === "warn");
  };
  for (const column of target.columns) hold(column, false);
  for (const column of evolved) hold(column, true);

  const others = found.filter(
    ({ name }) => !read.has(name) && terms.ignore !== "others" && !terms.ignore.includes(name),
  );
  const added: Column[] = [];
  if (policy === "evolve") {
    const present = [...target.columns, ...evolved];
    requireNewColumns(
      target,
      present,
      others.map(({ name }) => name),
    );
    for (const { name, type, typeName } of others) {
      if (type === null) refused.push(`column ${JSON.stringify(name)} is ${typeName}, for which no column is exact`);
      else added.push(evolvedColumn(name, type));
    }
  } else if (!terms.isSelection) {
    for (const { name, typeName } of others)
      differ(`column ${JSON.stringify(name)} (${typeName}) is not in the contract`, policy === "warn");
  }
  if (refused.length > 0) {
    throw new ContractError(
      `the source of ${target.assetKey} is not what its contract says: ${refused.join("; ")}. It has ` +
        `${found.map(({ name }) => JSON.stringify(name)).join(", ")}. Declare what is new, name what is not wanted in ` +
        'copy(…, { ignore: ["…"] }), or choose another contract policy; nothing was published',
    );
  }
  const news = added.map(({ name }) => `column ${JSON.stringify(name)} is new`);
  return {
    target: { ...target, columns: [...target.columns, ...evolved, ...added] },
    columns,
    differences: [...told, ...news],
  };
}
