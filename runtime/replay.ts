import type { ContractPolicy } from "../definitions/asset.ts";
import type { Check } from "../definitions/check.ts";
import { ProjectError } from "../definitions/project_error.ts";
import type { Sql, SqlValue } from "../definitions/sql.ts";
import type { Attempt, KeptRow, QuarantinedRow, Replay, Staged, Store, Target } from "../resources/store.ts";
import { Cursor } from "./cursor.ts";
import { evolvedColumns } from "./evolved.ts";
import { withBigints } from "./evolving_writer.ts";
import { readExact } from "./exact_text.ts";
import type { ResolvedAsset } from "./resolve.ts";
import { RowContract } from "./row_contract.ts";
import type { StagedBody } from "./stage.ts";
import { RowValidator, type ValidRow } from "./validate_rows.ts";

/** The quarantined rows of this asset cannot be told from those that its runs read again. */
export class ReplayRefusedError extends ProjectError {
  readonly code = "replay_refused";
  readonly retryable = false;
}

/** What became of the rows that a replay tried. */
export interface ReplayCounts {
  readonly replayed: number;
  /** Of which a later run has read the same, or the table has a newer version: they leave the quarantine unpublished. */
  readonly superseded: number;
  /** Still bad, or not to be replayed yet; each has its reason. */
  readonly kept: number;
}

/** Staged rows of a replay. */
export interface StagedReplay extends StagedBody {
  readonly counts: ReplayCounts;
}

/** A row that is good by now. */
interface GoodRow {
  readonly row: ValidRow;
  readonly key: string;
}

/** Kinds of columns whose values all stores write as JavaScript does. */
const PLAIN_KINDS: ReadonlySet<string> = new Set(["string", "int32", "int64", "date"]);
const NO_FORM = "cannot be replayed, as it was not kept exactly: ";

/**
 * Says why an asset's rows cannot be replayed.
 *
 * @throws ReplayRefusedError
 */
export function requireReplayable({ key, body, defined }: ResolvedAsset, fullRefresh: boolean): void {
  const fail = (why: string): never => {
    throw new ReplayRefusedError(`${key} cannot be replayed: ${why}`);
  };
  const { write, key: names = [] } = defined.options;
  if (body.kind !== "rows") fail("only bodies of rows quarantine any");
  if (fullRefresh) fail("a full refresh reads all rows anew, those in quarantine too: ask for one of the two");
  if (write === undefined)
    return fail("each run reads all of its rows anew, those in quarantine too: run it without a replay");
  if (write.kind !== "merge") return;
  if (write.cursor === null)
    fail("without a cursor nobody can tell whether the table has a newer row of the same key: merge({ cursor })");
  const odd = defined.columns.filter(
    ({ name, nullable, type }) => names.includes(name) && (nullable || !PLAIN_KINDS.has(type.kind)),
  );
  if (odd.length > 0)
    fail(`rows are found again by texts, whole numbers and days that are never NULL; ${odd[0]?.name ?? ""} is none`);
}

/** Stages the quarantined rows that are good by now. */
export async function replayed(
  asset: ResolvedAsset,
  store: Store,
  target: Target,
  given: Attempt,
  cursor: Cursor | null,
): Promise<StagedReplay & { readonly attempt: Attempt }> {
  const found = await readReplay(store, target, given);
  if (found === null || cursor === null)
    throw new ReplayRefusedError(
      `${asset.key} has published nothing yet: run it without a replay, which reads all rows`,
    );
  const attempt = { ...given, replay: found.replay };
  return { attempt, ...(await stageReplay(asset, store, target, cursor, attempt, found.rows)) };
}

/** Reads what a replay tries; `null`: nothing was ever published, so that the next run reads all. */
async function readReplay(
  store: Store,
  target: Target,
  attempt: Attempt,
): Promise<{ readonly replay: Replay; readonly rows: readonly KeptRow[] } | null> {
  const [latest] = await store.recentPublishes(target, attempt, { limit: 1, ofPartitions: false });
  if (latest === undefined) return null;
  const found = await store.quarantined(target, attempt);
  // Those of a run that published nothing are read again; copies that a replay made which was killed are in the way.
  const tried = found.filter(({ isPublished, origin }) => isPublished || origin !== null);
  const runs = [...new Set(tried.map(({ runId }) => runId))];
  return { replay: { latest: latest.runId, runs }, rows: tried.filter(({ isPublished }) => isPublished) };
}

/**
 * Holds quarantined rows to the contract once more and stages those that are good by now. A row is published once: those
 * that the body reads again by itself are left to it.
 */
async function stageReplay(
  asset: ResolvedAsset,
  store: Store,
  target: Target,
  cursor: Cursor,
  attempt: Attempt,
  rows: readonly KeptRow[],
): Promise<StagedReplay> {
  const { columns: schema, contract: policy = "freeze" } = asset.defined.options;
  if (schema === undefined) throw new TypeError(`${asset.key} has no columns`);
  const evolved = policy === "evolve" ? await evolvedColumns(store, target, attempt) : [];
  const known = { ...target, columns: [...target.columns, ...evolved] };
  const contract = new RowContract(schema, known, policy satisfies ContractPolicy, false);
  const sorted = sort(asset, known, contract, cursor, rows);
  let { good } = sorted;
  let staged = await fill(store, known, attempt, sorted.kept, withBigints(rowsOf(good), evolved));
  const newer = await newerKeys(asset, staged);
  if (newer.size > 0) {
    await staged.discard();
    good = good.filter(({ key }) => !newer.has(key));
    staged = await fill(store, known, attempt, sorted.kept, withBigints(rowsOf(good), evolved));
  }
  const counts = {
    replayed: good.length,
    superseded: rows.length - good.length - sorted.kept.length,
    kept: sorted.kept.length,
  };
  const differences = contract.differences();
  return { staged, target: known, read: rows.length, quarantined: counts.kept, differences, counts };
}

function rowsOf(good: readonly GoodRow[]): ValidRow[] {
  return good.map(({ row }) => row);
}

async function fill(
  store: Store,
  target: Target,
  attempt: Attempt,
  kept: readonly QuarantinedRow[],
  rows: readonly ValidRow[],
): Promise<Staged> {
  const writer = await store.stageRows(target, attempt);
  try {
    await writer.append(rows);
    for (const row of kept) writer.quarantine(row);
  } catch (error) {
    await writer.discard();
    throw error;
  }
  return await writer.finish();
}

/** What is good by now, and what stays with which reason; the others are superseded. */
function sort(
  asset: ResolvedAsset,
  target: Target,
  contract: RowContract,
  cursor: Cursor,
  rows: readonly KeptRow[],
): { readonly good: readonly GoodRow[]; readonly kept: readonly QuarantinedRow[] } {
  const { write } = asset.defined.options;
  if (write === undefined) throw new TypeError(`${asset.key} adds no rows`);
  const validator = new RowValidator(contract.schema, contract.columns);
  const names = write.kind === "merge" ? (asset.defined.options.key ?? []) : [];
  const good = new Map<string, GoodRow>();
  const kept: QuarantinedRow[] = [];
  for (const one of rows) {
    const keep = (reason: string): void => {
      const { value, exact, origin, runId } = one;
      kept.push({ rowNumber: kept.length + 1, reason, value, exact, origin: origin ?? runId });
    };
    if (one.exact === null) {
      keep(one.reason.startsWith(NO_FORM) ? one.reason : NO_FORM + one.reason);
      continue;
    }
    const found = validator.validate(contract.look([readExact(one.exact)]));
    const [row] = found.good;
    if (row === undefined) {
      keep(found.bad[0]?.reason ?? "");
      continue;
    }
    const next = new Cursor(write, target, one.cursor).start;
    if (cursor.reads(row, next)) {
      // A run since then began where that one ended, and has read past it.
      if (cursor.reads(row, cursor.start)) keep("beyond the cursor: the next run reads it again by itself");
      continue;
    }
    const key = names.length === 0 ? String(good.size) : keyOf(names.map((name) => String(row[name])));
    const before = good.get(key);
    if (before === undefined || !cursor.isNewer(before.row, row)) good.set(key, { row, key });
  }
  return { good: [...good.values()], kept };
}

function keyOf(values: readonly (string | null)[]): string {
  return JSON.stringify(values);
}

/** The keys of staged rows of which the table has a row as new, or newer. */
async function newerKeys(asset: ResolvedAsset, staged: Staged): Promise<ReadonlySet<string>> {
  const { write, key: names = [] } = asset.defined.options;
  const at = write?.cursor ?? null;
  if (write?.kind !== "merge" || at === null) return new Set();
  const found = new Set<string>();
  const table = { kind: "table", assetKey: asset.key } as const;
  const column = (name: string): SqlValue => ({ kind: "column", assetKey: asset.key, column: name });
  // SELECT s.a, s.b FROM self AS s JOIN table AS t ON s.a = t.a AND s.b = t.b WHERE t.at >= s.at
  const query = new Template();
  for (const [index, name] of names.entries()) query.add(index === 0 ? "SELECT DISTINCT s." : ", s.", column(name));
  query.add(" FROM ", { kind: "self" }).add(" AS s INNER JOIN ", table);
  for (const [index, name] of names.entries())
    query.add(index === 0 ? " AS t ON s." : " AND s.", column(name)).add(" = t.", column(name));
  query.add(" WHERE t.", column(at)).add(" >= s.", column(at));
  const look: Check = {
    ...{
      name: "newer_rows",
      columns: [],
      severity: "ERROR",
      description: "Rows that the table has in a newer version.",
    },
    ...{ maxShare: 0, keptRows: 0 },
    rule: {
      kind: "typescript",
      reads: [table],
      run: async ({ query: ask }) => {
        for (const row of await ask(query.sql)) found.add(keyOf(names.map((name) => row[name] ?? null)));
        return [];
      },
    },
  };
  const [outcome] = await staged.check([look]);
  if (outcome?.error !== null) throw new ReplayRefusedError(`${asset.key} cannot be replayed: ${outcome?.error ?? ""}`);
  return found;
}

/** A template that is put together piece by piece. */
class Template {
  readonly #strings: string[] = [];
  readonly #values: SqlValue[] = [];

  add(text: string, value: SqlValue): this {
    this.#strings.push(text);
    this.#values.push(value);
    return this;
  }

  get sql(): Sql {
    return { kind: "sql", strings: [...this.#strings, ""], values: this.#values };
  }
}
