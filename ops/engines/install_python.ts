import path from "node:path";
import { checkout, pythonBin } from "../process.ts";
import { step } from "../set_up/step.mjs";

/** Unpacks the packages of a hashed lock, without their dependencies, into `<folder>/python`. */
export async function installPython(folder: string, title: string, lock: string): Promise<void> {
  const python = pythonBin("python");
  const target = ["--target", path.join(folder, "python"), "--no-deps", "--require-hashes", "-r", lock];
  try {
    await step(checkout, title, pythonBin("uv"), ["pip", "install", "--python", python, ...target]);
  } catch {
    // uv reads other settings than pip; see ops/setup.mjs.
    await step(checkout, `${title} with pip`, python, ["-m", "pip", "install", "--no-input", ...target]);
  }
}
