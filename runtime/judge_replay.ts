import { type Check, isAboutTable } from "../definitions/check.ts";
import type { CheckContext, CheckOutcome, Staged } from "../resources/store.ts";

/** Some rows of many runs say nothing about what is true of the rows of one run together. */
export async function judge(
  staged: Staged,
  checks: readonly Check[],
  against: CheckContext,
  isReplay: boolean,
): Promise<readonly CheckOutcome[]> {
  if (!isReplay) return await staged.check(checks, against);
  const found = await staged.check(
    checks.filter((check) => !isAboutTable(check)),
    against,
  );
  return checks.map(
    (check) =>
      found.find((outcome) => outcome.check === check) ?? {
        ...{
          check,
          passed: true,
          failedRows: 0n,
          checkedRows: 0n,
          error: null,
          sample: null,
          kept: null,
          buckets: null,
        },
        counts: { failedRows: 0n, checkedRows: 0n, newest: null },
        measured: "not judged: a replay brings some rows of earlier runs",
      },
  );
}
