import { copyFileSync } from "node:fs";
import path from "node:path";
import { checkout } from "../process.ts";
import { step } from "../set_up/step.mjs";

/** Installs a locked npm project into a folder of its own, apart from the packages of the checkout. */
export async function installNpm(folder: string, title: string, manifest: string, lock: string): Promise<void> {
  copyFileSync(manifest, path.join(folder, "package.json"));
  copyFileSync(lock, path.join(folder, "package-lock.json"));
  // The npm that started us, as in ops/setup.mjs; `install`, not `ci`, for the reason given there.
  const npmCli = process.env["npm_execpath"];
  const [command, prefix] =
    npmCli !== undefined && path.basename(npmCli) === "npm-cli.js" ? [process.execPath, [npmCli]] : ["npm", []];
  await step(checkout, title, command, [
    ...prefix,
    "install",
    "--prefix",
    folder,
    "--no-save",
    // Some npm versions run the scripts of dependencies and some do not: none does, and we do what they would.
    "--ignore-scripts",
    "--include=optional",
    "--no-audit",
    "--no-fund",
    "--no-progress",
  ]);
}
