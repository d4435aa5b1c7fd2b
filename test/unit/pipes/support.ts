import {
  encodeParams,
  type AsyncMessageChannel,
  type PipesBootstrap,
  type PipesMessageWriter,
} from "../../../pipes/index.ts";

/** A context as Dagster writes it for a step with one asset. */
export const CONTEXT = {
  asset_keys: ["shop/orders"],
  code_version_by_asset_key: { "shop/orders": "v1" },
  provenance_by_asset_key: { "shop/orders": null },
  partition_key: null,
  partition_key_range: null,
  partition_time_window: null,
  run_id: "run-1",
  job_name: "job",
  retry_number: 0,
  extras: {},
};

/** The bootstrap values of a session whose messages a writer of the test takes. */
export function bootstrap(session: string, context: object = CONTEXT): PipesBootstrap {
  return { context: encodeParams({ data: context }), messages: encodeParams({ session }) };
}

/** A writer that keeps the lines of each session, and closes asynchronously. */
export function recordingWriter(): PipesMessageWriter<AsyncMessageChannel> & { lines: Map<unknown, string[]> } {
  const lines = new Map<unknown, string[]>();
  return {
    lines,
    open(params) {
      const kept = lines.get(params["session"]) ?? [];
      lines.set(params["session"], kept);
      return { mode: "async", write: (line) => void kept.push(line), close: () => Promise.resolve() };
    },
  };
}

/** The methods of recorded lines, in order. */
export function methods(lines: readonly string[] | undefined): string[] {
  return (lines ?? []).map((line) => (JSON.parse(line) as { method: string }).method);
}
