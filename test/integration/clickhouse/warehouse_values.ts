import { randomUUID } from "node:crypto";
import { type Column, readColumn } from "../../../definitions/column_type.ts";
import type { z } from "../../../definitions/index.ts";
import type { Attempt, LedgerEntry, Staged, StagedFacts, Target, WriteStrategy } from "../../../resources/store.ts";

export { attempt } from "../stores/attempt.ts";

/** A table that no other test writes. */
export function targetOf(
  shape: Readonly<Record<string, z.ZodType>>,
  strategy: WriteStrategy = { kind: "replace" },
  assetKey = `t_${randomUUID().replaceAll("-", "").slice(0, 12)}/x`,
): Target {
  const [schema = "", table = ""] = assetKey.split("/");
  return { assetKey, schema, table, description: "A test.", columns: columnsOf(shape), key: [], storage: {}, strategy };
}

function columnsOf(shape: Readonly<Record<string, z.ZodType>>): Column[] {
  return Object.entries(shape).map(([name, schema]) => {
    const result = readColumn(name, schema);
    if (!result.ok) throw new Error(result.message);
    return result.column;
  });
}

export async function publish(staged: Staged, target: Target, given: Attempt): Promise<StagedFacts> {
  const facts = await staged.facts();
  await staged.publish(entryOf(target, given, facts));
  return facts;
}

export function entryOf(target: Target, given: Attempt, facts: StagedFacts): LedgerEntry {
  return {
    assetKey: target.assetKey,
    runId: given.runId,
    rootRunId: given.rootRunId,
    codeVersion: given.codeVersion,
    partitionKeys: null,
    rowCount: facts.rowCount,
    columns: target.columns.map(({ name, nullable }) => ({ name, type: "x", nullable })),
    contentHash: facts.contentHash,
    startedAt: given.startedAt,
    cursor: null,
    report: "{}",
  };
}
