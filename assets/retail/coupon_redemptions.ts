import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { between, daily, date, defineAsset, within, z } from "dagster-typescript";

/** A line of the file. The contract below checks each value. */
interface Redemption {
  readonly household_id: number;
  readonly coupon_upc: number;
  readonly campaign_id: number;
  readonly redeemed_on: string;
}

const last = z.strictObject({ redemptions: z.int().min(0) });

export const coupon_redemptions = defineAsset("retail/coupon_redemptions", {
  description: "Coupons that households redeemed, from the file that head office puts into the inbox every night.",
  columns: z.strictObject({
    household_id: z.int32().describe("Household, by its loyalty card"),
    coupon_upc: z.int().describe("Code of the coupon; a household may redeem the same one several times a day"),
    campaign_id: z.int32().describe("Campaign that the coupon is of"),
    redeemed_on: date().describe("Day"),
  }),
  partitions: daily("redeemed_on", { start: "2017-01-01", end: "2018-01-02" }),
  checks: [between("campaign_id", { min: 1, max: 27 })],
  owners: ["team:retail"],
  tags: { domain: "sales", source: "inbox" },
  freshness: within("49h"),
  body: {
    async *rows({ partitionKeys, row }) {
      for (const day of partitionKeys ?? []) {
        const path = join(process.env["INBOX_DIR"] ?? "data/inbox", `redemptions_${day}.jsonl`);
        const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
        const { redemptions } = last.parse(JSON.parse(lines.pop() ?? ""));
        // A file that lost its middle is not a day with fewer redemptions.
        if (lines.length !== redemptions) throw new Error(`${path} has ${lines.length} of ${redemptions} redemptions`);
        yield lines.map((line) => row(JSON.parse(line) as Redemption));
      }
    },
  },
});
