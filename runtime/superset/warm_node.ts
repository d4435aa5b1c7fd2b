import { ProjectError } from "../../definitions/project_error.ts";
import type { DefinedDashboard } from "../../definitions/superset/dashboard.ts";
import { metadata, type MetadataMap } from "../../pipes/index.ts";
import { dashboardUrl, dashboardUuid } from "../../resources/superset/dashboard.ts";
import { inTurns } from "../../resources/superset/in_turns.ts";
import { openSuperset } from "../../resources/superset/open.ts";
import { roleAccount } from "../../resources/superset/role_account.ts";
import { warmDashboard, type WarmOutcome } from "../../resources/superset/warm.ts";
import { startClock } from "../clock.ts";
import { escapeMarkdown } from "../redaction.ts";
import { type AssetReport, durationMetadata } from "../report.ts";
import type { SupersetRunContext } from "./run_context.ts";

/** Readers of a dashboard would wait, or see an error. */
export class NotWarmError extends ProjectError {
  readonly code = "not_warm";
  readonly retryable = true;
}

/** As many as Superset's own worker of the local engine answers side by side, with room for readers. */
const CONCURRENCY = 4;
/** Few, since each of many charts would wait: a store that is down is not there for the next chart either. */
const RETRY = { maxAttempts: 3 };
/** A message that lists more is not read. */
const SHOWN = 20;

/** Warms a dashboard, for the service account and each of its roles. @throws NotWarmError */
export async function runWarm(
  { name, options }: DefinedDashboard,
  { signal, log, env, redact }: SupersetRunContext,
): Promise<AssetReport> {
  const clock = startClock();
  const { client } = openSuperset(env, { signal, log, retry: RETRY });
  const { roles = [], concurrency = CONCURRENCY } = options.warm ?? {};
  const others = await inTurns(roles, concurrency, async (role) => {
    return { role, client: await roleAccount(role, env, { signal, log, retry: RETRY }) };
  });
  const outcomes = await warmDashboard([{ role: null, client }, ...others], dashboardUuid(name), {
    concurrency,
    signal,
  });
  const cold = outcomes.filter(({ fault }) => fault !== null);
  if (cold.length > 0) {
    const lines = cold.slice(0, SHOWN).map((one) => `  ${nameOf(one)}: ${one.fault ?? ""}`);
    const more = cold.length > SHOWN ? [`  and ${cold.length - SHOWN} more`] : [];
    throw new NotWarmError(
      redact(
        [
          `${cold.length} of ${outcomes.length} answers of the dashboard "${options.title}" are not in Superset's cache:`,
          ...lines,
          ...more,
        ].join("\n"),
      ),
    );
  }
  return {
    dataVersion: undefined,
    metadata: {
      dashboard: metadata.url(dashboardUrl(client, name)),
      ...figures(outcomes, redact),
      ...durationMetadata({ publish: clock() }),
    },
    checks: [],
    partitions: null,
  };
}

function nameOf({ name, role }: WarmOutcome): string {
  return role === null ? name : `${name} (${role})`;
}

function figures(outcomes: readonly WarmOutcome[], redact: (text: string) => string): MetadataMap {
  const rows = outcomes.map((one) => {
    const cells = [one.rows, one.computeMs.toFixed(0), one.cachedMs.toFixed(0)];
    return `| ${escapeMarkdown(redact(nameOf(one)))} | ${cells.join(" | ")} |`;
  });
  return {
    // Of those asked again; a single miss has failed the asset.
    hit_rate: metadata.float(outcomes.filter(({ fault }) => fault === null).length / Math.max(1, outcomes.length)),
    answers: metadata.int(outcomes.length),
    slowest_ms: metadata.float(Math.max(0, ...outcomes.map(({ computeMs }) => computeMs))),
    charts: metadata.md(["| answer | rows | computed, ms | cached, ms |", "|---|---:|---:|---:|", ...rows].join("\n")),
  };
}
