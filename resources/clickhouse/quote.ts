import { createHash } from "node:crypto";

/** The database in which the runtime keeps its own tables. */
export const OWN_DATABASE = "_dagster_typescript";

/** Pattern of a name as people and ClickHouse write it, quoted or not. */
export const NAME = String.raw`\`(?:[^\`\\]|\\.|\`\`)+\`|"(?:[^"\\]|\\.|"")+"|[A-Za-z_]\w*`;

/** The name itself of what {@link NAME} matched. */
export function bare(name: string): string {
  return /^[`"]/.test(name)
    ? name.slice(1, -1).replaceAll(/\\(.)|``|""/g, (two, one: string | undefined) => one ?? two.slice(1))
    : name;
}

/** A name as ClickHouse takes it, whatever is in it. */
export function quote(name: string): string {
  return `\`${name.replaceAll("\\", "\\\\").replaceAll("`", "\\`").replaceAll("\0", "\\0")}\``;
}

/** Text as a literal; for statements that take no parameters, such as DDL. */
export function literal(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("\0", "\\0")}'`;
}

/** The quoted name of an asset's table: its schema is a database. */
export function tableName(assetKey: string): string {
  return assetKey.split("/").map(quote).join(".");
}

/** The quoted name of one of the runtime's own tables. */
export function ownTable(name: string): string {
  return `${quote(OWN_DATABASE)}.${quote(name)}`;
}

/** Stands for an asset in the names of the runtime's own tables. */
export function assetHash(assetKey: string): string {
  return createHash("sha256").update(assetKey).digest("hex").slice(0, 16);
}
