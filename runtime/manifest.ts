import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { dirname, join, resolve } from "node:path";
import { manifestJsonSchema, manifestSchema } from "../definitions/manifest_schema.ts";
import { buildManifest } from "./build_manifest.ts";
import { parseOptions } from "./parse_options.ts";
import { createRedact } from "./redaction.ts";

const HELP = `Builds manifest.json, from which Dagster learns what assets there are.

  node runtime/manifest.ts [--project DIR] [--check]

  --project DIR   the folder with assets/ and sql/ (default: the current one)
  --check         write nothing, only look for faults
  --schema        print the JSON Schema of a manifest

Exit code 1 when a definition has a fault; each is printed as file:line: message.
`;

const config = {
  options: {
    project: { type: "string", default: "." },
    check: { type: "boolean", default: false },
    schema: { type: "boolean", default: false },
  },
} as const;
const options = parseOptions(HELP, config, ({ values }) => values);
if (options?.schema === true) process.stdout.write(`${JSON.stringify(manifestJsonSchema(), null, 2)}\n`);
else if (options !== undefined) await main(resolve(options.project), options.check);

async function main(projectDir: string, checkOnly: boolean): Promise<void> {
  // A thousand files load in two thirds of the time; the launcher of the steps uses the same folder.
  enableCompileCache(join(projectDir, ".state", "compile_cache"));
  let loading: string | undefined;
  // A file that ends the process, or that waits for what never comes, must not pass for a manifest without faults.
  const onExit = (code: number): void => {
    process.stderr.write(`${loading ?? projectDir}:1: the process ended while this was loaded; nothing was written\n`);
    if (code === 0) process.exitCode = 1;
  };
  process.once("exit", onExit);
  const manifest = manifestSchema.parse(
    await buildManifest(projectDir, {
      onImport: (path) => {
        loading = path;
      },
      onUnproven: (message) => {
        process.stderr.write(`${checkOnly ? "" : "warning: "}${createRedact(process.env)(message)}\n`);
        if (checkOnly) process.exitCode = 1;
      },
    }),
  );
  process.off("exit", onExit);
  if (!checkOnly) writeAtomically(join(projectDir, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);
  for (const { file, line, message, asset } of manifest.faults) {
    process.stderr.write(`${file}:${line}: ${asset === null ? "" : `${asset.join("/")}: `}${message}\n`);
  }
  if (manifest.faults.length > 0) process.exitCode = 1;
}

/** Readers see the old file or the new one, never a part. */
function writeAtomically(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, text);
  renameSync(temporary, path);
}
