import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { type ChartAnswer, ChartAnswerError, chartData } from "./chart_data.ts";
import { filterQuery, type QueryContext, withFilters } from "./chart_query.ts";
import type { SupersetClient } from "./client/client.ts";
import { SupersetError } from "./client/errors.ts";
import { inTurns } from "./in_turns.ts";
import type { ExtraFormData } from "./native_filter.ts";

/** An account whose answers are to be warm. */
export interface WarmAccount {
  /** The role that it stands for; `null` for the service account. */
  readonly role: string | null;
  readonly client: SupersetClient;
}

/** What became of one question. */
export interface WarmOutcome {
  /** Name of the chart, or of the filter whose values are asked for. */
  readonly name: string;
  readonly role: string | null;
  /** Until the store had answered. */
  readonly computeMs: number;
  /** Until the cache had answered. */
  readonly cachedMs: number;
  readonly rows: number;
  /** Why it is not warm. */
  readonly fault: string | null;
}

/** One question of the page: of a chart, or of a filter for its values. */
export interface Question {
  readonly name: string;
  /** `null`: it cannot be asked. */
  readonly context: QueryContext | null;
  /** Why it cannot be asked. */
  readonly fault: string | null;
}

const dashboardAnswer = z.object({
  result: z.object({ id: z.number(), json_metadata: z.string().nullable(), position_json: z.string().nullable() }),
});
const listedChart = z.object({ id: z.number(), slice_name: z.string().nullable() });
const chartAnswer = z.object({ result: z.object({ query_context: z.string().nullable() }) });
const placed = z.object({
  type: z.literal("CHART"),
  meta: z.object({ chartId: z.number(), sliceName: z.string().optional() }),
});
const queryContext = z.looseObject({
  datasource: z.object({ id: z.number(), type: z.literal("table") }),
  queries: z.array(z.looseObject({ filters: z.array(z.looseObject({})).default([]) })).min(1),
});
const filter = z.looseObject({
  name: z.string(),
  filterType: z.enum(["filter_time", "filter_select"]),
  targets: z.array(
    z.looseObject({ datasetId: z.number().optional(), column: z.looseObject({ name: z.string() }).optional() }),
  ),
  scope: z.looseObject({ excluded: z.array(z.number()) }),
  defaultDataMask: z.looseObject({
    extraFormData: z
      .looseObject({
        filters: z.array(z.object({ col: z.string(), op: z.literal("IN"), val: z.array(z.string()) })).optional(),
        time_range: z.string().optional(),
      })
      .default({}),
  }),
});
const metadata = z.object({ native_filter_configuration: z.array(z.looseObject({})).default([]) });

/**
 * Asks every question of a dashboard's page, as it is before a reader touches a filter, so that the answers are in the
 * cache; and then asks each again, as a reader would, and holds it to be answered from the cache with the same rows.
 *
 * @param uuid of the dashboard
 * @returns an outcome for each question and account; it throws only where the dashboard itself cannot be read
 * @throws {SupersetError}
 */
export async function warmDashboard(
  accounts: readonly [WarmAccount, ...WarmAccount[]],
  uuid: string,
  options: { readonly concurrency: number; readonly signal?: AbortSignal | undefined },
): Promise<readonly WarmOutcome[]> {
  const questions = await questionsOf(accounts[0].client, uuid, options.concurrency);
  const asked = accounts.flatMap((account) => questions.map((question) => ({ account, question })));
  return await inTurns(asked, options.concurrency, async ({ account, question }) => {
    options.signal?.throwIfAborted();
    return await warm(account, question);
  });
}

/**
 * What the page asks, by what Superset has: a chart that somebody has changed since is asked as it is now. Never none:
 * what is on the page and cannot be asked is a question with a fault.
 */
export async function questionsOf(client: SupersetClient, uuid: string, concurrency: number): Promise<Question[]> {
  const { result: dashboard } = await client.get(`/dashboard/${uuid}`, dashboardAnswer);
  const { native_filter_configuration: native } = metadata.parse(parsed(dashboard.json_metadata) ?? {});
  const filters = native.flatMap((one) => filter.safeParse(one).data ?? []);
  const edited = native.filter((one) => !filter.safeParse(one).success);
  const charts = await client.list("chart", listedChart, {
    filters: [{ column: "dashboards", operator: "rel_m_m", value: dashboard.id }],
    columns: ["slice_name"],
  });
  const ofCharts = await inTurns(charts, concurrency, async ({ id, slice_name }): Promise<Question> => {
    const { result } = await client.get(`/chart/${id}`, chartAnswer);
    const name = slice_name ?? String(id);
    const stored = queryContext.safeParse(parsed(result.query_context)).data;
    if (stored === undefined) return unasked(name, "keeps no question that could be asked: save it once in Superset");
    const extras = filters
      .filter(({ scope }) => !scope.excluded.includes(id))
      .map(({ defaultDataMask }) => defaultDataMask.extraFormData as ExtraFormData);
    return { name, context: withFilters(stored as unknown as QueryContext, extras), fault: null };
  });
  const found = new Set(charts.map(({ id }) => id));
  const unseen = placedCharts(dashboard.position_json).filter(({ chartId }) => !found.has(chartId));
  const questions = [
    ...ofCharts,
    ...unseen.map(({ chartId, sliceName }) => unasked(sliceName ?? String(chartId), `is on the page, and ${GONE}`)),
    ...filters.flatMap(ofFilter),
    ...edited.map(({ name }) => unasked(`filter ${String(name)}`, EDITED)),
  ];
  return questions.length > 0 ? questions : [unasked("the dashboard", `has no charts, or ${GONE}`)];
}

const GONE = "this account does not see it, or it was taken off or deleted: sync the dashboard again";
const EDITED = "was changed by hand into one whose question is not known: sync the dashboard again";

function unasked(name: string, fault: string): Question {
  return { name, context: null, fault };
}

function ofFilter({ name, filterType, targets: [target] }: z.infer<typeof filter>): Question[] {
  if (filterType !== "filter_select" || target?.datasetId === undefined || target.column === undefined) return [];
  return [{ name: `filter ${name}`, context: filterQuery(target.datasetId, target.column.name), fault: null }];
}

/** The charts that have a place on the page. */
function placedCharts(positions: string | null): z.infer<typeof placed>["meta"][] {
  const parts = z.record(z.string(), z.unknown()).safeParse(parsed(positions)).data ?? {};
  return Object.values(parts).flatMap((part) => placed.safeParse(part).data?.meta ?? []);
}

function parsed(text: string | null): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null;
  }
}

async function warm({ role, client }: WarmAccount, { name, context, fault }: Question): Promise<WarmOutcome> {
  const outcome = { name, role, computeMs: 0, cachedMs: 0, rows: 0 };
  if (context === null) return { ...outcome, fault };
  try {
    // By force: an answer that is there already may be of another time.
    const computed = await timed(() => chartData(client, { ...context, force: true }));
    const cached = await timed(() => chartData(client, { ...context, force: false }));
    const measured = { ...outcome, computeMs: computed.ms, cachedMs: cached.ms, rows: computed.value.rows };
    return { ...measured, fault: faultOf(computed.value, cached.value) };
  } catch (error) {
    if (error instanceof ChartAnswerError || error instanceof SupersetError)
      return { ...outcome, fault: error.message };
    throw error;
  }
}

function faultOf(computed: ChartAnswer, cached: ChartAnswer): string | null {
  if (!cached.isCached)
    return "was computed again instead of being answered from the cache: is Superset's DATA_CACHE_CONFIG a cache that works? If a sync ran meanwhile, run this again";
  if (!isDeepStrictEqual(cached.data, computed.data))
    return "is answered from the cache with other rows than the store has";
  return null;
}

async function timed<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly ms: number }> {
  const start = performance.now();
  const value = await work();
  return { value, ms: performance.now() - start };
}
