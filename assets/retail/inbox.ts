import { defineSensor } from "dagster-typescript";
import { newFiles } from "dagster-typescript/sensors";
import { coupon_redemptions } from "./coupon_redemptions.ts";

export const inbox = defineSensor("retail/inbox", {
  description: "Loads the day of each file that head office puts into the inbox.",
  assets: [coupon_redemptions],
  ...newFiles({
    folder: process.env["INBOX_DIR"] ?? "data/inbox",
    pattern: "redemptions_*.jsonl",
    // They are renamed into the inbox once they are whole.
    settled: "1s",
    partition: ({ name }) => /^redemptions_(\d{4}-\d{2}-\d{2})\.jsonl$/.exec(name)?.[1] ?? null,
  }),
});
