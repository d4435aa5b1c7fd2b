import type { Summary } from "./contest.ts";

/** Something that must be reached. */
export interface Bar {
  readonly name: string;
  readonly value: number;
  /** The largest value that is good enough; not itself if `below`. */
  readonly limit: number;
  readonly below?: boolean;
}

/** All that a bench found. */
export interface Result {
  readonly bench: string;
  readonly contenders: readonly Summary[];
  readonly bars: readonly Bar[];
}

/** Whether a bar is reached. A value that could not be computed reaches none. */
export function holds({ value, limit, below = false }: Bar): boolean {
  return below ? value < limit : value <= limit;
}

/** The result as the one line of JSON that ends every bench. */
export function resultLine({ bench, contenders, bars }: Result): string {
  return JSON.stringify({
    bench,
    contenders: Object.fromEntries(
      contenders.map(({ name, medianS, peakMb }) => [
        name,
        { median_s: round(medianS), peak_mb: peakMb === undefined ? null : Math.round(peakMb) },
      ]),
    ),
    bars: Object.fromEntries(
      bars.map((bar) => [bar.name, { value: round(bar.value), limit: bar.limit, holds: holds(bar) }]),
    ),
  });
}

/** The result as people read it: the contenders, then the bars. */
export function resultTable({ contenders, bars }: Result): string {
  const extras = [...new Set(contenders.flatMap(({ extra }) => Object.keys(extra)))];
  const figures = table(
    ["contender", "median s", "from", "to", "cpu s", "peak MB", ...extras],
    contenders.map(({ name, medianS, minS, maxS, cpuS, peakMb, extra }) => [
      name,
      medianS.toFixed(3),
      minS.toFixed(3),
      maxS.toFixed(3),
      cpuS?.toFixed(3) ?? "",
      peakMb?.toFixed(0) ?? "",
      ...extras.map((key) => shown(extra[key])),
    ]),
  );
  const reached = table(
    ["bar", "value", "limit", ""],
    bars.map((bar) => [
      bar.name,
      shown(bar.value),
      `${bar.below === true ? "<" : "≤"} ${bar.limit}`,
      holds(bar) ? "holds" : "DOES NOT HOLD",
    ]),
  );
  return `${figures}\n\n${reached}`;
}

/** Columns of equal width: the first to the left, numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    widths
      .map((width, column) => (column === 0 ? (cells[0] ?? "").padEnd(width) : (cells[column] ?? "").padStart(width)))
      .join("  ")
      .trimEnd();
  return [line(header), line(widths.map((width) => "─".repeat(width))), ...rows.map(line)].join("\n");
}

function shown(value: number | undefined): string {
  if (value === undefined) return "";
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : value.toFixed(3);
}

/** Three digits after the point; JSON has no `NaN`, so that it becomes `null`. */
function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
