import type { TableRef, Sql, SqlValue } from "../definitions/sql.ts";
import { cursor, keys, window } from "../definitions/sql.ts";
import { lineAt } from "./import_scan.ts";

/** A SQL file with its placeholders resolved, or what is wrong with them. */
export interface ParsedSqlFile {
  readonly sql: Sql;
  readonly faults: readonly { readonly line: number; readonly message: string }[];
  /** The references that the text uses. */
  readonly used: ReadonlySet<string>;
}

/** What a run binds in the SQL of an asset. */
export interface Bounds {
  readonly hasWindow: boolean;
  readonly hasKeys: boolean;
  readonly hasCursor: boolean;
}

/** Strings, quoted names and comments, in which nothing is a placeholder; then a placeholder. */
const TOKEN = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\$(\w*)\$[\s\S]*?\$\1\$|\{([A-Za-z_][\w.]*)\}/g;

/**
 * Reads a SQL file: `{name}` stands for the table of a declared reference, `{window.start}` and `{window.end}` for the
 * bounds of the run's window, `{keys}` for its keys, `{cursor}` for where the last publish ended; they are bound as values.
 *
 * @param has What the asset has: time partitions, keys as partitions, a column with a cursor.
 */
export function parseSqlFile(text: string, refs: Readonly<Record<string, TableRef>>, has: Bounds): ParsedSqlFile {
  const strings: string[] = [];
  const values: SqlValue[] = [];
  const faults: { line: number; message: string }[] = [];
  const used = new Set<string>();
  let from = 0;
  for (const match of text.matchAll(TOKEN)) {
    const name = match[2];
    if (name === undefined) continue;
    const line = lineAt(text, match.index);
    const value = placeholder(name, refs, has);
    if (typeof value === "string") {
      faults.push({ line, message: value });
      continue;
    }
    used.add(name);
    strings.push(text.slice(from, match.index));
    values.push(value);
    from = match.index + match[0].length;
  }
  strings.push(text.slice(from));
  return { sql: { kind: "sql", strings, values }, faults, used };
}

function placeholder(
  name: string,
  refs: Readonly<Record<string, TableRef>>,
  { hasWindow, hasKeys, hasCursor }: Bounds,
): SqlValue | string {
  if (name === "window.start" || name === "window.end") {
    if (!hasWindow) return `{${name}}: the asset has no time partitions, so it has no window`;
    return name === "window.start" ? window.start : window.end;
  }
  if (name === "keys" && !Object.hasOwn(refs, name))
    return hasKeys
      ? keys
      : "{keys}: the asset's partitions are no keys: say partitions: staticKeys(…) or dynamicKeys(…)";
  if (name === "cursor" && !Object.hasOwn(refs, name))
    return hasCursor ? cursor : "{cursor}: the asset has none: say write: append({ cursor: … })";
  if (Object.hasOwn(refs, name)) return refs[name] as TableRef;
  const known = [
    ...Object.keys(refs),
    ...(hasWindow ? ["window.start", "window.end"] : []),
    ...(hasKeys ? ["keys"] : []),
    ...(hasCursor ? ["cursor"] : []),
  ];
  return `{${name}} is no declared reference; expected ${known.length === 0 ? "none" : `one of ${known.join(", ")}`}`;
}
