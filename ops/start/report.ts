import { styleText } from "node:util";

/** What a run did for one asset. One JSON line of `follow_run.py`, which documents it. */
export interface AssetReport {
  readonly asset: string;
  readonly outcome: "not run" | "running" | "materialized" | "published" | "failed" | "skipped";
  readonly table: string | null;
  readonly rows: number | null;
  readonly seconds: number | null;
  readonly message: string | null;
  readonly checks_declared: number;
  readonly checks_passed: number;
  readonly warnings: readonly string[];
  readonly failures: readonly string[];
  readonly blocking_failures: readonly string[];
}

/** What a whole run did. */
export interface RunReport {
  readonly run_id: string;
  /** Dagster's run status, such as SUCCESS. */
  readonly status: string;
  readonly assets: readonly AssetReport[];
}

/** True only when the run succeeded, every asset is published and no blocking check failed. */
export function isGood({ status, assets }: RunReport): boolean {
  return (
    status === "SUCCESS" &&
    assets.length > 0 &&
    assets.every(({ outcome, blocking_failures }) => outcome === "published" && blocking_failures.length === 0)
  );
}

/** `1469307` → `1,469,307`. */
export function withCommas(value: number | null): string {
  return value === null ? "" : value.toLocaleString("en-US");
}

/** The table that ends a run: an asset a row, then what its failed checks and errors were. */
export function table({ assets }: RunReport): string {
  const header = ["asset", "rows", "checks", "seconds", "table"] as const;
  const rows = assets.map((report) => [
    report.asset,
    report.outcome === "published" ? withCommas(report.rows) : report.outcome,
    checks(report),
    report.seconds === null ? "" : report.seconds.toFixed(1),
    report.table ?? "",
  ]);
  const widths = header.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 1 || column === 3 ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  const lines = [
    styleText("bold", line(header)),
    line(widths.map((width) => "─".repeat(width))),
    ...rows.map((row, index) => styleText(colorOf(assets[index]), line(row))),
  ];
  const below = assets.flatMap(notes);
  return [...lines, ...(below.length > 0 ? ["", ...below] : [])].join("\n");
}

function checks({ checks_declared, checks_passed, warnings }: AssetReport): string {
  if (checks_declared === 0) return "-";
  const warned = warnings.length === 0 ? "" : `, ${warnings.length} warned`;
  return `${checks_passed}/${checks_declared}${warned}`;
}

function colorOf(report: AssetReport | undefined): "reset" | "red" | "yellow" {
  if (report?.outcome !== "published" || report.blocking_failures.length > 0) return "red";
  return report.warnings.length + report.failures.length > 0 ? "yellow" : "reset";
}

function notes({ asset, message, warnings, failures, blocking_failures }: AssetReport): string[] {
  const list = (what: string, names: readonly string[]): string[] =>
    names.length === 0 ? [] : [`${asset}: ${what} ${names.join(", ")}`];
  return [
    ...list("warned by", warnings),
    ...list("failed check, not blocking:", failures),
    ...list("refused by", blocking_failures),
    ...(message === null ? [] : [`${asset}: ${withoutFrames(message).slice(0, 12).join("\n    ")}`]),
  ];
}

/** A place on the stack, as `report.py` and V8 write it. */
const FRAME = /^\s+at /;

/** Only the places in files of the user's own are to be looked at; the log has all of them. */
function withoutFrames(message: string): string[] {
  return message.split("\n").filter((line) => !FRAME.test(line) || line.includes("/assets/"));
}
