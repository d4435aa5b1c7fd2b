import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A purchase line as the point-of-sale API sends it. */
export interface Line {
  readonly basket_id: number;
  readonly product_id: number;
  readonly household_id: number;
  readonly store_id: number;
  readonly quantity: number;
  readonly sales_value: string;
  readonly retail_disc: string;
  readonly coupon_disc: string;
  readonly coupon_match_disc: string;
  readonly sold_at: string;
}

/** Reads the pages as an API would answer them: JSON text, one page at a time. `BENCH_PAGES` names their folder. */
export function* readPages(): Generator<readonly Line[]> {
  const folder = process.env["BENCH_PAGES"] ?? "";
  for (const name of readdirSync(folder).sort()) {
    const page = JSON.parse(readFileSync(join(folder, name), "utf8")) as { readonly lines: readonly Line[] };
    yield page.lines;
  }
}
