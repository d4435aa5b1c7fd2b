import { expect, test } from "vitest";
import { type Comparison, htmlFault, htmlReport } from "../../../resources/validation/index.ts";

const SECRET = 'a<b&"c"';
const OPTIONS = {
  title: "shop/validate",
  description: `<img src=x onerror=alert(1)> ${SECRET}`,
  at: new Date("2026-01-01T00:00:00Z"),
  runId: "<run>",
  redact: (text: string): string => text.replaceAll(SECRET, "[redacted]"),
};
const EVIL = `<script>alert('1')</script> ${SECRET}`;
const FOUND: Comparison = {
  ...{ leftRows: 1, rightRows: 1, differences: 1, path: "" },
  counts: new Map([[EVIL, 1]]),
  matches: [{ column: EVIL, compared: 1, equal: 0, rate: 0, leftTotal: EVIL, rightTotal: null }],
  sample: { columns: [EVIL], rows: [[EVIL], [null]] },
  notes: { left: [EVIL], right: [] },
};

test("nothing in a cell, a name or a reason is markup on the page of a day, and no secret is on it", () => {
  for (const page of [htmlReport(FOUND, OPTIONS), htmlFault(EVIL, OPTIONS)]) {
    expect(page).not.toMatch(/<(script|img|run)/);
    expect(page).toContain("&lt;script&gt;alert('1')&lt;/script&gt; [redacted]");
    expect(page).not.toContain("a&lt;b");
    expect(page).not.toContain(SECRET);
  }
});
