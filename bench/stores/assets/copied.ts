import { copy, defineAsset } from "dagster-typescript";
import { source } from "./source.ts";

export const copied = defineAsset("bench/copied", {
  description: "The same rows in DuckDB.",
  store: "duckdb",
  columns: source.columns,
  body: copy(source),
});
