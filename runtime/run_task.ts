import type { BodyContext } from "../definitions/body.ts";
import { metadata } from "../pipes/index.ts";
import { startClock } from "./clock.ts";
import { type AssetReport, durationMetadata } from "./report.ts";

/** Does what a task does, and tells what it returned. */
export async function runTask(
  task: (context: BodyContext) => Promise<unknown>,
  context: BodyContext,
): Promise<AssetReport> {
  const clock = startClock();
  const result = (await task(context)) as
    { metadata?: Record<string, string | number | bigint | boolean>; dataVersion?: string } | undefined;
  const own = Object.entries(result?.metadata ?? {}).map(([name, value]) => [name, toMetadata(value)] as const);
  return {
    dataVersion: result?.dataVersion,
    metadata: { ...Object.fromEntries(own), ...durationMetadata({ stage: clock() }) },
    checks: [],
    partitions: null,
  };
}

function toMetadata(
  value: string | number | bigint | boolean,
): ReturnType<
  typeof metadata.text | typeof metadata.url | typeof metadata.int | typeof metadata.float | typeof metadata.bool
> {
  switch (typeof value) {
    case "string":
      return /^https?:\/\//.test(value) ? metadata.url(value) : metadata.text(value);
    case "boolean":
      return metadata.bool(value);
    case "bigint":
      return metadata.int(value);
    case "number":
      return Number.isInteger(value) ? metadata.int(value) : metadata.float(value);
    default:
      throw new TypeError(`metadata of a task holds text, numbers and booleans, not ${typeof value}`);
  }
}
