/** Runs what the test asks for (`argv[2]`, JSON) in a Pipes process, over the channels it asks for. */
import { isDeepStrictEqual } from "node:util";

import {
  defaultContextLoader,
  defaultMessageWriter,
  metadata,
  runWithPipes,
  s3ContextLoader,
  s3MessageWriter,
  type CheckReport,
  type MaterializationReport,
  type PipesContext,
  type PipesStream,
} from "../../../../pipes/index.ts";
import { testS3 } from "./unsigned_s3.ts";

interface Scenario {
  readonly contextFromS3?: boolean;
  readonly messagesToS3?: boolean;
  readonly expectExtras?: unknown;
  readonly expectJobName?: string;
  readonly logEachLevel?: boolean;
  readonly customMessages?: readonly unknown[];
  readonly materialization?: MaterializationReport;
  readonly check?: CheckReport;
  readonly print?: Partial<Record<PipesStream, string>>;
  readonly externalStream?: Partial<Record<PipesStream, string>>;
  readonly fail?: string;
}

/** One value of each type that has a single form. */
const oneOfEach = {
  text: metadata.text("some text"),
  url: metadata.url("https://example.org/report"),
  path: metadata.path("/srv/data"),
  notebook: metadata.notebook("explore.ipynb"),
  md: metadata.md("_slanted_"),
  json: metadata.json({ list: [1, 2.5, null], nested: { deep: true } }),
  float: metadata.float(3),
  int: metadata.int(2n ** 70n),
  yes: metadata.bool(true),
  no: metadata.bool(false),
  run: metadata.dagsterRun("0b8ad7a5-6ad2-4e79-a8c6-7e6ee04c8b55"),
  asset: metadata.asset("shop/orders"),
  nothing: metadata.null(),
  timestamp: metadata.timestamp(new Date("2026-01-02T03:04:05Z")),
  table: metadata.table({ records: [{ id: 1, name: "a" }], schema: [{ name: "id", type: "BIGINT" }] }),
  schema: metadata.tableSchema([
    { name: "id", type: "BIGINT", description: "Key", constraints: { nullable: false, unique: true, other: ["> 0"] } },
  ]),
  lineage: metadata.tableColumnLineage({ id: [{ assetKey: "shop/orders", columnName: "order_id" }] }),
};

const scenario = JSON.parse(process.argv[2] ?? "{}") as Scenario;

function play(pipes: PipesContext): void {
  if ("expectExtras" in scenario && !isDeepStrictEqual(pipes.extras, scenario.expectExtras)) {
    throw new Error(`the extras are ${JSON.stringify(pipes.extras)}`);
  }
  if (scenario.expectJobName !== undefined && pipes.jobName !== scenario.expectJobName) {
    throw new Error(`the job name is ${String(pipes.jobName)}`);
  }
  if (scenario.logEachLevel === true) {
    for (const level of ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] as const) {
      pipes.log.log(level, `said at ${level}`);
    }
  }
  for (const payload of scenario.customMessages ?? []) pipes.reportCustomMessage(payload);
  if (scenario.materialization) pipes.reportAssetMaterialization({ ...scenario.materialization, metadata: oneOfEach });
  if (scenario.check) pipes.reportAssetCheck({ ...scenario.check, metadata: oneOfEach });
  for (const [stream, text] of Object.entries(scenario.print ?? {})) process[stream as PipesStream].write(text);
  for (const [stream, text] of Object.entries(scenario.externalStream ?? {})) {
    pipes.logExternalStream(stream as PipesStream, text);
  }
  if (scenario.fail !== undefined) throw new TypeError(scenario.fail, { cause: new Error("the cause of it") });
}

await runWithPipes(play, {
  contextLoader: scenario.contextFromS3 === true ? s3ContextLoader(testS3()) : defaultContextLoader,
  messageWriter: scenario.messagesToS3 === true ? s3MessageWriter(testS3()) : defaultMessageWriter,
});
