import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";

/** A source file and the project's files that it imports. */
export interface ScannedFile {
  /** Absolute. */
  readonly path: string;
  readonly text: string;
  /** Absolute paths, in the order of the import statements. Imports of types only do not count: they are erased. */
  readonly imports: readonly { readonly path: string; readonly line: number }[];
}

const IMPORT = /(?<=^|;)[ \t]*(?:import|export)\b(?!\s+type\b)(?:[^"'`;()]*?\bfrom)?\s*["'](\.{1,2}\/[^"']+)["']/gm;
/** Comments and templates, in which nothing is an import; strings, so that nothing in them opens a comment. */
const OPAQUE = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[\s\S])*`/g;

/** Reads a file and finds its relative import statements, without running it. */
export function scanFile(path: string): ScannedFile {
  const text = readFileSync(path, "utf8");
  const code = text.replace(OPAQUE, (found) => (/^["']/.test(found) ? found : found.replace(/[^\n]/g, " ")));
  const imports = [...code.matchAll(IMPORT)].map((match) => ({
    path: resolve(dirname(path), match[1] ?? ""),
    line: lineAt(code, match.index + match[0].length),
  }));
  return { path, text, imports };
}

/** The files below a folder with one of these endings, as sorted absolute paths. */
export function listFiles(folder: string, endings: readonly string[]): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** The path of a file in the project, with `/`, as manifests and messages show it. */
export function projectPath(projectDir: string, path: string): string {
  return relative(projectDir, path).split(sep).join("/");
}

/** The line, counted from 1, of a position in a text. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}
