import { execFile } from "node:child_process";

/** A store that tables are in, and why it could not be asked; `null`: it could. */
export interface StoreInUse {
  readonly store: string;
  readonly unproven: { readonly code: string | null; readonly message: string } | null;
}

/** How a manifest came about. */
export interface BuiltManifest {
  /** Whether no asset has a fault. */
  readonly isSound: boolean;
  /** The stores of the assets without a fault. */
  readonly stores: readonly StoreInUse[];
  /** Faults and warnings, for people. */
  readonly text: string;
}

/** Builds the manifest of the assets, in a process of its own: they are anybody's code. */
export function buildManifest(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<BuiltManifest> {
  return new Promise((resolve) => {
    const args = ["runtime/manifest.ts", "--stores"];
    const options = { env, signal, maxBuffer: 64 * 1024 * 1024 };
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      resolve({ isSound: error === null, stores: readStores(stdout), text: stderr.trimEnd() });
    });
  });
}

/** The line may follow others, which the assets printed. */
function readStores(stdout: string): StoreInUse[] {
  const line = stdout.trimEnd().split("\n").at(-1) ?? "";
  return line.startsWith("[") ? (JSON.parse(line) as StoreInUse[]) : [];
}
