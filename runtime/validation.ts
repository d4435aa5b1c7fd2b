import { createHash } from "node:crypto";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BodyContext } from "../definitions/body.ts";
import { readColumn } from "../definitions/column_type.ts";
import { HISTORY } from "../definitions/migration.ts";
import { metadata, type MetadataMap } from "../pipes/index.ts";
import type { Attempt, CheckContext, CheckOutcome, Staged, Store, Target } from "../resources/store.ts";
import type { OpenStores } from "../resources/stores.ts";
import {
  type ColumnMatch,
  compareSides,
  type Comparison,
  htmlFault,
  htmlReport,
  type ReportOptions,
  WHOLE_ROWS,
} from "../resources/validation/index.ts";
import { startClock } from "./clock.ts";
import { profileOf } from "./history.ts";
import { ledgerEntry } from "./ledger_entry.ts";
import { readSide } from "./read_side.ts";
import { type AssetReport, checkReport, durationMetadata, sampleMarkdown, tableReport } from "./report.ts";
import type { ResolvedAsset, ResolvedBody } from "./resolve.ts";
import type { AssetResult, RunRequest } from "./asset_run.ts";
import { historyKey, type ResolvedValidation } from "./validation_sides.ts";

/** Where the reports are, in the project: one for each day. */
const REPORTS = join("data", "validations");
/** Differences that Dagster shows. */
const SHOWN_ROWS = 20;

/** One run of a validation. */
interface Run {
  readonly asset: ResolvedAsset;
  readonly target: Target;
  readonly store: Store;
  readonly attempt: Attempt;
  readonly request: RunRequest;
  readonly context: BodyContext;
}

/**
 * Compares the sides of a validation. The differences are published whatever they are, and refused as an asset: Dagster
 * records the failed check, and nothing downstream runs. What cannot be compared is a difference too.
 */
export async function runValidation(
  asset: ResolvedAsset,
  { validation }: Extract<ResolvedBody, { kind: "validation" }>,
  stores: OpenStores,
  context: BodyContext,
  request: RunRequest,
): Promise<AssetResult> {
  const { target } = asset;
  if (target === null) throw new TypeError(`${asset.key} has no table`);
  const attempt: Attempt = {
    ...{ runId: request.runId, rootRunId: request.rootRunId },
    codeVersion: asset.codeVersion,
    startedAt: new Date(),
    partitionKeys: null,
    signal: context.signal,
    log: context.log.info,
  };
  const run: Run = { asset, target, store: await stores.get(asset.store), attempt, request, context };
  const clock = startClock();
  return await stores.withTransferFolder(asset.key, request.runId, async (folder) => {
    let comparison: Comparison;
    try {
      const projectDir = process.cwd();
      const reading = { validation, target, store: asset.store, stores, attempt, projectDir, folder };
      const right = await readSide("right", reading);
      const left = await readSide("left", reading);
      const { columns, names, maxRows } = validation;
      comparison = await compareSides({ left, right, columns, names, folder, maxRows, signal: context.signal });
    } catch (error) {
      context.signal.throwIfAborted();
      await publishFault(run, validation, error);
      throw error;
    }
    const stageSeconds = clock();
    const staged = await run.store.stageCopy(target, { format: "parquet", path: comparison.path }, new Map(), attempt);
    const { outcome, report } = await publish(run, staged, comparison, { stage: stageSeconds, clock });
    await publishHistory(run, comparison.matches, comparison, outcome === "published");
    return { outcome, report };
  });
}

async function publish(
  { asset, target, store, attempt, request, context }: Run,
  staged: Staged,
  comparison: Comparison,
  { stage, clock }: { readonly stage: number; readonly clock: () => number },
): Promise<AssetResult> {
  const { differences } = comparison;
  try {
    const against: CheckContext = {
      ...{ now: new Date(), window: null, history: [] },
      signal: context.signal,
      log: context.log,
    };
    const outcomes = await staged.check(asset.checks, against);
    const passed = outcomes.every((one) => one.passed);
    // The check counts the rows that are kept; with none kept there is none.
    if (passed !== (differences === 0)) throw new Error("the check does not agree with the comparison");
    const facts = await staged.facts();
    const page = htmlReport(comparison, reportOptions(asset, request));
    const found = describe(comparison, writeReport(asset, page, request), request);
    const checks = outcomes.map((one: CheckOutcome) => {
      const report = checkReport(one, true, request.redact);
      return { ...report, metadata: { ...report.metadata, ...found } };
    });
    const told = tableReport({
      ...{ asset, target, facts, checks, partitions: null, statement: null, rowsQuarantined: 0 },
      ...{ promise: { isPromised: asset.defined.options.superset !== undefined, published: [] }, differences: [] },
      profile: profileOf(target, outcomes),
      rowsRead: comparison.leftRows + comparison.rightRows,
      uri: store.uri(target),
      durations: { stage, check: clock() },
      redact: request.redact,
    });
    const version = {
      hash: facts.contentHash,
      ...comparison,
      path: null,
      sample: null,
      counts: [...comparison.counts],
    };
    const report: AssetReport = {
      ...told,
      // Other data that agree are news to what is downstream.
      dataVersion: createHash("sha256").update(JSON.stringify(version)).digest("hex").slice(0, 32),
      metadata: { ...told.metadata, ...found },
    };
    await staged.publish(ledgerEntry(asset, target.columns, attempt, facts, report, request.redact));
    if (!passed) {
      context.log.error(
        `${differences.toLocaleString("en")} differences, of which ${facts.rowCount} are in ${target.schema}.${target.table}: ${sumUp(comparison)}`,
      );
      return { outcome: "refused", report: { dataVersion: undefined, metadata: {}, checks, partitions: null } };
    }
    return {
      outcome: "published",
      report: { ...report, metadata: { ...report.metadata, ...durationMetadata({ publish: clock() }) } },
    };
  } catch (error) {
    await staged.discard().catch((fault: unknown) => {
      context.log.warning(`What was staged could not be removed; the next run will: ${String(fault)}`);
    });
    throw error;
  }
}

/** A line for each column, in place of those of an earlier run of the day. */
async function publishHistory(
  { asset, target, store, attempt, request }: Run,
  matches: readonly ColumnMatch[],
  { leftRows, rightRows }: Pick<Comparison, "leftRows" | "rightRows">,
  passed: boolean,
): Promise<void> {
  const key = historyKey(asset.key);
  const columns = Object.entries(HISTORY.shape).flatMap(([name, schema]) => {
    const read = readColumn(name, schema);
    return read.ok ? [read.column] : [];
  });
  const history: Target = {
    ...{ assetKey: key, schema: target.schema, table: historyKey(target.table), columns, storage: {} },
    description: `The match rates of ${asset.key}, by day and column.`,
    key: ["day", "column_name"],
    strategy: { kind: "merge", key: ["day", "column_name"] },
  };
  const day = dayOf(request);
  const writer = await store.stageRows(history, attempt);
  await writer.append(
    matches.map(({ column, compared, equal, rate, leftTotal, rightTotal }) => ({
      ...{ day, column_name: column, passed, compared, equal, match_rate: rate, run_id: attempt.runId },
      ...{ left_rows: leftRows, right_rows: rightRows, left_total: leftTotal, right_total: rightTotal },
    })),
  );
  const staged = await writer.finish();
  try {
    const facts = await staged.facts();
    const report: AssetReport = { dataVersion: facts.contentHash, metadata: {}, checks: [], partitions: null };
    const entry = ledgerEntry(asset, target.columns, attempt, facts, report, request.redact);
    const written = columns.map(({ name, type, nullable }) => ({ name, type: asset.store.typeName(type), nullable }));
    await staged.publish({ ...entry, assetKey: key, columns: written });
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

/** Leaves one row that says why nothing was compared, so that the table does not go on telling that all is well. */
async function publishFault(run: Run, { columns }: ResolvedValidation, error: unknown): Promise<void> {
  const { asset, target, store, attempt, request, context } = run;
  const reason = error instanceof Error ? error.message : String(error);
  try {
    writeReport(asset, htmlFault(reason, reportOptions(asset, request)), request);
    const writer = await store.stageRows(target, attempt);
    const detail = request.redact(reason);
    const nothing = { side: null, key: null, column_name: null, left_value: null, right_value: null };
    await writer.append([{ kind: "not_compared", ...nothing, delta: null, place: null, detail }]);
    const staged = await writer.finish();
    const facts = await staged.facts();
    const report: AssetReport = { dataVersion: facts.contentHash, metadata: {}, checks: [], partitions: null };
    await staged.publish(ledgerEntry(asset, target.columns, attempt, facts, report, request.redact));
    const none = { compared: 0, equal: 0, rate: 0, leftTotal: null, rightTotal: null };
    // Of each column: what an earlier run of the day found is no more true.
    const names = [WHOLE_ROWS, ...columns.flatMap(({ name, isKey }) => (isKey ? [] : [name]))];
    const matches = names.map((column) => ({ column, ...none }));
    await publishHistory(run, matches, { leftRows: 0, rightRows: 0 }, false);
  } catch (fault) {
    context.log.warning(`The table ${asset.key} does not say that nothing was compared: ${String(fault)}`);
  }
}

function describe(comparison: Comparison, path: string, { redact }: RunRequest): MetadataMap {
  const { matches, sample, notes, counts } = comparison;
  const [rows] = matches;
  const columns = ["column", "compared", "equal", "match rate", "left total", "right total"];
  const lines = matches.map((one) => [
    one.column,
    String(one.compared),
    String(one.equal),
    String(one.rate),
    one.leftTotal,
    one.rightTotal,
  ]);
  const noted = (["left", "right"] as const).flatMap((side) => notes[side].map((note) => `${side}: ${note}`));
  return {
    match_rate: metadata.float(rows?.rate ?? 0),
    differences: metadata.int(comparison.differences),
    left_rows: metadata.int(comparison.leftRows),
    right_rows: metadata.int(comparison.rightRows),
    columns: metadata.md(sampleMarkdown({ columns, rows: lines }, redact)),
    report: metadata.path(path),
    ...(counts.size === 0 ? {} : { kinds: metadata.text(sumUp(comparison)) }),
    ...(noted.length === 0 ? {} : { notes: metadata.text(redact(noted.join("; "))) }),
    ...(sample.rows.length === 0
      ? {}
      : {
          first_differences: metadata.md(sampleMarkdown({ ...sample, rows: sample.rows.slice(0, SHOWN_ROWS) }, redact)),
        }),
  };
}

function reportOptions({ key, defined }: ResolvedAsset, { now, runId, redact }: RunRequest): ReportOptions {
  return { title: key, description: defined.options.description, at: now, runId, redact };
}

/** Writes the report of the day beside those of other days; whoever has it open sees all of it or the one before. */
function writeReport(asset: ResolvedAsset, page: string, request: RunRequest): string {
  const folder = join(process.cwd(), REPORTS, ...asset.key.split("/"));
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${dayOf(request)}.html`);
  const unfinished = `${path}.${process.pid}.tmp`;
  writeFileSync(unfinished, page);
  renameSync(unfinished, path);
  return path;
}

function sumUp({ counts }: Comparison): string {
  return [...counts].map(([kind, count]) => `${count.toLocaleString("en")} ${kind}`).join(", ");
}

function dayOf({ now }: RunRequest): string {
  return now.toISOString().slice(0, 10);
}
