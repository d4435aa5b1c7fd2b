import { expect, expectTypeOf, it } from "vitest";

import { metadata, type MetadataInput, type MetadataMap, type PipesContext } from "../../../pipes/index.ts";
import type { S3Like } from "../../../pipes/s3.ts";

interface Summary {
  rows: number;
  tables: { name: string; at: Date }[];
}

/** Never called: the compiler is the test. */
export function wrongUses(pipes: PipesContext, summary: Summary): void {
  // @ts-expect-error -- a text is no int
  metadata.int("1");
  // @ts-expect-error -- a bigint is no float
  metadata.float(1n);
  // @ts-expect-error -- a number is no bool
  metadata.bool(1);
  // @ts-expect-error -- Dagster takes no bare number as JSON
  metadata.json(1);
  // @ts-expect-error -- a function has no JSON form
  metadata.json({ f: () => 1 });
  // @ts-expect-error -- a Map has no JSON form
  pipes.reportCustomMessage({ m: new Map<string, string>() });
  // @ts-expect-error -- a column needs a type
  metadata.tableSchema([{ name: "a" }]);
  // @ts-expect-error -- a cell is a scalar
  metadata.table({ records: [{ a: [1] }], schema: [] });
  // @ts-expect-error -- a dependency needs a column
  metadata.tableColumnLineage({ a: [{ assetKey: "x" }] });
  // @ts-expect-error -- an object needs metadata.json
  pipes.reportAssetMaterialization({ metadata: { a: { b: 1 } } });
  // @ts-expect-error -- a check needs a verdict
  pipes.reportAssetCheck({ checkName: "c" });
  // @ts-expect-error -- there is no such severity
  pipes.reportAssetCheck({ checkName: "c", passed: true, severity: "INFO" });
  // @ts-expect-error -- a log line is text
  pipes.log.info(1);
  // @ts-expect-error -- there is no such stream
  pipes.logExternalStream("stdin", "x");

  pipes.reportCustomMessage(summary);
  pipes.reportAssetMaterialization({ metadata: { a: 1n, b: metadata.json(summary), c: metadata.float(1) } });
}

it("metadata constructors and bare values fit a metadata map", () => {
  expectTypeOf(metadata.int(1)).toExtend<MetadataInput>();
  expectTypeOf({ a: metadata.md("x"), b: 1, c: null, d: [1, "a"] }).toExtend<MetadataMap>();
  expectTypeOf<{ a: undefined }>().not.toExtend<MetadataMap>();
  expectTypeOf<S3Like["putObject"]>().returns.toEqualTypeOf<Promise<unknown>>();
  expect(wrongUses).toBeTypeOf("function");
});
