import type { BodyContext } from "../definitions/body.ts";
import type { Attempt, CheckOutcome, Store, Target } from "../resources/store.ts";

/** Keeps the rows that failed the checks that ask for it. What became of the asset stands, whether this works or not. */
export async function keepFailedRows(
  store: Store,
  target: Target,
  outcomes: readonly CheckOutcome[],
  attempt: Attempt,
  { log }: BodyContext,
): Promise<void> {
  if (!outcomes.some(({ check }) => check.keptRows > 0)) return;
  const rows = outcomes.flatMap(({ check, kept }) =>
    (kept?.rows ?? []).map((row) => ({
      checkName: check.name,
      value: JSON.stringify(Object.fromEntries((kept?.columns ?? []).map((name, index) => [name, row[index] ?? null]))),
    })),
  );
  await store.keepFailedRows(target, attempt, rows).catch((error: unknown) => {
    log.warning(`The rows that failed checks could not be kept: ${String(error)}`);
  });
}
