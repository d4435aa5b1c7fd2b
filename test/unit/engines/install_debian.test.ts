import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { findProgram } from "../../../ops/engines/install_debian.ts";

test("an unpacked program finds its libraries, also those in a folder of their package", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "unpacked-"));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  const root = path.join(folder, "root");
  const lib = path.join(root, "usr/lib/x86_64-linux-gnu");
  const files = [
    ["usr/bin", "only-unpacked"],
    ["usr/lib/x86_64-linux-gnu", "libpulse.so.0"],
    ["usr/lib/x86_64-linux-gnu/pulseaudio", "libpulsecommon-16.1.so"],
    ["usr/lib/x86_64-linux-gnu/gconv", "notes.txt"],
  ] as const;
  for (const [place, name] of files) {
    mkdirSync(path.join(root, place), { recursive: true });
    writeFileSync(path.join(root, place, name), "");
  }
  expect(findProgram(folder, "only-unpacked")).toEqual({
    command: path.join(root, "usr/bin/only-unpacked"),
    libraries: [lib, path.join(lib, "pulseaudio")],
  });
});
