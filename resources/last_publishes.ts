import type { LastPublish } from "../definitions/tick.ts";
import { cursorText } from "./cursor.ts";
import type { Parameter, Statement } from "./render_sql.ts";
import type { TextReader } from "./store.ts";

/** With more, the ledger is read as a whole: a statement takes so many parameters at least. */
const MAX_NAMED_KEYS = 500;

/** The key of a publish of the whole table. */
const WHOLE = "";

/** The lines of a ledger, one for each partition of a publish, and one with the key `''` for each of a whole table. */
export interface PublishedLines extends Statement {
  /** How a parameter of text stands in a statement. */
  readonly parameter: (index: number, value: Parameter) => string;
  /** What comes before the time of the publish in the order of publishes. @default nothing */
  readonly order?: string | undefined;
}

/**
 * The latest publish of each partition, be it of the partition or of the whole table.
 *
 * @param lines Of one asset, with the columns partition_key, run_id, started_at and published_at.
 * @param keys `null`: of the whole table, whatever it was a publish of.
 */
export async function lastPublishes(
  reader: TextReader,
  lines: PublishedLines,
  keys: readonly string[] | null,
): Promise<ReadonlyMap<string, LastPublish>> {
  const parameters: Parameter[] = [...lines.parameters];
  const bind = (key: string): string => `CAST(${lines.parameter(parameters.push(key), key)} AS text)`;
  const wanted =
    keys === null || keys.length > MAX_NAMED_KEYS
      ? ""
      : ` WHERE partition_key IN (${[...keys, WHOLE].map(bind).join(", ")})`;
  const { rows } = await reader.text({
    text: `SELECT partition_key, run_id, CAST(started_at AS text), CAST(published_at AS text) FROM (
        SELECT lines.*, row_number() OVER (PARTITION BY partition_key ORDER BY ${lines.order ?? ""}published_at DESC) AS place
        FROM (${lines.text}) AS lines${wanted}
      ) AS ranked WHERE place = 1`,
    parameters,
  });
  const found = new Map(
    rows.map(([key, runId, startedAt, publishedAt]) => [
      key ?? "",
      { runId: runId ?? "", startedAt: instant(startedAt), publishedAt: instant(publishedAt) },
    ]),
  );
  const whole = found.get(WHOLE);
  if (keys === null || whole === undefined) return found;
  return new Map(
    keys.map((key) => {
      const own = found.get(key);
      return [key, own !== undefined && own.publishedAt > whole.publishedAt ? own : whole];
    }),
  );
}

function instant(printed: string | null | undefined): string {
  return cursorText(printed ?? "", { name: "ledger", type: { kind: "timestamp" } });
}
