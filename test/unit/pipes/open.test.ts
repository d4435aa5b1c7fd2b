import { describe, expect, it, vi } from "vitest";

import {
  encodeParams,
  getPipesContext,
  isPipesProcess,
  openPipes,
  openPipesAsync,
  PipesAlreadyOpenError,
  PipesArgumentError,
  PipesBootstrapError,
  PipesClosedError,
  PipesNotOpenError,
  pipesFromArguments,
  pipesFromMapping,
  runWithPipes,
  tryGetPipesContext,
} from "../../../pipes/index.ts";
import { bootstrap, CONTEXT, methods, recordingWriter } from "./support.ts";

const HOOKS = ["exit", "beforeExit", "uncaughtException", "uncaughtExceptionMonitor", "SIGINT", "SIGTERM", "SIGHUP"];

function hookCounts(): number[] {
  return HOOKS.map((event) => process.listenerCount(event));
}

describe("bootstrap", () => {
  const values = bootstrap("s");

  it("comes from a mapping such as a Lambda event", () => {
    const event = { DAGSTER_PIPES_CONTEXT: values.context, DAGSTER_PIPES_MESSAGES: values.messages, other: 1 };
    expect(pipesFromMapping(event)).toEqual(values);
    expect(pipesFromMapping({ other: 1 })).toBeUndefined();
  });

  it("comes from arguments, with a space or with =", () => {
    const [context, messages] = ["--dagster-pipes-context", "--dagster-pipes-messages"];
    expect(pipesFromArguments(["x", context, values.context, messages, values.messages])).toEqual(values);
    expect(pipesFromArguments([`${messages}=${values.messages}`, `${context}=${values.context}`])).toEqual(values);
    expect(pipesFromArguments(["x"])).toBeUndefined();
  });

  it("says whether Dagster launched the process", () => {
    expect(isPipesProcess(values)).toBe(true);
    expect(isPipesProcess()).toBe(false);
  });

  it.each<[string, () => unknown]>([
    ["half of it", () => pipesFromMapping({ DAGSTER_PIPES_CONTEXT: values.context })],
    ["a value that is no text", () => pipesFromMapping({ DAGSTER_PIPES_CONTEXT: 1, DAGSTER_PIPES_MESSAGES: "" })],
    ["garbage", () => openPipes({ bootstrap: { context: "garbage", messages: values.messages } })],
    [
      "parameters for another loader",
      () => openPipes({ bootstrap: { ...values, context: encodeParams({ bucket: "b", key: "k" }) } }),
    ],
    [
      "parameters for another writer",
      () => openPipes({ bootstrap: { ...values, messages: encodeParams({ bucket: "b" }) } }),
    ],
    ["an unknown stream", () => openPipes({ bootstrap: { ...values, messages: encodeParams({ stdio: "stdin" }) } })],
    ["a context without a run", () => openPipes({ bootstrap: bootstrap("x", { ...CONTEXT, run_id: null }) })],
    ["a context with wrong keys", () => openPipes({ bootstrap: bootstrap("x", { ...CONTEXT, asset_keys: "a" }) })],
    [
      "a loader that answers later",
      () => openPipes({ bootstrap: values, contextLoader: { loadContext: () => Promise.resolve(CONTEXT) } }),
    ],
  ])("that is %s is an error", (_name, open) => {
    expect(open).toThrow(PipesBootstrapError);
  });

  it("keeps large integers of the extras exact, and takes a context from a newer Dagster", async () => {
    const text = JSON.stringify({ ...CONTEXT, newer: 1 }).replace('"extras":{}', '"extras":{"id":9007199254740993}');
    const writer = recordingWriter();
    const { extras } = await runWithPipes((pipes) => pipes, {
      bootstrap: { context: encodeParams({ data: 1 }), messages: encodeParams({ session: "big" }) },
      contextLoader: { loadContext: () => import("../../../pipes/json_text.ts").then((json) => json.parseJson(text)) },
      messageWriter: writer,
    });
    expect(extras).toEqual({ id: 9007199254740993n });
  });
});

describe("a process that Dagster did not launch", () => {
  it("is warned once, still has its arguments checked, and needs no hooks", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const before = hookCounts();
    await runWithPipes((pipes) => {
      pipes.log.info("dropped");
    });
    for (const context of [openPipes(), openPipes({ bootstrap: undefined })]) {
      expect(context.isActive).toBe(false);
      context.log.info("dropped");
      context.reportAssetMaterialization({ metadata: { a: 1 } });
      context.reportAssetCheck({ checkName: "c", passed: true });
    }
    expect(() => {
      openPipes().reportAssetCheck({ checkName: "c", passed: "yes" as never });
    }).toThrow(PipesArgumentError);
    expect(hookCounts()).toEqual(before);
    expect(warn).toHaveBeenCalledTimes(1);
    warn.mockRestore();
  });
});

describe("sessions", () => {
  it("one after the other in one process, as in a warm function, and the hooks are gone in between", async () => {
    const before = hookCounts();
    const { exit } = Object.getOwnPropertyDescriptors(process);
    const messageWriter = recordingWriter();
    for (const session of ["first", "second", "first"]) {
      await runWithPipes(
        (pipes) => {
          pipes.log.info(session);
          expect(hookCounts()).not.toEqual(before);
        },
        { bootstrap: bootstrap(session), messageWriter },
      );
      expect(hookCounts()).toEqual(before);
      expect(Object.getOwnPropertyDescriptor(process, "exit")?.value).toBe(exit.value);
    }
    expect(methods(messageWriter.lines.get("second"))).toEqual(["opened", "log", "closed"]);
    expect(methods(messageWriter.lines.get("first"))).toEqual(["opened", "log", "closed", "opened", "log", "closed"]);
  });

  it("side by side each see their own context", async () => {
    const messageWriter = recordingWriter();
    const seen = await Promise.all(
      ["a", "b", "c"].map((session) =>
        runWithPipes(
          async () => {
            await new Promise((resolve) => setImmediate(resolve));
            return getPipesContext().getExtra("session");
          },
          { bootstrap: bootstrap(session, { ...CONTEXT, extras: { session } }), messageWriter },
        ),
      ),
    );
    expect(seen).toEqual(["a", "b", "c"]);
  });

  it("cannot be opened twice at once", async () => {
    const options = { bootstrap: bootstrap("twice"), messageWriter: recordingWriter() };
    const context = await openPipesAsync(options);
    await expect(openPipesAsync(options)).rejects.toThrow(PipesAlreadyOpenError);
    expect(getPipesContext()).toBe(context);
    expect(() => {
      context.close();
    }).toThrow(PipesClosedError);
    await context.closeAsync();
    expect(tryGetPipesContext()).toBeUndefined();
    expect(getPipesContext).toThrow(PipesNotOpenError);
  });

  it("that fail rethrow their own error, even where Dagster cannot be told", async () => {
    const report = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const original = new TypeError("original");
    const run = runWithPipes(() => Promise.reject(original), {
      bootstrap: bootstrap("lost"),
      messageWriter: {
        open: () => ({
          mode: "async",
          write: () => undefined,
          close: () => Promise.reject(new Error("store is down")),
        }),
      },
    });
    await expect(run).rejects.toBe(original);
    expect(report).toHaveBeenCalledOnce();
    report.mockRestore();
  });

  it("whose messages are lost do not end well", async () => {
    const run = runWithPipes(() => "done", {
      bootstrap: bootstrap("lost"),
      messageWriter: {
        open: () => ({
          mode: "async",
          write: () => undefined,
          close: () => Promise.reject(new Error("store is down")),
        }),
      },
    });
    await expect(run).rejects.toThrow("store is down");
  });
});
