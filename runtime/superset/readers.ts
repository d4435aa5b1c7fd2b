import { type Readers, readersOf } from "../../resources/superset/readers.ts";
import type { Target } from "../../resources/store.ts";

/** A publish that is stopped is not to wait long for the names of charts. */
const ASK_MS = 15_000;
/** Names that a message lists of each kind. */
const MAX_NAMES = 20;

/** The sentence that names the charts and dashboards that break with some columns of a table, or says why it cannot. */
export async function readersText(
  { schema, table }: Target,
  columns: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const patience = AbortSignal.timeout(ASK_MS);
  let readers: Readers | null;
  try {
    readers = await readersOf(process.env, { schema, table, columns, signal: AbortSignal.any([signal, patience]) });
  } catch (error) {
    signal.throwIfAborted();
    const given = patience.aborted ? `no answer in ${ASK_MS / 1000} s` : undefined;
    const reason = given ?? (error instanceof Error ? error.message : String(error));
    return `Superset could not be asked which charts that breaks: ${reason}`;
  }
  if (readers === null) return "Which charts that breaks is not known, as no Superset is configured (SUPERSET_URL).";
  const { charts, otherCharts, dashboards } = readers;
  if (charts.length + otherCharts.length === 0) return "Superset has no chart of it.";
  return [
    charts.length === 0 ? "No chart in Superset names them." : `In Superset that breaks the charts ${listed(charts)}.`,
    otherCharts.length === 0 ? "" : `Other charts of the table: ${listed(otherCharts)}.`,
    dashboards.length === 0 ? "" : `Dashboards with such charts: ${listed(dashboards)}.`,
  ]
    .filter((sentence) => sentence !== "")
    .join(" ");
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).map((name) => JSON.stringify(name));
  const more = names.length > MAX_NAMES ? [`${names.length - MAX_NAMES} more`] : [];
  return [...shown, ...more].join(", ");
}
