import path from "node:path";
import { checkout, pythonBin } from "../process.ts";
import { step } from "../set_up/step.mjs";
import { EngineFault } from "./engine_fault.ts";

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

/**
 * Makes `<folder>/env`, a virtual environment with all packages of a hashed lock.
 * @param versions of Python, such as `>=3.10,<3.12`: one of this machine, else uv downloads one
 */
export async function installPythonEnvironment(
  folder: string,
  title: string,
  lock: string,
  versions: string,
): Promise<void> {
  const environment = path.join(folder, "env");
  const python = path.join(environment, "bin/python");
  try {
    await step(checkout, `${title}: Python ${versions}`, pythonBin("uv"), ["venv", "--python", versions, environment]);
  } catch (error) {
    throw new EngineFault(
      "cannot_install",
      `It needs Python ${versions}, and neither this machine nor uv has one. Install python3.11 so that it is on the PATH ` +
        `(Debian and Ubuntu: sudo apt install python3.11; macOS: brew install python@3.11). ${String(error)}`,
      { cause: error },
    );
  }
  const packages = ["--require-hashes", "-r", lock];
  try {
    // Not compiled: that takes 30 s of processor time for all files, 6 s for those that are used, when they first are.
    await step(checkout, title, pythonBin("uv"), ["pip", "install", "--no-deps", "--python", python, ...packages]);
  } catch {
    const pip = ["-m", "pip", "--python", python, "install", "--no-input", "--no-deps"];
    await step(checkout, `${title} with pip`, pythonBin("python"), [...pip, ...packages]);
  }
}
