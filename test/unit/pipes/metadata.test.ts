import { describe, expect, it } from "vitest";

import { PipesArgumentError, metadata, type MetadataInput } from "../../../pipes/index.ts";
import { createTestPipes } from "../../../pipes/testing.ts";

function reported(value: MetadataInput): unknown {
  const pipes = createTestPipes({ assetKeys: ["a"] });
  pipes.context.reportAssetMaterialization({ metadata: { value } });
  return pipes.messagesOf("report_asset_materialization")[0]?.params.metadata?.["value"];
}

/** A wrong argument, as it comes from JavaScript or from a cast. */
function wrong(value: unknown): never {
  return value as never;
}

function fault(make: () => unknown): PipesArgumentError {
  try {
    make();
  } catch (error) {
    if (error instanceof PipesArgumentError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("each constructor writes its type", () => {
  it.each<[MetadataInput, string, unknown]>([
    [metadata.text("t"), "text", "t"],
    [metadata.url("https://example.org"), "url", "https://example.org"],
    [metadata.path("/tmp/x"), "path", "/tmp/x"],
    [metadata.notebook("n.ipynb"), "notebook", "n.ipynb"],
    [metadata.md("# h"), "md", "# h"],
    [metadata.json({ a: [1, null] }), "json", { a: [1, null] }],
    [metadata.float(1), "float", 1],
    [metadata.int(1), "int", 1],
    [metadata.bool(false), "bool", false],
    [metadata.dagsterRun("r"), "dagster_run", "r"],
    [metadata.asset(["a", "b"]), "asset", "a/b"],
    [metadata.null(), "null", null],
    [metadata.timestamp(new Date(1500)), "timestamp", 1.5],
    [
      metadata.table({ records: [{ a: 1 }], schema: [{ name: "a", type: "int" }] }),
      "table",
      { records: [{ a: 1 }], schema: [{ name: "a", type: "int" }] },
    ],
    [
      metadata.tableSchema([{ name: "a", type: "int", constraints: { nullable: false } }]),
      "table_schema",
      { columns: [{ name: "a", type: "int", constraints: { nullable: false } }] },
    ],
    [
      metadata.tableColumnLineage({ c: [{ assetKey: "a/b\\/c", columnName: "x" }] }),
      "table_column_lineage",
      { deps_by_column: { c: [{ asset_key: ["a", "b/c"], column_name: "x" }] } },
    ],
    ["bare", "__infer__", "bare"],
    [1, "__infer__", 1],
    [0.5, "float", 0.5],
    [2 ** 60, "float", 2 ** 60],
    [true, "__infer__", true],
    [null, "__infer__", null],
    [[1, "a"], "__infer__", [1, "a"]],
  ])("%j", (entry, type, rawValue) => {
    expect(reported(entry)).toEqual({ type, raw_value: rawValue });
  });
});

describe("a wrong value is refused where it is made, naming all there is to know", () => {
  it("parameter, method, expected and got", () => {
    expect(fault(() => metadata.int(1.5))).toMatchObject({
      code: "pipes_argument",
      method: "metadata.int",
      parameter: "value",
      got: "number 1.5",
    });
    expect(fault(() => metadata.int(1.5)).message).toBe(
      "metadata.int: parameter `value` must be a bigint or a safe integer (larger ones have lost digits already), " +
        "got number 1.5.",
    );
  });

  it.each<[string, () => unknown]>([
    ["an unsafe integer", () => metadata.int(2 ** 60)],
    ["a boolean for an int", () => metadata.int(wrong(true))],
    ["NaN", () => metadata.float(Number.NaN)],
    ["infinity", () => metadata.float(-Infinity)],
    ["a bigint for a float", () => metadata.float(wrong(1n))],
    ["milliseconds for a timestamp", () => metadata.timestamp(Date.now())],
    ["an invalid date", () => metadata.timestamp(new Date(Number.NaN))],
    ["a number for a text", () => metadata.text(wrong(1))],
    ["a bare number as JSON", () => metadata.json(wrong(1))],
    ["null for a bool", () => metadata.bool(wrong(null))],
    ["an asset part with a slash", () => metadata.asset(["a/b"])],
    ["an empty asset key", () => metadata.asset("")],
    ["a nested value in a table", () => metadata.table({ records: [{ a: wrong([1]) }], schema: [] })],
    ["a column without a type", () => metadata.tableSchema([wrong({ name: "a" })])],
    [
      "a null constraint",
      () => metadata.tableSchema([{ name: "a", type: "t", constraints: wrong({ nullable: null }) }]),
    ],
    ["an unknown column property", () => metadata.tableSchema([wrong({ name: "a", type: "t", nullable: true })])],
    ["a lineage without a column name", () => metadata.tableColumnLineage({ c: [wrong({ assetKey: "a" })] })],
    ["a lineage that is no array", () => metadata.tableColumnLineage({ c: wrong("a") })],
  ])("%s", (_name, make) => {
    expect(fault(make).code).toBe("pipes_argument");
  });

  it.each<[string, unknown]>([
    ["a bare object", { rows: 1 }],
    ["undefined", undefined],
    ["a function", () => 1],
    ["NaN", Number.NaN],
    ["an unknown type", { type: "python_artifact", raw_value: "x" }],
    ["a type that is not the value's", { type: "int", raw_value: "1" }],
    [
      "a lineage key as text",
      { type: "table_column_lineage", raw_value: { deps_by_column: { c: [{ asset_key: "a/b", column_name: "x" }] } } },
    ],
    ["a property of every object as its type", { type: "toString", raw_value: "1" }],
  ])("%s among the metadata, naming its key, and nothing is sent", (_name, value) => {
    const pipes = createTestPipes({ assetKeys: ["a"] });
    const error = fault(() => {
      pipes.context.reportAssetMaterialization({ metadata: { good: 1, bad: wrong(value) } });
    });
    expect(error.method).toBe("reportAssetMaterialization");
    expect(error.parameter).toMatch(/^metadata\.bad/);
    expect(pipes.messages.map((message) => message.method)).toEqual(["opened"]);
    pipes.context.reportAssetMaterialization({ metadata: { good: 1 } });
  });
});

it("metadata keys of every kind survive", () => {
  const pipes = createTestPipes({ assetKeys: ["a"] });
  const hostile = Object.fromEntries([
    ["__proto__", 1],
    ["", 2],
    ["a\nb", 3],
  ]);
  pipes.context.reportAssetMaterialization({ metadata: hostile });
  const written = pipes.messagesOf("report_asset_materialization")[0]?.params.metadata ?? {};
  expect(Object.keys(written)).toEqual(["__proto__", "", "a\nb"]);
});
