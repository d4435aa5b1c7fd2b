import { describe, expect, it } from "vitest";

import {
  PipesArgumentError,
  PipesClosedError,
  PipesDuplicateMaterializationError,
  PipesMessageTooLargeError,
  PipesUndefinedError,
  TRUNCATION_KEY,
} from "../../../pipes/index.ts";
import { createTestPipes } from "../../../pipes/testing.ts";

const window = { start: "2026-01-01T00:00:00+00:00", end: "2026-01-02T00:00:00+00:00" };

describe("what Dagster asks for", () => {
  it("all ten fields can be read", () => {
    const provenance = { code_version: "v1", input_data_versions: {}, is_user_provided: true };
    const { context } = createTestPipes({
      assetKeys: ["a"],
      codeVersionByAssetKey: { a: "v2" },
      provenanceByAssetKey: { a: provenance },
      partitionKey: "2026-01-01",
      partitionTimeWindow: window,
      runId: "r",
      jobName: "j",
      retryNumber: 2,
      extras: { mode: "full" },
    });
    expect([context.assetKeys, context.assetKey]).toEqual([["a"], "a"]);
    expect([context.codeVersionByAssetKey, context.codeVersion]).toEqual([{ a: "v2" }, "v2"]);
    expect([context.provenanceByAssetKey, context.provenance]).toEqual([{ a: provenance }, provenance]);
    expect(context.partitionKey).toBe("2026-01-01");
    expect(context.partitionKeyRange).toEqual({ start: "2026-01-01", end: "2026-01-01" });
    expect(context.partitionTimeWindow).toEqual(window);
    expect([context.runId, context.jobName, context.retryNumber]).toEqual(["r", "j", 2]);
    expect([context.extras, context.getExtra("mode")]).toEqual([{ mode: "full" }, "full"]);
    expect([context.isAssetStep, context.isPartitionStep, context.isActive]).toEqual([true, true, true]);
  });

  it("what the step does not have is an error, not undefined", () => {
    const { context } = createTestPipes();
    const asks = [
      () => context.assetKey,
      () => context.assetKeys,
      () => context.codeVersion,
      () => context.provenanceByAssetKey,
      () => context.partitionKey,
      () => context.partitionKeyRange,
      () => context.partitionTimeWindow,
      () => context.getExtra("toString"),
    ];
    for (const ask of asks) expect(ask).toThrow(PipesUndefinedError);
    expect(context.tryGetExtra("toString")).toBeUndefined();
  });

  it("`assetKey` is undefined when the step has several assets", () => {
    expect(() => createTestPipes({ assetKeys: ["a", "b"] }).context.assetKey).toThrow(PipesUndefinedError);
  });
});

describe("asset keys of a report", () => {
  const report = (assetKeys: readonly string[] | undefined, assetKey?: string | readonly string[]) => {
    const pipes = createTestPipes(assetKeys === undefined ? {} : { assetKeys });
    pipes.context.reportAssetMaterialization({ assetKey });
    return pipes.messagesOf("report_asset_materialization")[0]?.params.asset_key;
  };

  it("may be left out when there is exactly one asset", () => {
    expect(report(["shop/orders"])).toBe("shop/orders");
    expect(() => report(["a", "b"])).toThrow(PipesArgumentError);
    expect(() => report(undefined)).toThrow(PipesArgumentError);
  });

  it("must be among those of the step, as text or as parts", () => {
    expect(report(["a", "b/c\\/d"], ["b", "c/d"])).toBe("b/c\\/d");
    expect(report(["a", "b"], "b")).toBe("b");
    expect(() => report(["a", "b"], "c")).toThrow(PipesArgumentError);
    expect(() => report(["a"], "")).toThrow(PipesArgumentError);
  });

  it("a second materialization of one asset is an error, and one of another is not", () => {
    const { context } = createTestPipes({ assetKeys: ["a", "b"] });
    context.reportAssetMaterialization({ assetKey: "a" });
    context.reportAssetMaterialization({ assetKey: "b" });
    expect(() => {
      context.reportAssetMaterialization({ assetKey: ["a"] });
    }).toThrow(PipesDuplicateMaterializationError);
  });
});

describe("wrong arguments", () => {
  const { context, messages } = createTestPipes({ assetKeys: ["a"] });
  it.each<[string, () => void]>([
    [
      "a check name that is no string",
      () => {
        context.reportAssetCheck({ checkName: 1 as never, passed: true });
      },
    ],
    [
      "a verdict that is no boolean",
      () => {
        context.reportAssetCheck({ checkName: "c", passed: 1 as never });
      },
    ],
    [
      "an unknown severity",
      () => {
        context.reportAssetCheck({ checkName: "c", passed: true, severity: "BAD" as never });
      },
    ],
    [
      "a data version that is no string",
      () => {
        context.reportAssetMaterialization({ dataVersion: 1 as never });
      },
    ],
    [
      "a log line that is no string",
      () => {
        context.log.info({} as never);
      },
    ],
    [
      "an unknown level",
      () => {
        context.log.log("FATAL" as never, "x");
      },
    ],
    [
      "an unknown stream",
      () => {
        context.logExternalStream("stdin" as never, "x");
      },
    ],
    [
      "a payload without a JSON form",
      () => {
        context.reportCustomMessage((() => 1) as never);
      },
    ],
  ])("%s is refused and nothing is sent", (_name, call) => {
    expect(call).toThrow(PipesArgumentError);
    expect(messages).toHaveLength(1);
  });
});

describe("closing", () => {
  it("twice does nothing, and the first error counts", () => {
    const pipes = createTestPipes();
    pipes.context.close(new Error("first"));
    pipes.context.close();
    expect(pipes.messagesOf("closed").map((message) => message.params.exception?.message)).toEqual(["first"]);
  });

  it("makes every later report an error", () => {
    const { context } = createTestPipes({ assetKeys: ["a"] });
    context.close();
    const calls = [
      () => {
        context.log.info("x");
      },
      () => {
        context.reportAssetMaterialization();
      },
      () => {
        context.reportAssetCheck({ checkName: "c", passed: true });
      },
      () => {
        context.reportCustomMessage(1);
      },
      () => {
        context.logExternalStream("stdout", "x");
      },
    ];
    for (const call of calls) expect(call).toThrow(PipesClosedError);
  });

  it("tells of an error without bounds in a message that has some", () => {
    const pipes = createTestPipes({ maxMessageBytes: 5_000 });
    let error = new Error("é".repeat(50_000));
    for (let depth = 0; depth < 60; depth += 1) error = new Error("é".repeat(50_000), { cause: error });
    pipes.context.close(error);
    const exception = pipes.messagesOf("closed")[0]?.params.exception;
    expect(exception?.message).toContain("é");
    expect(JSON.stringify(exception).length).toBeLessThan(5_000);
  });
});

describe("sizes", () => {
  it("a report within the limit is not touched", () => {
    const pipes = createTestPipes({ assetKeys: ["a"], maxMessageBytes: 2_000 });
    pipes.context.reportAssetMaterialization({ metadata: { text: "x".repeat(1_500) } });
    expect(Object.keys(pipes.messagesOf("report_asset_materialization")[0]?.params.metadata ?? {})).toEqual(["text"]);
  });

  it("many small values beyond the limit are left out from the end, and the note counts them", () => {
    const pipes = createTestPipes({ assetKeys: ["a"], maxMessageBytes: 20_000 });
    const values = Array.from({ length: 5_000 }, (_, index): [string, number] => [`key_${index}`, index]);
    pipes.context.reportAssetMaterialization({ metadata: Object.fromEntries(values) });
    const written = pipes.messagesOf("report_asset_materialization")[0]?.params.metadata ?? {};
    expect(written["key_0"]).toEqual({ type: "__infer__", raw_value: 0 });
    expect(written[TRUNCATION_KEY]?.raw_value).toMatch(/left out.* and \d+ more\.$/);
  });

  it("what may not be shortened is refused with a clear error", () => {
    const { context } = createTestPipes({ assetKeys: ["a"], maxMessageBytes: 1_000 });
    expect(() => {
      context.reportCustomMessage("x".repeat(1_000));
    }).toThrow(PipesMessageTooLargeError);
    expect(() => {
      context.reportAssetMaterialization({ dataVersion: "x".repeat(1_000), metadata: {} });
    }).toThrow(PipesMessageTooLargeError);
  });
});

describe("redaction", () => {
  const redact = (text: string): string => text.replaceAll("hunter2", "***");

  it("masks secrets in whatever is text, and leaves keys and names alone", () => {
    const pipes = createTestPipes({ assetKeys: ["hunter2"], redact });
    pipes.context.log.info("password hunter2");
    pipes.context.reportCustomMessage({ deep: ["hunter2"] });
    pipes.context.reportAssetCheck({ checkName: "c", passed: true, metadata: { md: "hunter2", j: ["hunter2"] } });
    pipes.context.logExternalStream("stdout", "hunter2");
    pipes.context.close(new Error("cannot log in with hunter2", { cause: new Error("hunter2") }));
    expect(pipes.messagesOf("report_asset_check")[0]?.params.asset_key).toBe("hunter2");
    expect(JSON.stringify(pipes.messages).replaceAll('"asset_key":"hunter2"', "")).not.toContain("hunter2");
  });

  it("that fails sends nothing of the text", () => {
    const pipes = createTestPipes({
      redact: () => {
        throw new Error("broken");
      },
    });
    pipes.context.log.info("hunter2");
    expect(pipes.messagesOf("log")[0]?.params.message).toContain("removed");
  });
});
