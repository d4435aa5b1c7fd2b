import { defineSensor } from "dagster-typescript";
import { lateData } from "dagster-typescript/sensors";
import { cleaned_events } from "./cleaned_events.ts";
import { raw_events } from "./raw_events.ts";
import { sales_daily } from "./sales_daily.ts";
import { sales_hourly } from "./sales_hourly.ts";

export const new_lines = defineSensor("retail/new_lines", {
  description:
    "Computes the days of new lines, and again those of lines that come late, then the rollups of these days.",
  assets: [cleaned_events, sales_hourly, sales_daily],
  ...lateData({ source: raw_events, time: "occurred_at", arrived: "received_at", unbuilt: "build" }),
});
