import { readFileSync } from "node:fs";

import type { PipesContextLoader, PipesMessageWriter, SyncMessageChannel } from "./channel.ts";
import { openFileChannel } from "./descriptor_channel.ts";
import { PipesBootstrapError, PipesDeliveryError, describeValue } from "./errors.ts";
import { parseJson } from "./json_text.ts";
import type { PipesParams, PipesStream } from "./protocol.ts";
import { openBufferedStdioChannel, openStdioChannel } from "./stdio_channel.ts";

/** Loads the context from a local file (`{path}`) or from the parameters themselves (`{data}`). */
export const defaultContextLoader: PipesContextLoader = {
  loadContext(params) {
    if ("data" in params) return params["data"];
    if ("path" in params) return readContextFile(textParam(params, "path"));
    throw unknownParams("context", "`path` or `data`", params, "contextLoader");
  },
};

/** Writes messages to a local file (`{path}`) or a standard stream (`{stdio}`, `{buffered_stdio}`). */
export const defaultMessageWriter: PipesMessageWriter<SyncMessageChannel> = {
  open(params) {
    if ("path" in params) return openFileChannel(textParam(params, "path"));
    if ("stdio" in params) return openStdioChannel(streamParam(params, "stdio"));
    if ("buffered_stdio" in params) return openBufferedStdioChannel(streamParam(params, "buffered_stdio"));
    throw unknownParams("messages", "`path`, `stdio` or `buffered_stdio`", params, "messageWriter");
  },
};

/** @throws PipesBootstrapError when the parameter is not a string. */
export function textParam(params: PipesParams, key: string): string {
  const value = params[key];
  if (typeof value === "string" && value !== "") return value;
  throw new PipesBootstrapError(
    `The Pipes parameter \`${key}\` must be a non-empty string, got ${describeValue(value)}.`,
  );
}

function readContextFile(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new PipesDeliveryError(`The context file ${path} cannot be read. Does Dagster run on this machine?`, {
      cause,
    });
  }
  return parseContext(text, path);
}

/** Parses the JSON of a context. @throws PipesBootstrapError naming where it came from. */
export function parseContext(text: string, place: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw new PipesBootstrapError(
      `The Pipes context in ${place} is not JSON. Python writes NaN and Infinity where JSON has no such number; ` +
        "are there any in the extras?",
      { cause },
    );
  }
}

function streamParam(params: PipesParams, key: string): PipesStream {
  const value = params[key];
  if (value === "stdout" || value === "stderr") return value;
  throw new PipesBootstrapError(
    `The Pipes parameter \`${key}\` must be "stdout" or "stderr", got ${describeValue(value)}.`,
  );
}

function unknownParams(kind: string, expected: string, params: PipesParams, option: string): PipesBootstrapError {
  const keys = Object.keys(params).join(", ") || "none";
  return new PipesBootstrapError(
    `Dagster passed ${kind} parameters with the keys ${keys}; ${expected} was expected. ` +
      `For an object store give the option \`${option}\`.`,
  );
}
