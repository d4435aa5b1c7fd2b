import { parseArgs, type ParseArgsConfig } from "node:util";

/**
 * Reads the command line. `--help` prints the usage; what is not understood prints why and the usage, and sets exit
 * code 2.
 *
 * @param read Makes of the options what the command needs; what it throws is a mistake of the command line too.
 * @returns `undefined` when there is nothing left to do
 */
export function parseOptions<const T extends ParseArgsConfig, R>(
  usage: string,
  config: T,
  read: (parsed: ReturnType<typeof parseArgs<T>>) => R,
): R | undefined {
  const text = usage.endsWith("\n") ? usage : `${usage}\n`;
  if (wantsHelp(process.argv.slice(2))) {
    process.stdout.write(text);
    return undefined;
  }
  try {
    return read(parseArgs(config));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${text}`);
    process.exitCode = 2;
    return undefined;
  }
}

/** Also among options that are wrong: who asks for help need not get them right. */
function wantsHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  const options = end === -1 ? args : args.slice(0, end);
  return options.includes("--help") || options.includes("-h");
}
