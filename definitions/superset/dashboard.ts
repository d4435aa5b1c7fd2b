import { asText } from "../as_text.ts";
import type { Fault, SourcePosition } from "../fault.ts";
import { registerDashboard } from "../registry.ts";
import { callerPositions, UNKNOWN_POSITION } from "../source_position.ts";
import type { Chart } from "./chart.ts";
import type { DashboardFilter } from "./dashboard_filter.ts";
import { validateDashboard } from "./validate_dashboard.ts";

/** How the answers of a dashboard's charts are put into Superset's cache. */
export interface WarmOptions {
  /**
   * Names of Superset roles whose row-level security gives them rows, and so answers, of their own. The environment names
   * an account for each: `SUPERSET_ROLE_<ROLE>_USERNAME` and `_PASSWORD`. @default only the service account's answers
   */
  readonly roles?: readonly string[] | undefined;
  /** Charts that are asked side by side. @default 4 */
  readonly concurrency?: number | undefined;
}

/** Everything that a dashboard is. */
export interface DashboardOptions {
  readonly title: string;
  readonly description: string;
  /** In the order in which they are laid out, from left to right and from top to bottom. */
  readonly charts: readonly Chart[];
  readonly filters?: readonly DashboardFilter[] | undefined;
  readonly warm?: WarmOptions | undefined;
  /** E-mail addresses, or `team:name`. */
  readonly owners?: readonly string[] | undefined;
}

/** A dashboard, as the runtime sees it. */
export interface DefinedDashboard {
  /** `kpi`, of the file `assets/dashboards/kpi.ts`. */
  readonly name: string;
  /** `dashboards/kpi`: the file's path below `assets/`. */
  readonly key: string;
  readonly options: DashboardOptions;
  readonly position: SourcePosition;
  readonly callers: readonly SourcePosition[];
  readonly faults: readonly Fault[];
}

/** A dashboard, as other files refer to it. */
export interface Dashboard {
  readonly kind: "dashboard";
  readonly name: string;
}

/**
 * Declares a dashboard of Superset. It becomes two assets in Dagster: `superset/dashboard/<name>` makes the dashboard and
 * its charts what is written here, and `superset/warm/<name>` asks every chart, so that its readers are answered from the
 * cache. Never throws: mistakes are recorded with their file and line, as those of assets are.
 *
 * @param name the same as the file's name below `assets/dashboards/`.
 * @example
 * ```ts
 * import { bar, bigNumber, defineDashboard } from "dagster-typescript";
 * import { orders } from "../shop/orders.ts";
 *
 * export const sales = defineDashboard("sales", {
 *   title: "Sales",
 *   description: "What the shop sold.",
 *   charts: [
 *     bigNumber("revenue", { dataset: orders, metric: "revenue", format: "$,.0f" }),
 *     bar("revenue_by_country", { dataset: orders, metrics: ["revenue"], by: "country" }),
 *   ],
 * });
 * ```
 */
export function defineDashboard(name: string, options: DashboardOptions): Dashboard {
  const callers = callerPositions();
  const [position = UNKNOWN_POSITION] = callers;
  const text = asText(name);
  const read = validateDashboard(text, options, position);
  const key = `dashboards/${text}`;
  registerDashboard({ name: text, key, options: read.options, position, callers, faults: read.faults });
  return { kind: "dashboard", name: text };
}
