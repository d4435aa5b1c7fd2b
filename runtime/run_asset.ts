import type { BodyContext } from "../definitions/body.ts";
import { ProjectError } from "../definitions/project_error.ts";
import type {
  Attempt,
  CheckContext,
  CheckOutcome,
  LedgerEntry,
  Staged,
  StagedFacts,
  Store,
  Target,
} from "../resources/store.ts";
import type { OpenStores } from "../resources/stores.ts";
import {
  judgePartitions,
  type PartitionPlan,
  type PartitionReport,
  planPartitions,
  reportPartitions,
} from "./partitions.ts";
import { checkReport, type CheckReport, durationMetadata, tableReport } from "./report.ts";
import { runArchive } from "./archive.ts";
import type { AssetResult, RunRequest } from "./asset_run.ts";
import { bindChecks } from "./check_bounds.ts";
import { startClock } from "./clock.ts";
import { Cursor } from "./cursor.ts";
import { lastPublish, requireEvolved } from "./evolved.ts";
import { describeFailure } from "./describe_failure.ts";
import { historyOf, type Profile, profileOf } from "./history.ts";
import type { Redact } from "./redaction.ts";
import { judge } from "./judge_replay.ts";
import { replayed, type ReplayCounts, requireReplayable } from "./replay.ts";
import type { ResolvedAsset } from "./resolve.ts";
import { strategyOf } from "./strategy.ts";
import { runEach } from "./run_each.ts";
import { runTask } from "./run_task.ts";
import { keepFailedRows } from "./keep_failed_rows.ts";
import { ledgerEntry, reuse } from "./ledger_entry.ts";
import { canAskEarly, type ColumnPromise, requireUnbroken } from "./schema_evolution.ts";
import type { Turn } from "./turn.ts";
import { stage, type StagedBody } from "./stage.ts";

/** The asset's definition has faults, so it cannot run. */
export class FaultyAssetError extends ProjectError {
  readonly code = "faulty_asset";
  readonly retryable = false;
}

/** Computes an asset: body into staging, checks on the staged rows, then an atomic publish, or none. */
export async function runAsset(
  asset: ResolvedAsset,
  stores: OpenStores,
  context: BodyContext,
  request: RunRequest,
): Promise<AssetResult> {
  requireSound(asset);
  if (request.replay) requireReplayable(asset, request.fullRefresh);
  if (asset.body.kind === "task") return { outcome: "published", report: await runTask(asset.body.task, context) };
  if (asset.body.kind === "superset") {
    const { signal, log } = context;
    const report = await asset.body.run({ ...request, signal, log, projectDir: stores.projectDir, env: process.env });
    return { outcome: "published", report };
  }

  const store = await stores.get(asset.store);
  // First, because an attempt that has nothing left to do cleans up all the same.
  await store.removeOrphans(request.isOpen);
  stores.removeOrphanTransfers(request.isOpen);
  if (asset.body.kind === "archive") return await runArchive(asset, asset.body, stores, context, request);
  // What reads workbooks is loaded only where one is read.
  if (asset.body.kind === "validation")
    return await (await import("./validation.ts")).runValidation(asset, asset.body, stores, context, request);
  const { partitions } = request;
  if (asset.defined.options.each === undefined || partitions === null || partitions.length < 2)
    return await runTable(asset, stores, context, request);
  return await runEach(asset, context, partitions, (partition, own, turn) =>
    runTable(asset, stores, own, { ...request, partitions: [partition], turn }),
  );
}

/** @throws FaultyAssetError */
export function requireSound({ key, faults }: ResolvedAsset): void {
  if (faults.length === 0) return;
  throw new FaultyAssetError(
    [
      `${key} has faults:`,
      ...faults.map(({ position, message }) => `${position.file}:${position.line}: ${message}`),
    ].join("\n"),
  );
}

/** Computes the rows of a run, all together. */
async function runTable(
  asset: ResolvedAsset,
  stores: OpenStores,
  context: BodyContext,
  request: RunRequest & { readonly turn?: Turn },
): Promise<AssetResult> {
  if (asset.target === null) throw new TypeError(`${asset.key} has no table`);
  const inTurn = <T>(act: () => Promise<T>): Promise<T> =>
    request.turn === undefined ? act() : request.turn.take(act);
  const plan = planOf(asset, request);
  const { write } = asset.defined.options;
  const target: Target = {
    ...asset.target,
    strategy: strategyOf(asset, request, plan),
    cursorColumn: write?.cursor ?? undefined,
    buckets: plan?.buckets,
  };
  const store = await stores.get(asset.store);
  const given: Attempt = {
    ...{ runId: request.runId, rootRunId: request.rootRunId },
    // What the run that quarantined the rows has published is not what its replay has.
    ...(request.replay ? { rootRunId: `${request.rootRunId} replay` } : {}),
    codeVersion: asset.codeVersion,
    startedAt: new Date(),
    partitionKeys: context.partitionKeys,
    signal: context.signal,
    log: context.log.info,
  };
  if (request.resume) {
    const published = await inTurn(() => store.findPublished(target, given));
    if (published !== undefined) return reuse(published, context);
  }
  if (canAskEarly(asset))
    await inTurn(async () =>
      requireUnbroken({ asset, target, attempt: given, last: await lastPublish(store, target, given) }),
    );
  const lastCursor = write === undefined || request.fullRefresh ? null : await store.lastCursor(target, given);
  const cursor = write === undefined ? null : new Cursor(write, target, lastCursor);
  const history = await inTurn(() => historyOf(asset.checks, store, target, given));
  const clock = startClock();
  const { attempt, ...body } = request.replay
    ? await replayed(asset, store, target, given, cursor)
    : {
        attempt: given,
        counts: undefined,
        ...(await stage({ asset, target, stores, context, attempt: given, cursor, inTurn })),
      };
  const { staged, differences, counts, summary } = body;
  for (const one of differences) context.log.warning(`${asset.key}: its source differs from the contract: ${one}`);
  const stageSeconds = clock();
  return await inTurn(async () => {
    try {
      const { checks, window } = bindChecks(asset, asset.checks, context, request.now);
      const { signal, log } = context;
      const against: CheckContext = { now: new Date(), window, history, signal, log };
      const judged = await judge(staged, checks, against, counts !== undefined);
      const found = summary === undefined ? judged : judged.map((one) => ({ ...one, measured: summary }));
      const outcomes = plan === null ? found : judgePartitions(plan, found, against);
      const describe = (one: CheckOutcome): string => describeFailure(one, plan?.partitions.length);
      const checkSeconds = clock();
      context.signal.throwIfAborted();
      // A check that only warns, but ended the transaction of the rows, leaves nothing to publish.
      const refusing = outcomes.filter(
        ({ passed, check }) => !passed && (check.severity === "ERROR" || staged.isSpoilt === true),
      );
      if (refusing.length > 0) {
        await staged.discard();
        await keepFailedRows(store, target, outcomes, attempt, context);
        context.log.error(`Not published: ${refusing.map(describe).join("; ")}. The table is as it was before`);
        return {
          outcome: "refused",
          report: {
            dataVersion: undefined,
            metadata: {},
            checks: outcomes.map((one) => checkReport(one, false, request.redact)),
            partitions: plan === null ? null : reportPartitions(plan, null, outcomes, against),
          },
        };
      }
      for (const one of outcomes) if (!one.passed) context.log.warning(`Check ${describe(one)}`);
      const last = await lastPublish(store, target, attempt);
      requireEvolved(body.target, last);
      const result = await publish(asset, body.target, store, staged, attempt, context, {
        // Later runs are no more like a replay than it is like them.
        profile: counts === undefined ? profileOf(target, outcomes) : { strategy: "replay", nullShares: {} },
        replay: counts,
        promise: await requireUnbroken({ asset, target: body.target, attempt, last }),
        checks: outcomes.map((one) => checkReport(one, true, request.redact)),
        partitions: (facts) => (plan === null ? null : reportPartitions(plan, facts, outcomes, against)),
        body,
        cursor: (staged) => cursor?.next(staged) ?? null,
        // Of a table that is made anew, nothing is added to.
        after: cursor === null || request.fullRefresh ? undefined : cursor.last,
        redact: request.redact,
        durations: { stage: stageSeconds, check: checkSeconds },
        clock,
      });
      if (result.outcome === "published") await keepFailedRows(store, target, outcomes, attempt, context);
      return result;
    } catch (error) {
      await staged.discard().catch((fault: unknown) => {
        context.log.warning(`What was staged could not be removed; the next run will: ${String(fault)}`);
      });
      throw error;
    }
  });
}

/** The plan of a run; `null` where it is of no partitions. */
export function planOf({ defined, target }: ResolvedAsset, { partitions }: RunRequest): PartitionPlan | null {
  const definition = defined.options.partitions;
  if (definition === undefined || partitions === null || target === null) return null;
  return planPartitions(definition, target, partitions);
}

async function publish(
  asset: ResolvedAsset,
  target: Target,
  store: Store,
  staged: Staged,
  attempt: Attempt,
  context: BodyContext,
  known: {
    readonly profile: Profile;
    readonly promise: ColumnPromise;
    readonly replay: ReplayCounts | undefined;
    readonly checks: readonly CheckReport[];
    readonly partitions: (facts: StagedFacts) => readonly PartitionReport[] | null;
    readonly body: StagedBody;
    readonly cursor: (staged: string | null) => string | null;
    readonly after: string | null | undefined;
    readonly redact: Redact;
    readonly durations: { readonly stage: number; readonly check: number };
    readonly clock: () => number;
  },
): Promise<AssetResult> {
  const facts = await staged.facts();
  const durations = { ...known.durations, content_hash: known.clock() };
  const report = tableReport({
    asset,
    target,
    facts,
    checks: known.checks,
    profile: known.profile,
    promise: known.promise,
    replay: known.replay,
    partitions: known.partitions(facts),
    statement: staged.statement,
    rowsRead: known.body.read,
    rowsQuarantined: known.body.quarantined,
    differences: known.body.differences,
    uri: store.uri(target),
    durations,
    redact: known.redact,
  });
  const entry: LedgerEntry = {
    ...ledgerEntry(asset, target.columns, attempt, facts, report, known.redact),
    cursor: known.cursor(facts.cursor),
    after: known.after,
    replayAfter: attempt.replay?.latest,
  };
  const standing = await staged.publish(entry);
  if (standing !== entry) return reuse(standing, context);
  return {
    outcome: "published",
    report: { ...report, metadata: { ...report.metadata, ...durationMetadata({ publish: known.clock() }) } },
  };
}
