import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { dirname, join, resolve } from "node:path";
import { manifestJsonSchema, manifestSchema } from "../definitions/manifest_schema.ts";
import { ProjectError } from "../definitions/project_error.ts";
import { buildManifest } from "./build_manifest.ts";
import { parseOptions } from "./parse_options.ts";
import { createRedact } from "./redaction.ts";

const HELP = `Builds manifest.json, from which Dagster learns what assets there are.

  node runtime/manifest.ts [--project DIR] [--check] [--stores]

  --project DIR   the folder with assets/ and sql/ (default: the current one)
  --check         write nothing, only look for faults
  --stores        print, as one line of JSON, the stores of the assets, each with why its SQL is not proven or null
  --schema        print the JSON Schema of a manifest

Exit code 1 when a definition has a fault; each is printed as file:line: message.
`;

const config = {
  options: {
    project: { type: "string", default: "." },
    check: { type: "boolean", default: false },
    stores: { type: "boolean", default: false },
    schema: { type: "boolean", default: false },
  },
} as const;
const options = parseOptions(HELP, config, ({ values }) => values);
if (options?.schema === true) process.stdout.write(`${JSON.stringify(manifestJsonSchema(), null, 2)}\n`);
else if (options !== undefined) await main(resolve(options.project), options.check, options.stores);

async function main(projectDir: string, checkOnly: boolean, printStores: boolean): Promise<void> {
  // A thousand files load in two thirds of the time; the launcher of the steps uses the same folder.
  enableCompileCache(join(projectDir, ".state", "compile_cache"));
  let loading: string | undefined;
  // A file that ends the process, or that waits for what never comes, must not pass for a manifest without faults.
  const onExit = (code: number): void => {
    process.stderr.write(`${loading ?? projectDir}:1: the process ended while this was loaded; nothing was written\n`);
    if (code === 0) process.exitCode = 1;
  };
  process.once("exit", onExit);
  const redact = createRedact(process.env);
  const unproven = new Map<string, { readonly code: string | null; readonly message: string }>();
  const manifest = manifestSchema.parse(
    await buildManifest(projectDir, {
      onImport: (path) => {
        loading = path;
      },
      onUnproven: (error, store, count) => {
        const code = error instanceof ProjectError ? error.code : null;
        const message = redact(error instanceof Error ? error.message : String(error));
        unproven.set(store, { code, message });
        const what = `the SQL of ${count} assets in ${store} is not proven`;
        process.stderr.write(`${checkOnly ? "" : "warning: "}${what}: ${message}\n`);
        if (checkOnly) process.exitCode = 1;
      },
    }),
  );
  process.off("exit", onExit);
  if (!checkOnly) writeAtomically(join(projectDir, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);
  if (printStores) {
    const stores = [...new Set(manifest.assets.flatMap(({ store }) => store ?? []))].sort();
    const lines = stores.map((store) => ({ store, unproven: unproven.get(store) ?? null }));
    process.stdout.write(`${JSON.stringify(lines)}\n`);
  }
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
