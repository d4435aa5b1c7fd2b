import type { Break } from "../definitions/evolution.ts";
import { ProjectError } from "../definitions/project_error.ts";
import type { Attempt, LedgerEntry, Target } from "../resources/store.ts";
import { type ColumnChange, columnChanges, isBreaking } from "./column_changes.ts";
import type { ResolvedAsset } from "./resolve.ts";

/** What a publish remembers of its columns, in the report that the ledger keeps of it. */
export interface ColumnPromise {
  /** Whether Superset shows the table: its columns are promised to charts then. */
  readonly isPromised: boolean;
  /** Acknowledged breaks that were published and are still declared: they let nothing pass any more. */
  readonly published: readonly Break[];
}

/** The columns are not what charts rely on. Nothing was published. */
export class BreakingChangeError extends ProjectError {
  readonly code = "breaking_change";
  readonly retryable = false;
}

/** A publish that is about to begin. */
export interface Evolution {
  readonly asset: ResolvedAsset;
  readonly target: Target;
  readonly attempt: Attempt;
  /** Of the table, by the ledger. */
  readonly last: LedgerEntry | undefined;
}

/**
 * Whether the ledger can be asked before the body runs, perhaps for an hour: not where only a publish waits for a file, nor
 * where the rows may bring columns of their own.
 */
export function canAskEarly({ defined, store, body }: ResolvedAsset): boolean {
  const isShut = store.exclusive("query") !== null && (body.kind === "rows" || body.kind === "copy");
  return defined.options.superset !== undefined && defined.options.contract !== "evolve" && !isShut;
}

/**
 * Holds the columns of an asset that Superset shows against those of its last publish. The ledger alone decides, however
 * the rows are written and whether or not Superset answers.
 *
 * @returns what this publish is to remember
 * @throws BreakingChangeError
 */
export async function requireUnbroken(evolution: Evolution): Promise<ColumnPromise> {
  const { asset, target, last } = evolution;
  const { superset, breaks = [] } = asset.defined.options;
  const isPromised = superset !== undefined;
  const earlier = promiseOf(last);
  // The publish that gives a promise up keeps it once more: columns do not vanish together with the promise.
  if (last === undefined || !(isPromised || earlier.isPromised)) return { isPromised, published: [] };
  const after = target.columns.map(({ name, type, nullable }) => ({
    name,
    type: asset.store.typeName(type),
    nullable,
  }));
  const changes = columnChanges(last.columns, after, asset.store.typeName);
  const spent = breaks.filter((one) => earlier.published.some((other) => isSame(one, other)));
  const valid = breaks.filter((one) => !spent.includes(one));
  const acknowledged = (change: ColumnChange): Break | undefined =>
    valid.find((one) => one.column === change.column && one.change === change.change);
  const broken = changes.filter(isBreaking).filter((change) => acknowledged(change) === undefined);
  if (broken.length > 0) throw await breakingChange(evolution, broken, spent);
  return { isPromised, published: [...spent, ...changes.flatMap((change) => acknowledged(change) ?? [])] };
}

function promiseOf(entry: LedgerEntry | undefined): ColumnPromise {
  const { promise } = JSON.parse(entry?.report ?? "{}") as { readonly promise?: ColumnPromise };
  return promise ?? { isPromised: false, published: [] };
}

function isSame(one: Break, other: Break): boolean {
  return one.column === other.column && one.change === other.change && one.because === other.because;
}

/** Says what breaks, for whom, and the three ways on. */
async function breakingChange(
  { asset, target, attempt }: Evolution,
  broken: readonly (ColumnChange & Pick<Break, "change">)[],
  spent: readonly Break[],
): Promise<BreakingChangeError> {
  const columns = broken.map(({ column }) => column);
  // Few publishes break anything: what talks to Superset is loaded for those.
  const { readersText } = await import("./superset/readers.ts");
  const readers = await readersText(target, columns, attempt.signal);
  const used = broken.filter((change) =>
    spent.some((one) => one.column === change.column && one.change === change.change),
  );
  const declared = broken.map(
    ({ column, change }) => `{ column: ${JSON.stringify(column)}, change: ${JSON.stringify(change)}, because: "…" }`,
  );
  return new BreakingChangeError(
    [
      `${asset.key} breaks what charts rely on: ${broken.map(({ text }) => text).join("; ")}.`,
      readers,
      "Nothing was published, and the table is as it was. Keep the column beside the new one; or write the new columns as " +
        `an asset of their own, such as ${nextVersion(asset.key)}, and keep this one with deprecated: ` +
        `{ on: "YYYY-MM-DD", replacedBy: "${nextVersion(asset.key)}" }; or, where nobody needs it, declare ` +
        `breaks: [${declared.join(", ")}]`,
      ...used.map(
        ({ column, change }) =>
          `The break of column ${JSON.stringify(column)} (${change}) that is declared was published before: say why again, in other words`,
      ),
    ].join("\n"),
  );
}

/** `shop/sales` → `shop/sales_v2`, `shop/sales_v2` → `shop/sales_v3`. */
function nextVersion(key: string): string {
  const [, base = key, version = "1"] = /^(.*?)(?:_v(\d+))?$/.exec(key) ?? [];
  return `${base}_v${Number(version) + 1}`;
}
