import { createHash } from "node:crypto";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import type { AssetOptions, Shape } from "../definitions/asset.ts";
import { tryGetSeconds } from "../definitions/duration.ts";
import type { Fault } from "../definitions/fault.ts";
import type { Manifest, ManifestAsset } from "../definitions/manifest_schema.ts";
import { keysOf } from "../definitions/partitions.ts";
import type { Claim, Disproof, Target } from "../resources/store.ts";
import { warehouseFaults } from "../resources/stores.ts";
import { archiveFaults } from "./archive_faults.ts";
import { bindCheck, bindKeys, listOf } from "./bind_sql.ts";
import { bindCursor } from "./cursor.ts";
import { deprecationFaults } from "./deprecations.ts";
import { listFiles, projectPath } from "./import_scan.ts";
import type { SideName } from "../resources/validation/index.ts";
import { loadAllAssets } from "./load_assets.ts";
import { bodyName, exclusiveOf } from "./manifest_body.ts";
import { sortByNeeds } from "./order.ts";
import { mappingsOf, type PartitionsByKey } from "./partition_mappings.ts";
import { resolveAll, type ResolvedAsset } from "./resolve.ts";
import { dashboardFaults, dashboardNodes, handMadeNodes } from "./superset/dashboard_nodes.ts";
import { describeSnapshot } from "./superset/snapshot_node.ts";
import { datasetNodes, describeNode, tryGetDatasetAsset } from "./superset/nodes.ts";
import { sideClaims } from "./validation_sides.ts";
import { describeSchedule, describeSensor, triggerFaults } from "./resolve_triggers.ts";

/** A step that takes longer than this is stuck, unless its asset says otherwise. */
const DEFAULT_TIMEOUT_SECONDS = 3_600;

/** Hears of what happens during a build. */
export interface BuildListener {
  /** Called with each file under `assets/` before it runs. */
  readonly onImport?: (path: string) => void;
  /** Called when the SQL of a store could not be proven, because its server could not be asked. */
  readonly onUnproven?: (error: unknown, store: string, count: number) => void;
}

/**
 * Reads all assets of a project, proves their SQL and describes them: sorted, without times, the same for the same
 * sources.
 *
 */
export async function buildManifest(project: string, listener: BuildListener = {}): Promise<Manifest> {
  const projectDir = realpathSync(project);
  const loaded = await loadAllAssets(projectDir, listener.onImport);
  const { assets: defined, triggers, dashboards, faults: fileFaults } = loaded;
  const resolved = resolveAll(loaded, projectDir);
  const faults: Fault[] = [...fileFaults, ...resolved.flatMap((asset) => asset.faults)];
  faults.push(...choiceFaults(resolved, faults, projectDir), ...graphFaults(resolved, faults));
  faults.push(...deprecationFaults(resolved, faults));
  const partitionsOf = new Map(resolved.map(({ key, defined: { options } }) => [key, options.partitions]));
  const known = new Set([...partitionsOf.keys(), ...faults.map(({ asset }) => asset)]);
  const faultsOfTriggers = triggerFaults(triggers, partitionsOf, (key) => known.has(key));
  faults.push(...(await proofFaults(resolved, faults, projectDir, listener)));

  faults.push(...faultsOfTriggers);
  const byKey = new Map(defined.map((asset) => [asset.key, asset]));
  faults.push(...dashboardFaults(dashboards, byKey, new Set(faults.map(({ asset }) => asset))));
  const faulty = new Set(faults.map(({ asset }) => asset));
  const soundAssets = resolved.filter(({ key }) => !faulty.has(key));
  const soundDashboards = dashboards.filter(({ key }) => !faulty.has(key));
  const datasets = datasetNodes(soundAssets);
  const nodes = [...datasets, ...dashboardNodes(soundDashboards, byKey), ...handMadeNodes(datasets)];
  const sound = triggers.filter(({ key }) => !faulty.has(key)).sort((a, b) => compare(a.key, b.key));
  return {
    version: 1,
    source_digest: sourceDigest(projectDir),
    assets: [
      ...soundAssets.map((asset) => describe(asset, partitionsOf, projectDir)),
      ...nodes.map((node) => describeNode(node, projectDir)),
      ...describeSnapshot(soundAssets, projectDir),
    ].sort((a, b) => compare(a.key.join("/"), b.key.join("/"))),
    schedules: sound.flatMap((one) => (one.kind === "schedule" ? [describeSchedule(one, projectDir)] : [])),
    sensors: sound.flatMap((one) => (one.kind === "sensor" ? [describeSensor(one, projectDir)] : [])),
    faults: faults
      .map(({ code, asset, position, message }) => ({
        code,
        asset:
          asset === null || !/^[A-Za-z][A-Za-z0-9_]*(\/[A-Za-z][A-Za-z0-9_]*)*$/.test(asset) ? null : asset.split("/"),
        file: projectPath(projectDir, position.file),
        line: position.line,
        message,
      }))
      .sort((a, b) => compare(a.file, b.file) || a.line - b.line || compare(a.message, b.message)),
  };
}

/**
 * Digest of `WAREHOUSE` and of everything under `assets/` and `sql/`, by which the Dagster side sees that a manifest is
 * out of date. `dagster_project/refresh.py` computes the same.
 */
function sourceDigest(projectDir: string): string {
  const folders = ["assets", "sql"].map((name) => join(projectDir, name)).filter((folder) => existsSync(folder));
  const paths = folders.flatMap((folder) => listFiles(folder, [".ts", ".sql"]));
  const files = paths
    .map((path) => ({ path, name: projectPath(projectDir, path) }))
    .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  const hash = createHash("sha256");
  // Assets may live in another store now, and their SQL be another file.
  const warehouse = process.env["WAREHOUSE"] ?? "";
  if (warehouse !== "") hash.update(`WAREHOUSE\0${warehouse}\n`);
  for (const { path, name } of files) {
    hash.update(`${name}\0${createHash("sha256").update(readFileSync(path)).digest("hex")}\n`);
  }
  return hash.digest("hex");
}

/** Choices of stores that no asset hears of. */
function choiceFaults(resolved: readonly ResolvedAsset[], earlier: readonly Fault[], projectDir: string): Fault[] {
  const keys = [...resolved.map(({ key }) => key), ...earlier.flatMap(({ asset }) => asset ?? [])];
  const schemas = new Set(keys.map((key) => key.split("/")[0] ?? ""));
  const position = { file: join(projectDir, "assets"), line: 1 };
  return warehouseFaults(schemas, process.env).map((message) => ({
    code: "bad_option",
    asset: null,
    position,
    message,
  }));
}

/** References to assets that do not exist, and assets that need each other. */
function graphFaults(resolved: readonly ResolvedAsset[], earlier: readonly Fault[]): Fault[] {
  const faults: Fault[] = [];
  const byKey = new Map(resolved.map((asset) => [asset.key, asset]));
  const partitionsOf = new Map(resolved.map(({ key, defined: { options } }) => [key, options.partitions]));
  // An asset of a file that could not be loaded exists: its own fault says what is wrong.
  const known = new Set([...byKey.keys(), ...earlier.map(({ asset }) => asset)]);
  for (const { key, deps, sqlDeps, store, defined } of resolved) {
    const add = (message: string): void => {
      faults.push({ code: "unknown_reference", asset: key, position: defined.position, message });
    };
    for (const dep of deps) {
      // The dataset of an asset is there when the asset is.
      if (!known.has(tryGetDatasetAsset(dep) ?? dep)) add(`reads "${dep}", which no file under assets/ defines`);
      const other = byKey.get(dep);
      if (other?.target === undefined || !sqlDeps.has(dep)) continue;
      if (other.target === null) add(`reads "${dep}" in SQL, which is a task and has no table`);
      else if (other.store !== store)
        add(`reads "${dep}" in SQL, which is in ${other.store.name}: SQL reads its own store only, here ${store.name}`);
    }
  }
  faults.push(...archiveFaults(resolved));
  for (const asset of resolved) {
    for (const mapping of mappingsOf(asset, partitionsOf))
      if (typeof mapping === "string")
        faults.push({ code: "bad_option", asset: asset.key, position: asset.defined.position, message: mapping });
  }
  const needs = (key: string): readonly string[] => byKey.get(key)?.deps ?? [];
  const { cycles, knotted } = sortByNeeds(byKey.keys(), needs);
  for (const key of knotted) {
    const position = byKey.get(key)?.defined.position;
    const cycle =
      cycles.find((one) => one.includes(key)) ?? cycles.find((one) => one.some((node) => needs(key).includes(node)));
    const way = cycle === undefined ? "" : `: ${[...cycle, cycle[0]].join(" → ")}`;
    if (position !== undefined)
      faults.push({ code: "cycle", asset: key, position, message: `the assets need each other${way}` });
  }
  return faults;
}

/** Holds every SQL body and SQL check against its contract, where nothing else is wrong with it or with what it reads. */
async function proofFaults(
  resolved: readonly ResolvedAsset[],
  earlier: readonly Fault[],
  projectDir: string,
  listener: BuildListener,
): Promise<Fault[]> {
  const faulty = new Set(earlier.map(({ asset }) => asset));
  const sound = resolved.filter(({ key, deps }) => !faulty.has(key) && !deps.some((dep) => faulty.has(dep)));
  const byKey = new Map(sound.map((asset) => [asset.key, asset]));
  const disproofs: Disproof[] = [];
  const sides = new Map<Target, SideName>();
  for (const [store, assets] of Map.groupBy(sound, (asset) => asset.store)) {
    const claims = assets.flatMap(({ target, deps, body, checks, defined }) => {
      if (target === null) return [];
      const ofSides = body.kind === "validation" ? sideClaims(body.validation, target, deps) : [];
      for (const { name, claim } of ofSides) sides.set(claim.target, name);
      const { write, partitions } = defined.options;
      const keys = partitions === undefined || keysOf(partitions) === undefined ? null : ["a key"];
      const sql =
        body.kind === "query" ? bindCursor(bindKeys(body.sql, keys, store), target, write, store, null) : null;
      const bound = keys === null ? checks : checks.map((check) => bindCheck(check, listOf(keys, store)));
      const own: Claim = { target, deps, sql, checks: bound, view: body.kind === "query" ? body.view : null };
      return [...ofSides.map(({ claim }) => claim), own];
    });
    if (claims.length === 0) continue;
    try {
      disproofs.push(...(await store.prove(claims, projectDir, process.env)));
    } catch (error) {
      // A server that is down says nothing about the assets: they stay, and every run checks their SQL again.
      listener.onUnproven?.(error, store.name, claims.length);
    }
  }
  return disproofs.flatMap(({ target, code, check, message, line }) => {
    const asset = byKey.get(target.assetKey);
    if (asset === undefined) return [];
    const file = check === null && asset.body.kind === "query" ? asset.body.file : null;
    const position = file === null ? asset.defined.position : { file, line: line ?? 1 };
    const side = sides.get(target);
    const where = check === null ? side : `check ${check}`;
    const text = where === undefined ? message : `${where}: ${message}`;
    return [{ code, asset: target.assetKey, position, message: text }];
  });
}

function describe(asset: ResolvedAsset, partitionsOf: PartitionsByKey, projectDir: string): ManifestAsset {
  const { options, columns } = asset.defined;
  const { target } = asset;
  const { partitions, freshness, automation, retry } = options;
  const single = new Set(
    asset.checks.flatMap(({ rule, columns: names, severity, maxShare }) =>
      rule.kind === "unique" && names.length === 1 && severity === "ERROR" && maxShare === 0 ? names : [],
    ),
  );
  return {
    key: asset.key.split("/"),
    body: bodyName(asset),
    store: target === null ? null : asset.store.name,
    table: target === null ? null : { schema: target.schema, name: target.table },
    description: options.description,
    deps: asset.deps.map((dep) => dep.split("/")),
    columns: columns.map(({ name, type, nullable, description }) => ({
      name,
      type: asset.store.typeName(type),
      nullable,
      unique: single.has(name),
      description,
    })),
    checks: asset.checks.map(({ name, rule, columns: names, severity, description }) => ({
      name,
      kind: rule.kind,
      columns: [...names],
      severity,
      blocking: severity === "ERROR",
      description,
    })),
    partitions: partitions === undefined ? null : (structuredClone(partitions) as ManifestAsset["partitions"]),
    partition_mappings: mappingsOf(asset, partitionsOf).filter((mapping) => typeof mapping === "object"),
    each: options.each !== undefined,
    max_partitions_per_run: options.maxPartitionsPerRun ?? null,
    freshness: describeFreshness(freshness),
    automation: automation ?? null,
    owners: [...(options.owners ?? [])],
    tags: { ...options.tags },
    kinds: ["typescript", ...(target === null ? [] : [asset.store.name])],
    group: options.group ?? asset.key.split("/")[0] ?? "default",
    pool: options.pool ?? null,
    retry:
      retry === undefined
        ? null
        : {
            max_retries: retry.maxRetries,
            delay_seconds: retry.delaySeconds ?? 0,
            backoff: retry.backoff ?? null,
            jitter: retry.jitter ?? null,
          },
    timeout_seconds: tryGetSeconds(options.timeout ?? "") ?? DEFAULT_TIMEOUT_SECONDS,
    incremental: options.write !== undefined,
    exclusive: exclusiveOf(asset),
    code_version: asset.codeVersion,
    sources: asset.sources.map(({ file, line }) => ({ file: projectPath(projectDir, file), line })),
  };
}

function describeFreshness(freshness: AssetOptions<Shape>["freshness"]): ManifestAsset["freshness"] {
  if (freshness === undefined) return null;
  if (freshness.kind === "time_window") {
    return {
      kind: "time_window",
      fail_seconds: tryGetSeconds(freshness.fail) ?? 1,
      warn_seconds: freshness.warn === null ? null : (tryGetSeconds(freshness.warn) ?? 1),
    };
  }
  const { deadlineCron, timezone, lowerBound } = freshness;
  return { kind: "cron", deadline_cron: deadlineCron, timezone, lower_bound_seconds: tryGetSeconds(lowerBound) ?? 1 };
}

/** Byte order: the same on every machine, whatever its language. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
