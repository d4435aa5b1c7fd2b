import { z } from "zod";
import { ProjectError } from "../../definitions/project_error.ts";
import type { QueryContext } from "./chart_query.ts";
import type { SupersetClient } from "./client/client.ts";

/** The rows of a chart. */
export interface ChartAnswer {
  readonly isCached: boolean;
  readonly rows: number;
  /** As Superset writes them. */
  readonly data: unknown;
}

/** Superset could not answer a chart: its SQL fails, a column is gone, the store is down. */
export class ChartAnswerError extends ProjectError {
  readonly code = "chart_not_answered";
  readonly retryable = true;
}

const answered = z.object({
  result: z
    .array(
      z.looseObject({
        is_cached: z.boolean().nullable().optional(),
        rowcount: z.number().nullable().optional(),
        error: z.string().nullable().optional(),
        data: z.unknown(),
      }),
    )
    .min(1),
});
/** 202: with the feature flag GLOBAL_ASYNC_QUERIES a worker computes the answer, which nothing here waits for. */
const deferred = z.object({ job_id: z.string() });

/**
 * Asks a question of a page.
 *
 * @throws {ChartAnswerError}
 * @throws {SupersetError}
 */
export async function chartData(client: SupersetClient, context: QueryContext): Promise<ChartAnswer> {
  const answer = await client.post("/chart/data", context, z.union([answered, deferred]), { repeatable: true });
  if ("job_id" in answer)
    throw new ChartAnswerError(
      "is computed in the background: Superset's feature flag GLOBAL_ASYNC_QUERIES is on, with which no chart can be proven warm. Switch it off",
    );
  const { result } = answer;
  const failed = result.find(({ error }) => error !== null && error !== undefined && error !== "");
  if (failed !== undefined) throw new ChartAnswerError(failed.error ?? "failed");
  return {
    isCached: result.every(({ is_cached: cached }) => cached === true),
    rows: result.reduce((sum, { rowcount }) => sum + (rowcount ?? 0), 0),
    data: result.map(({ data }) => data),
  };
}
