import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { checkout } from "../process.ts";
import { step } from "../set_up/step.mjs";
import { EngineFault } from "./engine_fault.ts";

/**
 * Unpacks a Debian package, with those of its dependencies that the system lacks, into `<folder>/root`.
 *
 * Nothing is installed into the system: apt would also start the server as a service, now and at every boot. It needs
 * no root either. A program that is already on the system is used instead; see {@link findProgram}.
 */
export async function installDebian(folder: string, title: string, name: string): Promise<void> {
  if (tryFindOnSystem(name) !== undefined) return;
  if (spawnSync("apt-get", ["--version"]).status !== 0 || spawnSync("dpkg-deb", ["--version"]).status !== 0) {
    throw new EngineFault(
      "cannot_install",
      `It comes from the system's packages, and this system has no apt-get. Install it yourself, so that "${name}" is on the PATH. ` +
        `macOS: brew install ${name}. Fedora: sudo dnf install ${name}.`,
    );
  }
  const archives = path.join(folder, "archives");
  const lists = path.join(folder, "lists");
  for (const place of [archives, lists]) mkdirSync(path.join(place, "partial"), { recursive: true });
  const options = [
    "-o",
    "Debug::NoLocking=1",
    "-o",
    // Unprivileged, apt may not become its own user.
    "APT::Sandbox::User=",
    "-o",
    `Dir::Cache=${folder}`,
    "-o",
    `Dir::Cache::archives=${archives}`,
    "-o",
    `Dir::State::lists=${lists}`,
  ];
  await step(checkout, `${title}: list of Debian packages`, "apt-get", ["update", "-qq", ...options]);
  const install = ["install", "--download-only", "-y", "-qq", "--no-install-recommends"];
  await step(checkout, title, "apt-get", [...install, ...options, name]);
  for (const archive of globSync("*.deb", { cwd: archives })) {
    const unpack = ["-x", path.join(archives, archive), path.join(folder, "root")];
    await step(checkout, `${title}: ${archive.split("_")[0] ?? archive}`, "dpkg-deb", unpack);
  }
  for (const place of [archives, lists]) rmSync(place, { recursive: true });
}

/** The program, from the system or from the folder that {@link installDebian} filled. */
export function findProgram(folder: string, name: string): { command: string; libraries: readonly string[] } {
  const onSystem = tryFindOnSystem(name);
  if (onSystem !== undefined) return { command: onSystem, libraries: [] };
  const root = path.join(folder, "root");
  const [command] = globSync(`usr/{sbin,bin}/${name}`, { cwd: root });
  if (command === undefined) throw new EngineFault("cannot_install", `The package ${name} holds no program ${name}.`);
  // Some lie in a folder of their package, which their users name by where it would be installed.
  const files = globSync("{usr/lib,lib}/*-linux-*/{,*/}lib*.so*", { cwd: root });
  const libraries = new Set(files.map((file) => path.join(root, path.dirname(file))));
  return { command: path.join(root, command), libraries: [...libraries].sort() };
}

/** Where a program of the system is. */
export function tryFindOnSystem(name: string): string | undefined {
  // Servers lie in `sbin`, which the PATH of an ordinary user lacks.
  const folders = [...(process.env["PATH"] ?? "").split(path.delimiter), "/usr/sbin", "/usr/local/sbin"];
  return folders.map((folder) => path.join(folder, name)).find((file) => path.isAbsolute(file) && existsSync(file));
}
