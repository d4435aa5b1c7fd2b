import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";

const DAY_MS = 86_400_000;
const FIRST_DAY = Date.UTC(2017, 0, 1);
const LAST_DAY = Date.UTC(2018, 0, 1);

/** Where the files go, and what they are cut from. */
export interface InboxOptions {
  readonly folder: string;
  /** `coupon_redemptions.parquet` of the Complete Journey data. */
  readonly parquetPath: string;
}

/**
 * The folder into which head office puts a file at the end of each day, `redemptions_2017-03-14.jsonl`: the coupons that
 * were redeemed, a line of JSON each, and at last a line that says how many: `{"redemptions":12}`. A day without any has
 * a file too.
 */
export class Inbox {
  readonly #folder: string;
  readonly #lines: ReadonlyMap<string, readonly string[]>;
  #next = FIRST_DAY;

  private constructor(folder: string, lines: ReadonlyMap<string, readonly string[]>) {
    this.#folder = folder;
    this.#lines = lines;
  }

  static async open({ folder, parquetPath }: InboxOptions): Promise<Inbox> {
    const instance = await DuckDBInstance.create(":memory:");
    try {
      const connection = await instance.connect();
      const result = await connection.runAndReadAll(
        `SELECT
           strftime(redemption_date, '%Y-%m-%d') AS day,
           '{"household_id":' || household_id || ',"coupon_upc":' || coupon_upc || ',"campaign_id":' || campaign_id
             || ',"redeemed_on":"' || day || '"}'
         FROM read_parquet($parquetPath)
         ORDER BY ALL`,
        { parquetPath },
      );
      const lines = new Map<string, string[]>();
      for (const [day, line] of result.getRows() as [string, string][]) {
        lines.set(day, [...(lines.get(day) ?? []), line]);
      }
      mkdirSync(folder, { recursive: true });
      return new Inbox(folder, lines);
    } finally {
      instance.closeSync();
    }
  }

  /** Writes the files of all days that have ended; those that are there stay as they are. */
  deliver(now: Date | undefined): void {
    for (; this.#next <= LAST_DAY; this.#next += DAY_MS) {
      if (now !== undefined && this.#next + DAY_MS > now.getTime()) return;
      const day = new Date(this.#next).toISOString().slice(0, 10);
      const path = join(this.#folder, `redemptions_${day}.jsonl`);
      if (existsSync(path)) continue;
      const lines = this.#lines.get(day) ?? [];
      // Under its name it is whole from the first moment.
      const hidden = join(this.#folder, `.redemptions_${day}.jsonl`);
      writeFileSync(hidden, `${[...lines, JSON.stringify({ redemptions: lines.length })].join("\n")}\n`);
      renameSync(hidden, path);
    }
  }
}
