import { metadata, type MetadataMap } from "../pipes/index.ts";
import type { CheckOutcome, Sample, StagedFacts, Target } from "../resources/store.ts";
import { isAboutTable } from "../definitions/check.ts";
import { thresholdOf } from "../resources/store_checks.ts";
import type { Profile } from "./history.ts";
import { projectPath } from "./import_scan.ts";
import type { PartitionReport } from "./partitions.ts";
import { escapeMarkdown, type Redact } from "./redaction.ts";
import type { ReplayCounts } from "./replay.ts";
import type { ResolvedAsset } from "./resolve.ts";
import type { ColumnPromise } from "./schema_evolution.ts";

/** What Dagster is told of one asset, in a form that survives as JSON in the ledger. */
export interface AssetReport {
  readonly dataVersion: string | undefined;
  readonly metadata: MetadataMap;
  readonly checks: readonly CheckReport[];
  /** Of each partition by itself; `null` for a run of the whole table. */
  readonly partitions: readonly PartitionReport[] | null;
  /** What later publishes are compared with; absent for a task. */
  readonly profile?: Profile;
  /** What charts may rely on from now on; absent for a task. */
  readonly promise?: ColumnPromise;
  /** Of a replay, what became of its rows. */
  readonly replay?: ReplayCounts | undefined;
}

/** The verdict of one check. */
export interface CheckReport {
  readonly name: string;
  readonly passed: boolean;
  readonly severity: "ERROR" | "WARN";
  readonly metadata: MetadataMap;
}

/** Times of the phases of an asset, in seconds. */
export type Durations = Readonly<Partial<Record<"stage" | "check" | "content_hash" | "publish", number>>>;

/** What is known of a table that is about to be published. */
export interface TableReport {
  readonly asset: ResolvedAsset;
  readonly target: Target;
  readonly facts: StagedFacts;
  readonly checks: readonly CheckReport[];
  readonly profile: Profile;
  readonly promise: ColumnPromise;
  readonly replay?: ReplayCounts | undefined;
  readonly partitions: readonly PartitionReport[] | null;
  readonly statement: string | null;
  /** Rows that the body yielded, where they passed through TypeScript. */
  readonly rowsRead: number | undefined;
  readonly rowsQuarantined: number;
  /** How the source differs from the contract, where that was let through. */
  readonly differences: readonly string[];
  readonly uri: string;
  readonly durations: Durations;
  readonly redact: Redact;
}

/** Values of a sample longer than this are cut. */
const MAX_CELL = 80;
/** Columns shown of a wide table. */
const MAX_COLUMNS = 30;

/** The report of a table, with the metadata that Dagster knows by name and the project's own. */
export function tableReport(report: TableReport): AssetReport {
  const { asset, target, facts, statement, durations } = report;
  const uniques = new Set(
    asset.checks.flatMap(({ rule, columns, maxShare }) =>
      rule.kind === "unique" && columns.length === 1 && maxShare === 0 ? columns : [],
    ),
  );
  const rowCount = Number(facts.rowCount);
  return {
    dataVersion: facts.contentHash,
    checks: report.checks,
    partitions: report.partitions,
    profile: report.profile,
    promise: report.promise,
    replay: report.replay,
    metadata: {
      "dagster/column_schema": metadata.tableSchema(
        target.columns.map(({ name, type, nullable, description }) => ({
          name,
          type: asset.store.typeName(type),
          description,
          constraints: { nullable, unique: uniques.has(name) },
        })),
      ),
      ...rowCountMetadata(target, rowCount),
      "dagster/table_name": metadata.text(`${target.schema}.${target.table}`),
      "dagster/uri": metadata.text(report.uri),
      rows_read: metadata.int(report.rowsRead ?? rowCount),
      rows_written: metadata.int(rowCount),
      rows_quarantined: metadata.int(report.rowsQuarantined),
      ...contractMetadata(report),
      ...replayMetadata(report),
      sample: metadata.md(sampleMarkdown(facts.sample, report.redact)),
      ...(statement === null ? {} : { sql: metadata.md(fenced("sql", statement)) }),
      code: metadata.text(
        asset.sources.map(({ file, line }) => `${projectPath(process.cwd(), file)}:${line}`).join(" "),
      ),
      ...durationMetadata(durations),
    },
  };
}

/** What differs from the contract, as a list. */
function contractMetadata({ differences, redact }: TableReport): MetadataMap {
  if (differences.length === 0) return {};
  const lines = differences.map((one) => `- ${escapeMarkdown(redact(one))}`);
  return { contract_differences: metadata.md(lines.join("\n")) };
}

function replayMetadata({ replay }: TableReport): MetadataMap {
  if (replay === undefined) return {};
  return { rows_replayed: metadata.int(replay.replayed), rows_superseded: metadata.int(replay.superseded) };
}

/** How many rows there are, where a run knows: one that adds to a table knows only its own. */
function rowCountMetadata({ strategy }: Target, rowCount: number): MetadataMap {
  if (strategy.kind === "replace") return { "dagster/row_count": metadata.int(rowCount) };
  return strategy.kind === "replacePartitions" ? { "dagster/partition_row_count": metadata.int(rowCount) } : {};
}

/** The verdict of a check, with the rows that failed it. */
export function checkReport(outcome: CheckOutcome, published: boolean, redact: Redact): CheckReport {
  const { check, passed, failedRows, checkedRows, sample, measured, error } = outcome;
  const share = shareOf(Number(failedRows), Number(checkedRows));
  return {
    name: check.name,
    passed,
    severity: check.severity,
    metadata: {
      published: metadata.bool(published),
      failed_rows: metadata.int(failedRows <= Number.MAX_SAFE_INTEGER ? Number(failedRows) : failedRows),
      checked_rows: metadata.int(Number(checkedRows)),
      ...(isAboutTable(check) ? {} : { failed_share: metadata.float(share) }),
      threshold: metadata.text(thresholdOf(check)),
      rule: metadata.text(check.description),
      ...(measured === null ? {} : { measured: metadata.text(redact(measured)) }),
      ...(error === null ? {} : { error: metadata.text(redact(error)) }),
      ...(sample === null ? {} : { failed_sample: metadata.md(sampleMarkdown(sample, redact)) }),
    },
  };
}

/** The share of rows that failed, from 0 to 1. */
export function shareOf(failedRows: number, checkedRows: number): number {
  // A query of bad rows may return more of them than there are rows.
  return checkedRows === 0 ? Math.min(failedRows, 1) : Math.min(failedRows / checkedRows, 1);
}

/** Seconds of each phase, as Dagster plots them. */
export function durationMetadata(durations: Durations): MetadataMap {
  return Object.fromEntries(
    Object.entries(durations).map(([phase, seconds]) => [
      `seconds_${phase}`,
      metadata.float(Math.round(seconds * 1000) / 1000),
    ]),
  );
}

/**
 * A few rows as a Markdown table; nothing in them can break out of their cell.
 *
 * @param redact Masks secrets before a value is cut or escaped: afterwards nobody would recognise them.
 */
export function sampleMarkdown({ columns, rows }: Sample, redact: Redact): string {
  if (rows.length === 0) return "(no rows)";
  const shown = columns.slice(0, MAX_COLUMNS);
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const lines = [
    line(shown.map((name) => cell(redact(name)))),
    line(shown.map(() => "---")),
    ...rows.map((row) =>
      line(row.slice(0, MAX_COLUMNS).map((value) => (value === null ? "NULL" : cell(redact(value))))),
    ),
  ];
  if (columns.length > MAX_COLUMNS) lines.push("", `${columns.length - MAX_COLUMNS} more columns`);
  return lines.join("\n");
}

function cell(text: string): string {
  const cut = text.length > MAX_CELL ? `${text.slice(0, MAX_CELL).toWellFormed()}…` : text;
  return escapeMarkdown(cut).replaceAll(/[\r\n\u2028\u2029]+/g, " ");
}

function fenced(language: string, text: string): string {
  // Longer than any run of backticks inside.
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}
