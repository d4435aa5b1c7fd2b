import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { DefinedAsset } from "../definitions/asset.ts";
import type { Copy, MaterializedView, Query, Rows, Task } from "../definitions/body.ts";
import type { Check } from "../definitions/check.ts";
import type { Fault, FaultCode, SourcePosition } from "../definitions/fault.ts";
import { keysOf, type Partitions, timeOf } from "../definitions/partitions.ts";
import type { Sql, SqlValue, TableRef } from "../definitions/sql.ts";
import type { StoreKind, Target } from "../resources/store.ts";
import { type ArchivedSource, resolveArchive } from "./archived_source.ts";
import { codeVersion } from "./code_version.ts";
import { type ComparedSources, resolveDiff } from "./compared_sources.ts";
import { type CopiedSource, resolveSource } from "./copied_source.ts";
import type { LoadedAssets } from "./load_assets.ts";
import { placeOf } from "./place.ts";
import type { AssetReport } from "./report.ts";
import { type Bounds, parseSqlFile } from "./sql_file.ts";
import type { SupersetRunContext } from "./superset/run_context.ts";
import { type ResolvedValidation, resolveValidation } from "./validation_sides.ts";

/** How an asset is computed, with its SQL read and its placeholders resolved. */
export type ResolvedBody =
  | {
      readonly kind: "query";
      readonly sql: Sql;
      readonly file: string | null;
      /** How the store refreshes it as a materialised view; `null`: it is a table. */
      readonly view: MaterializedView["refresh"] | null;
    }
  | ({ readonly kind: "copy"; readonly source: CopiedSource } & Pick<Copy, "columns" | "ignore">)
  | ({ readonly kind: "archive" } & ArchivedSource)
  | ({ readonly kind: "diff" } & ComparedSources)
  | { readonly kind: "validation"; readonly validation: ResolvedValidation }
  | { readonly kind: "rows"; readonly rows: Rows<unknown>["rows"] }
  | { readonly kind: "task"; readonly task: Task["task"] }
  | { readonly kind: "superset"; readonly run: (context: SupersetRunContext) => Promise<AssetReport> };

/** An asset that is ready to be proven, written to the manifest, or run. */
export interface ResolvedAsset {
  readonly key: string;
  readonly defined: DefinedAsset;
  readonly body: ResolvedBody;
  /** The table; `null` for a task and for what is in Superset. */
  readonly target: Target | null;
  /** Where the table is. */
  readonly store: StoreKind;
  readonly checks: readonly Check[];
  /** Keys of the assets that it reads, sorted. */
  readonly deps: readonly string[];
  /** Those of them that SQL reads, of the body or of a check: they are in the same store. */
  readonly sqlDeps: ReadonlySet<string>;
  /** The asset's own file, then its SQL file. Absolute paths. */
  readonly sources: readonly SourcePosition[];
  readonly codeVersion: string;
  /** All that is wrong, the faults of the definition included. */
  readonly faults: readonly Fault[];
}

/**
 * Reads an asset's SQL, collects its dependencies and computes its code version.
 *
 * @param assetFiles Files that define assets: they do not count to the code of an asset that imports them.
 */
export function resolveAsset(
  defined: DefinedAsset,
  projectDir: string,
  assetFiles: ReadonlySet<string>,
): ResolvedAsset {
  const faults: Fault[] = [...defined.faults];
  const add = (code: FaultCode, message: string, position: SourcePosition = defined.position): void => {
    faults.push({ code, asset: defined.key, position, message });
  };
  const deps = new Set<string>();
  const sqlDeps = new Set<string>();
  const sources: SourcePosition[] = [defined.position];
  const depend = (where: string, ref: TableRef | undefined, bySql = true): void => {
    if (typeof ref?.assetKey !== "string" || ref.assetKey === "") {
      add("unknown_reference", `${where} is no asset: import it from the file that defines it`);
      return;
    }
    deps.add(ref.assetKey);
    if (bySql) sqlDeps.add(ref.assetKey);
  };
  const { options, key } = defined;
  const { target, store, storeFault } = placeOf(defined);
  if (storeFault !== null) add("bad_option", `store: ${storeFault}`);
  const collector: Collector = { add, depend, sources, store };
  const body = resolveBody(defined, projectDir, collector);
  const checks = options.checks ?? [];
  const bounds = { ...boundsOf(options.partitions), hasCursor: false };
  for (const { name, rule } of checks) {
    const where = `check ${name}`;
    if (rule.kind === "references" || rule.kind === "same_sum") depend(`${where}: the table`, rule.to);
    if (rule.kind === "sql") walkSql(where, rule.bad, { ...bounds, hasSelf: true }, collector);
    if (rule.kind === "same_sum" && rule.where !== null)
      walkSql(`${where}: where`, rule.where, { ...bounds, hasSelf: false }, collector);
    if (rule.kind === "typescript") for (const ref of rule.reads) depend(`${where}: reads`, ref);
  }
  for (const { assetKey } of options.partitionMappings ?? []) {
    if (!deps.has(assetKey)) add("unknown_reference", `partitionMappings: the asset does not read ${assetKey}`);
  }
  if (deps.delete(key))
    add("cycle", "the asset reads itself: take the rows from another asset, or from self in a check");
  return {
    key,
    defined,
    body,
    target: body.kind === "task" ? null : target,
    store,
    checks,
    deps: [...deps].sort(),
    sqlDeps,
    sources,
    codeVersion: codeVersion(sources, assetFiles),
    faults,
  };
}

/** Resolves all assets of a project. */
export function resolveAll(
  { assets, files }: Pick<LoadedAssets, "assets" | "files">,
  projectDir: string,
): ResolvedAsset[] {
  const assetFiles = new Set(assets.map(({ position }) => position.file).filter((file) => files.has(file)));
  return assets.map((asset) => resolveAsset(asset, projectDir, assetFiles));
}

interface Collector {
  readonly add: (code: FaultCode, message: string, position?: SourcePosition) => void;
  readonly depend: (where: string, ref: TableRef | undefined, bySql?: boolean) => void;
  readonly sources: SourcePosition[];
  /** Picks `name.<dialect>.sql`, and says which views it has. */
  readonly store: StoreKind;
}

function resolveBody(defined: DefinedAsset, projectDir: string, collector: Collector): ResolvedBody {
  const { add, depend, store } = collector;
  const { body, partitions } = defined.options;
  if ("rows" in body || "task" in body) {
    for (const [index, ref] of (body.deps ?? []).entries()) depend(`deps[${index}]`, ref, false);
    // The type of the rows is gone at run time; every row is validated before it is used.
    return "rows" in body
      ? { kind: "rows", rows: body.rows as unknown as Rows<unknown>["rows"] }
      : { kind: "task", task: body.task };
  }
  switch (body.kind) {
    case "copy": {
      if (!("format" in body.source)) depend("the source of the copy", body.source, false);
      const { source, faults } = resolveSource(body, defined, store);
      for (const { code, message } of faults) add(code, message);
      return { kind: "copy", source, columns: body.columns, ignore: body.ignore };
    }
    case "archive": {
      depend("the asset of the archive", body.source, false);
      const { found, faults } = resolveArchive(body, defined, store);
      for (const { code, message } of faults) add(code, message);
      return { kind: "archive", ...found };
    }
    case "diff": {
      for (const side of ["left", "right"] as const)
        if (!("format" in body[side])) depend(`${side} of the diff`, body[side], false);
      const { found, faults } = resolveDiff(body);
      for (const message of faults) add("bad_option", message);
      return { kind: "diff", ...found };
    }
    case "validation": {
      for (const side of ["left", "right"] as const) {
        const source = body[side];
        if ("format" in source) {
          if (source.format !== "superset" || source.object.assetKey === null) continue;
          depend(side, { kind: "table", assetKey: source.object.assetKey }, false);
        } else if (source.kind === "sql") walkSql(`the SQL of ${side}`, source, NO_BOUNDS, collector);
        else depend(side, source, false);
      }
      const { found, datasets, faults } = resolveValidation(body, defined);
      for (const assetKey of datasets) depend("the dataset", { kind: "table", assetKey }, false);
      for (const { code, message } of faults) add(code, message);
      return { kind: "validation", validation: found };
    }
    case "materialized_view": {
      const fault = store.viewFault({
        refresh: body.refresh,
        key: defined.options.key ?? [],
        isPartitioned: partitions !== undefined,
        blockingChecks: (defined.options.checks ?? []).flatMap(({ name, severity }) =>
          severity === "ERROR" ? [name] : [],
        ),
      });
      if (fault !== undefined) add("bad_option", `materializedView in ${store.name}: ${fault}`);
      return { kind: "query", ...readQuery(body.query, defined, projectDir, collector), view: body.refresh };
    }
    default:
      return { kind: "query", ...readQuery(body, defined, projectDir, collector), view: null };
  }
}

const NO_BOUNDS = { hasWindow: false, hasKeys: false, hasCursor: false, hasSelf: false };

/** What a run of partitions supplies. */
function boundsOf(partitions: Partitions | undefined): Pick<Bounds, "hasWindow" | "hasKeys"> {
  return {
    hasWindow: partitions !== undefined && timeOf(partitions) !== undefined,
    hasKeys: partitions !== undefined && keysOf(partitions) !== undefined,
  };
}

/** Reads a query's SQL, and collects what it refers to. */
function readQuery(
  query: Query | Sql,
  { options: { partitions, write } }: DefinedAsset,
  projectDir: string,
  collector: Collector,
): { readonly sql: Sql; readonly file: string | null } {
  const { add, depend, sources, store } = collector;
  const bounds = { ...boundsOf(partitions), hasCursor: typeof write?.cursor === "string" };
  const requireUse = (isUsed: boolean): void => {
    if (bounds.hasCursor && !isUsed) add("bad_option", "write: the SQL never says where it begins: WHERE … > {cursor}");
  };
  if (query.kind === "sql") {
    walkSql("the SQL", query, { ...bounds, hasSelf: false }, collector);
    requireUse(usesCursor(query));
    return { sql: query, file: null };
  }
  for (const [name, ref] of Object.entries(query.refs)) depend(`reference ${name}`, ref);
  const file = findSqlFile(projectDir, query.file, store.name);
  if (file === undefined) {
    add("missing_sql_file", `sql/${query.file} does not exist`);
    return { sql: { kind: "sql", strings: [""], values: [] }, file: null };
  }
  sources.push({ file, line: 1 });
  const parsed = parseSqlFile(readFileSync(file, "utf8"), query.refs, bounds);
  for (const { line, message } of parsed.faults) add("unknown_placeholder", message, { file, line });
  requireUse(parsed.used.has("cursor"));
  for (const name of Object.keys(query.refs)) {
    if (!parsed.used.has(name))
      add("unknown_placeholder", `reference ${name} is declared, but the SQL never says {${name}}`);
  }
  return { sql: parsed.sql, file };
}

/** `name.<dialect>.sql` where a store needs its own, else `name.sql`. */
function findSqlFile(projectDir: string, file: string, dialect: string): string | undefined {
  const path = join(projectDir, "sql", file);
  return [path.replace(/\.sql$/, `.${dialect}.sql`), path].find((candidate) => existsSync(candidate));
}

function usesCursor({ values }: Sql): boolean {
  return values.some(
    (value) =>
      typeof value === "object" &&
      value !== null &&
      "kind" in value &&
      (value.kind === "cursor" || (value.kind === "sql" && usesCursor(value))),
  );
}

/** Collects what a template refers to, and what it cannot refer to where it stands. */
function walkSql(where: string, sql: Sql, allowed: Bounds & { readonly hasSelf: boolean }, collector: Collector): void {
  const { add, depend } = collector;
  for (const value of sql.values as readonly (SqlValue | undefined)[]) {
    if (value === undefined) depend(`${where}: a value`, undefined);
    else if (value === null || typeof value !== "object" || value instanceof Date) continue;
    else
      switch (value.kind) {
        case "table":
          depend(`${where}: a table`, value);
          break;
        case "column":
          depend(`${where}: column ${value.column}`, { kind: "table", assetKey: value.assetKey });
          break;
        case "sql":
          walkSql(where, value, allowed, collector);
          break;
        case "window":
          if (!allowed.hasWindow)
            add(
              "unknown_placeholder",
              `${where}: window is for the body and the checks of an asset with time partitions`,
            );
          break;
        case "keys":
          if (!allowed.hasKeys)
            add(
              "unknown_placeholder",
              `${where}: keys is for the body and the checks of an asset with static or dynamic partitions`,
            );
          break;
        case "cursor":
          if (!allowed.hasCursor)
            add(
              "unknown_placeholder",
              `${where}: cursor is for the body of an asset with append({ cursor }) or merge({ cursor })`,
            );
          break;
        case "self":
          if (!allowed.hasSelf) add("unknown_placeholder", `${where}: self stands for the staged rows of a check`);
          break;
        default:
          add("unknown_placeholder", `${where}: a value is neither a reference nor a plain value`);
      }
  }
}
