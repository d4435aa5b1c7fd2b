import type { BucketCounts } from "./store.ts";

interface Count {
  readonly rows: bigint;
  readonly failedRows: bigint;
  readonly newest: number | null;
}

const NOTHING: Count = { rows: 0n, failedRows: 0n, newest: null };

/** Counts by bucket. */
export class Tally {
  readonly #counts = new Map<string, Count>();
  total: Count = NOTHING;

  add(bucket: string | null | undefined, change: Partial<Count>): void {
    const name = bucket ?? "";
    this.#counts.set(name, together(this.#counts.get(name) ?? NOTHING, change));
    this.total = together(this.total, change);
  }

  /** These counts as those of failed rows, of the rows that were looked at. */
  beside(checked: Tally): ReadonlyMap<string, BucketCounts> {
    const buckets = [...checked.#counts].map(([name, { rows }]): [string, BucketCounts] => {
      const { failedRows, newest } = this.#counts.get(name) ?? NOTHING;
      return [name, { failedRows, checkedRows: rows, newest }];
    });
    return new Map(buckets);
  }
}

function together(a: Count, { rows = 0n, failedRows = 0n, newest = null }: Partial<Count>): Count {
  const both = [a.newest, newest].filter((one) => one !== null);
  return {
    rows: a.rows + rows,
    failedRows: a.failedRows + failedRows,
    newest: both.length === 0 ? null : Math.max(...both),
  };
}
