import { setTimeout as sleep } from "node:timers/promises";
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
        status: z.string().nullable().optional(),
        data: z.unknown(),
      }),
    )
    .min(1),
});
/** With asynchronous queries a worker computes the answer, and an event says when. */
const pending = z.looseObject({ job_id: z.string() });
const events = z.object({
  result: z.array(z.looseObject({ id: z.string(), job_id: z.string(), status: z.string(), errors: z.unknown() })),
});

const POLL_MS = 50;
const LONGEST_POLL_MS = 1_000;
/** A worker that has said nothing for so long is not there. */
const PATIENCE_MS = 300_000;

/**
 * Asks a question of a page, and waits for the answer of a worker where Superset computes answers in the background.
 *
 * @throws {ChartAnswerError}
 * @throws {SupersetError}
 */
export async function chartData(client: SupersetClient, context: QueryContext): Promise<ChartAnswer> {
  const deadline = performance.now() + PATIENCE_MS;
  const ask = (body: QueryContext): Promise<z.infer<typeof answered> | z.infer<typeof pending>> =>
    client.post("/chart/data", body, z.union([answered, pending]), { repeatable: true });
  const first = await ask(context);
  if ("result" in first) return read(first as z.infer<typeof answered>);
  await finished(client, first.job_id, deadline);
  // Now it is in the cache; by force it would be computed once more.
  const second = await ask({ ...context, force: false });
  if ("result" in second) return { ...read(second as z.infer<typeof answered>), isCached: false };
  throw new ChartAnswerError("was computed by a worker, and is not in the cache: is it the worker's cache too?");
}

async function finished(client: SupersetClient, job: string, deadline: number): Promise<void> {
  for (let wait = POLL_MS; performance.now() < deadline; wait = Math.min(2 * wait, LONGEST_POLL_MS)) {
    await sleep(wait);
    const { result } = await client.get("/async_event/", events);
    const event = result.find(({ job_id: id, status }) => id === job && (status === "done" || status === "error"));
    if (event?.status === "done") return;
    if (event !== undefined)
      throw new ChartAnswerError(`a worker could not compute it: ${JSON.stringify(event.errors)}`);
  }
  throw new ChartAnswerError(
    `no worker has computed it in ${PATIENCE_MS / 1000} s: is Superset's Celery worker running?`,
  );
}

function read({ result }: z.infer<typeof answered>): ChartAnswer {
  const failed = result.find(({ error }) => error !== null && error !== undefined && error !== "");
  if (failed !== undefined) throw new ChartAnswerError(failed.error ?? "failed");
  return {
    isCached: result.every(({ is_cached: cached }) => cached === true),
    rows: result.reduce((sum, { rowcount }) => sum + (rowcount ?? 0), 0),
    data: result.map(({ data }) => data),
  };
}
