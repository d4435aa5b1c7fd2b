import type * as ZlibModule from "node:zlib";

import { PipesBootstrapError, describeValue } from "./errors.ts";
import { isPlainObject, parseJson } from "./json_text.ts";
import { CONTEXT_VARIABLE, MESSAGES_VARIABLE, type PipesParams } from "./protocol.ts";

/** The two encoded values by which Dagster tells a process where its context is and where messages go. */
export interface PipesBootstrap {
  readonly context: string;
  readonly messages: string;
}

/**
 * Reads the bootstrap values from environment variables.
 *
 * @returns `undefined` when Dagster did not launch this process through Pipes.
 */
export function pipesFromEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): PipesBootstrap | undefined {
  return pipesFromMapping(environment);
}

/**
 * Reads the bootstrap values from any mapping, such as the event of a Lambda function.
 *
 * @returns `undefined` when the mapping has no Pipes context.
 * @throws PipesBootstrapError when it has only one of the two values.
 */
export function pipesFromMapping(mapping: Readonly<Record<string, unknown>>): PipesBootstrap | undefined {
  return pair(mapping[CONTEXT_VARIABLE], mapping[MESSAGES_VARIABLE], CONTEXT_VARIABLE, MESSAGES_VARIABLE);
}

/**
 * Reads the bootstrap values from the arguments `--dagster-pipes-context V --dagster-pipes-messages V`
 * (or with `=`).
 *
 * @returns `undefined` when they are not there.
 */
export function pipesFromArguments(args: readonly string[] = process.argv.slice(2)): PipesBootstrap | undefined {
  const [context, messages] = [argumentName(CONTEXT_VARIABLE), argumentName(MESSAGES_VARIABLE)];
  return pair(argument(args, context), argument(args, messages), context, messages);
}

/** The bootstrap values of this process: from its environment, else from its arguments. */
export function pipesFromProcess(): PipesBootstrap | undefined {
  return pipesFromEnvironment() ?? pipesFromArguments();
}

/** Whether Dagster launched this process, or made this call, through Pipes. */
export function isPipesProcess(bootstrap: PipesBootstrap | undefined = pipesFromProcess()): boolean {
  return bootstrap !== undefined;
}

/** Encodes parameters as Dagster does: `base64(zlib(JSON))`. */
export function encodeParams(params: PipesParams): string {
  return zlib().deflateSync(JSON.stringify(params)).toString("base64");
}

/** Decodes parameters. @throws PipesBootstrapError naming the variable when they cannot be decoded. */
export function decodeParams(encoded: string, variable: string): PipesParams {
  let params: unknown;
  try {
    params = parseJson(zlib().inflateSync(Buffer.from(encoded, "base64")).toString("utf8"));
  } catch (cause) {
    throw new PipesBootstrapError(
      `${variable} cannot be decoded: expected base64 of zlib of JSON. Dagster writes it; pass it on unchanged.`,
      { cause },
    );
  }
  if (isPlainObject(params)) return params;
  throw new PipesBootstrapError(`${variable} must hold an object, got ${describeValue(params)}.`);
}

/** Loaded only in a Pipes process: it takes longer than the rest of this folder. */
function zlib(): Pick<typeof ZlibModule, "deflateSync" | "inflateSync"> {
  return process.getBuiltinModule("node:zlib");
}

function pair(context: unknown, messages: unknown, contextName: string, messagesName: string) {
  if (context === undefined || context === null) return undefined;
  return { context: text(context, contextName), messages: text(messages, messagesName) };
}

function text(value: unknown, name: string): string {
  if (typeof value === "string") return value;
  throw new PipesBootstrapError(`${name} must be a string that Dagster encoded, got ${describeValue(value)}.`);
}

function argumentName(variable: string): string {
  return `--${variable.toLowerCase().replaceAll("_", "-")}`;
}

function argument(args: readonly string[], name: string): string | undefined {
  const index = args.findIndex((value) => value === name || value.startsWith(`${name}=`));
  if (index < 0) return undefined;
  const found = args[index] ?? "";
  return found === name ? args[index + 1] : found.slice(name.length + 1);
}
