import type { Comparison } from "./compare.ts";

/** What a report is about, besides what was found. */
export interface ReportOptions {
  readonly title: string;
  readonly description: string;
  readonly at: Date;
  readonly runId: string;
  /** Masks secrets. */
  readonly redact: (text: string) => string;
}

const STYLE = `body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b1f24}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}td,th{border:1px solid #d0d7de;padding:.25rem .6rem;text-align:left;vertical-align:top}
th{background:#f6f8fa}td.n{text-align:right;font-variant-numeric:tabular-nums}.ok{color:#116329}.bad{color:#a40e26}`;

/** A page that says whether two sides are the same, and where not: for people, without scripts, complete in itself. */
export function htmlReport(comparison: Comparison, options: ReportOptions): string {
  const { leftRows, rightRows, differences, counts, matches, sample, notes } = comparison;
  const verdict =
    differences === 0
      ? '<p class="ok"><strong>Both sides are the same.</strong></p>'
      : `<p class="bad"><strong>${differences.toLocaleString("en")} differences.</strong> What is downstream is stopped.</p>`;
  const html = htmlOf(options);
  const noted = (["left", "right"] as const).flatMap((side) => notes[side].map((note) => `${side}: ${note}`));
  return page(
    options,
    `<p>Left: ${leftRows.toLocaleString("en")} rows, right: ${rightRows.toLocaleString("en")} rows.</p>
${verdict}
<h2>Columns</h2>
${table(
  html,
  ["column", "compared", "equal", "match rate", "left total", "right total"],
  matches.map((one) => [
    one.column,
    String(one.compared),
    String(one.equal),
    percent(one.rate),
    one.leftTotal ?? "",
    one.rightTotal ?? "",
  ]),
  1,
)}
${noted.length === 0 ? "" : `<h2>How the sides were read</h2>\n<ul>${noted.map((note) => `<li>${html(note)}</li>`).join("")}</ul>`}
${
  differences === 0
    ? ""
    : `<h2>Differences</h2>
${table(
  html,
  ["kind", "how many"],
  [...counts].map(([kind, count]) => [kind, String(count)]),
  1,
)}
<p>The first ${sample.rows.length.toLocaleString("en")}:</p>
${table(
  html,
  sample.columns,
  sample.rows.map((row) => row.map((value) => value ?? "")),
  sample.columns.length,
)}`
}`,
  );
}

/** The page of a day on which nothing could be compared: an earlier one of that day would go on saying that all is well. */
export function htmlFault(reason: string, options: ReportOptions): string {
  const html = htmlOf(options);
  return page(
    options,
    `<p class="bad"><strong>Nothing was compared.</strong> What is downstream is stopped.</p>\n<p>${html(reason)}</p>`,
  );
}

function page(options: ReportOptions, content: string): string {
  const { title, description, at, runId } = options;
  const html = htmlOf(options);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${html(title)}</title><style>${STYLE}</style></head><body>
<h1>${html(title)}</h1>
<p>${html(description)}</p>
<p>${at.toISOString()}, run ${html(runId)}.</p>
${content}
</body></html>
`;
}

type Html = (text: string) => string;

/** Secrets are masked before a text is escaped: afterwards nobody would recognise them. */
function htmlOf({ redact }: ReportOptions): Html {
  return (text) => escapeHtml(redact(text));
}

/** A share as people read it: 100 % is said of nothing less. */
function percent(rate: number): string {
  return `${Number((rate * 100).toFixed(4))} %`;
}

/** @param numbers From this column on, cells are numbers. */
function table(html: Html, columns: readonly string[], rows: readonly (readonly string[])[], numbers: number): string {
  const head = columns.map((name) => `<th>${html(name)}</th>`).join("");
  const body = rows.map(
    (row) =>
      `<tr>${row.map((value, index) => `<td${index >= numbers ? ' class="n"' : ""}>${html(value)}</td>`).join("")}</tr>`,
  );
  return `<table><thead><tr>${head}</tr></thead><tbody>\n${body.join("\n")}\n</tbody></table>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
