import type { PostgresTable } from "../../definitions/storage.ts";
import { ContractError } from "../errors.ts";
import { literal, OWN_SCHEMA, quote, tableName } from "../quote.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { columnDefinitions, columnList } from "./contract.ts";
import { freeName, labelledName, objectName, relationNames } from "./index_names.ts";
import { type LockWait, lockWaiting } from "./lock_wait.ts";
import { requireRows, type StagingTable } from "./staging.ts";

/** How a table is cut by time. */
export type Layout = NonNullable<PostgresTable["partitionBy"]>;

/** Of a partition, in UTC: how its name ends, and by what its bounds are made. */
const SUFFIX: Readonly<Record<Layout["every"], string>> = {
  day: "YYYYMMDD",
  week: 'IYYY"w"IW',
  month: "YYYYMM",
  year: "YYYY",
};
/** Each costs the planner and the lock table of the server; a hundred years of months are 1,200. */
const MAX_PARTITIONS = 2_000;

/** One stretch of time, as the bounds of a partition. */
interface Stretch {
  readonly start: string;
  readonly end: string;
  readonly suffix: string;
}

/** The partitions of a table that are there. `"foreign"`: somebody else's, of whatever kind. */
export type PresentLayout = Layout | "none" | "foreign";

/** The layout that an asset declares. */
export function declaredLayout({ storage }: Pick<Target, "storage">): Layout | undefined {
  return storage.postgres?.partitionBy;
}

/** The comment of a partition, by which it is known to be ours. `swapObstacles` looks for it too. */
function mark({ assetKey }: Target, { column, every }: Layout): string {
  return `One ${every} of ${assetKey} by ${column}`;
}

/** How a table is partitioned now. A table of ours without any partition yet is as declared, or by months. */
export async function presentLayout(client: Client, target: Target, oid: string): Promise<PresentLayout> {
  const { rows } = await client.text(`
    SELECT partstrat, a.attname, partdefid, (
      SELECT string_agg(DISTINCT COALESCE(substring(pg_catalog.obj_description(inhrelid, 'pg_class') FROM '^One (\\w+) of '), ''), ',')
      FROM pg_catalog.pg_inherits WHERE inhparent = ${oid})
    FROM pg_catalog.pg_partitioned_table
    LEFT JOIN pg_catalog.pg_attribute AS a ON attrelid = partrelid AND partnatts = 1 AND attnum = partattrs[0] AND attnum > 0
    WHERE partrelid = ${oid}`);
  const [row] = rows;
  if (row === undefined) return "none";
  const [strategy, column, byDefault, found] = row;
  if (strategy !== "r" || typeof column !== "string" || byDefault !== "0") return "foreign";
  if (typeof found !== "string") {
    const declared = declaredLayout(target);
    return { column, every: declared?.column === column ? declared.every : "month" };
  }
  const every = (["day", "week", "month", "year"] as const).find((unit) => unit === found);
  return every === undefined ? "foreign" : { column, every };
}

/** What people should know of a layout that is not the declared one; `undefined`: it is. */
export function layoutNote({ assetKey, storage }: Target, present: PresentLayout, why: string): string | undefined {
  const declared = declaredLayout({ storage });
  const same =
    declared === undefined
      ? present === "none" || present === "foreign"
      : typeof present === "object" && present.column === declared.column && present.every === declared.every;
  if (same) return undefined;
  const wanted =
    declared === undefined ? "without partitions" : `partitioned by ${declared.every} of ${declared.column}`;
  return `${tableName(assetKey)} is not ${wanted}, as its asset says now: it is made anew by a replace (${why})`;
}

/**
 * Makes a partitioned table of staged rows, in place of the staging table, inside a transaction. Its partitions get
 * their names by {@link settlePartitions}.
 */
export async function partitionStage(
  client: Client,
  target: Target,
  stage: StagingTable,
  layout: Layout,
): Promise<StagingTable> {
  const name = stage.name.replace(/"$/, '_p"');
  const own = name.slice(quote(OWN_SCHEMA).length + 2, -1);
  await client.run(`CREATE TABLE ${name} (${columnDefinitions(target)}) PARTITION BY RANGE (${quote(layout.column)})`);
  const statements = (await stretches(client, target, stage.name, layout)).flatMap((stretch, index) => {
    const partition = `${quote(target.schema)}.${quote(`${own}${index}_${stretch.suffix}`)}`;
    return [
      `CREATE TABLE ${partition} PARTITION OF ${name} ${bounds(stretch)}`,
      `COMMENT ON TABLE ${partition} IS ${literal(mark(target, layout))}`,
    ];
  });
  await client.script(statements);
  const columns = columnList(target);
  const written = await client.write(`INSERT INTO ${name} (${columns}) SELECT ${columns} FROM ${stage.name}`);
  requireRows(target, stage.rowCount, written);
  await client.run(`DROP TABLE ${stage.name}`);
  return { name, rowCount: stage.rowCount };
}

/** Gives the partitions of a table that was swapped in, and their indexes, the names that go with its own. */
export async function settlePartitions(client: Client, target: Target, oid: string, stage: string): Promise<void> {
  const own = stage.slice(quote(OWN_SCHEMA).length + 2, -1);
  const { rows } = await client.text(`
    SELECT c.relname, i.relname, CASE WHEN i.oid IS NULL THEN NULL ELSE (
        SELECT jsonb_agg(attname ORDER BY attnum) FROM pg_catalog.pg_attribute WHERE attrelid = i.oid) END,
      CASE WHEN c.relowner <> p.relowner THEN p.relowner::regrole::text END
    FROM pg_catalog.pg_inherits JOIN pg_catalog.pg_class AS c ON c.oid = inhrelid
    JOIN pg_catalog.pg_class AS p ON p.oid = inhparent
    LEFT JOIN (pg_catalog.pg_index JOIN pg_catalog.pg_class AS i ON i.oid = indexrelid) ON indrelid = c.oid
    WHERE inhparent = ${oid} ORDER BY c.relname, i.oid`);
  if (rows.length === 0) return;
  const taken = await relationNames(client, target.schema);
  const schema = quote(target.schema);
  const names = new Map<string, string>();
  const statements: string[] = [];
  for (const [partition = "", index, columns, owner] of rows) {
    if (partition === null) continue;
    let name = names.get(partition);
    if (name === undefined) {
      name = freePartitionName(taken, target.table, partition.slice(own.length).replace(/^\d+_/, ""));
      names.set(partition, name);
      statements.push(`ALTER TABLE ${schema}.${quote(partition)} RENAME TO ${quote(name)}`);
      if (owner != null) statements.push(`ALTER TABLE ${schema}.${quote(name)} OWNER TO ${owner}`);
    }
    if (index == null) continue;
    const indexed = (JSON.parse(columns ?? "[]") as string[]).join("_");
    const of = name;
    const free = freeName(
      (one) => taken.has(one),
      (label) => objectName(of, indexed, label),
    );
    taken.add(free);
    statements.push(`ALTER INDEX ${schema}.${quote(index)} RENAME TO ${quote(free)}`);
  }
  await client.script(statements);
  await closePartitions(client, oid, [...names.values()]);
}

/**
 * Adds the partitions that staged rows need to a table that stays. Attached, since only that lets readers go on while
 * the rows are written: see {@link keepReadersOut}.
 *
 * @returns Whether any was made.
 */
export async function addPartitions(
  client: Client,
  target: Target,
  oid: string,
  stage: string,
  layout: Layout,
): Promise<boolean> {
  const name = tableName(target.assetKey);
  const present = new Set(await presentStarts(client, oid));
  const missing = (await stretches(client, target, stage, layout)).filter(({ start }) => !present.has(start));
  if (missing.length === 0) return false;
  if (present.size + missing.length > MAX_PARTITIONS) throw tooMany(target, layout, present.size + missing.length);
  const { rows } = await client.text(
    `SELECT CASE WHEN relowner <> CURRENT_USER::regrole THEN relowner::regrole::text END FROM pg_catalog.pg_class WHERE oid = ${oid}`,
  );
  const owner = rows[0]?.[0];
  const taken = await relationNames(client, target.schema);
  const made: string[] = [];
  for (const stretch of missing) {
    const own = freePartitionName(taken, target.table, stretch.suffix);
    made.push(own);
    const partition = `${quote(target.schema)}.${quote(own)}`;
    await client.script([
      `CREATE TABLE ${partition} (LIKE ${name} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED
        INCLUDING STORAGE INCLUDING COMPRESSION)`,
      `COMMENT ON TABLE ${partition} IS ${literal(mark(target, layout))}`,
      ...(owner == null ? [] : [`ALTER TABLE ${partition} OWNER TO ${owner}`]),
      `ALTER TABLE ${name} ATTACH PARTITION ${partition} ${bounds(stretch)}`,
    ]);
  }
  await closePartitions(client, oid, made);
  return true;
}

/**
 * Waits for the readers of a table to which partitions were attached, and keeps others away until the commit, which is
 * to follow at once. A query is planned with the partitions that it finds, and sees the rows that are committed when it
 * starts a moment later: were there a commit in between, it would miss the rows of the new partitions, and see others.
 */
export async function keepReadersOut(client: Client, { assetKey }: Target, locks: LockWait): Promise<void> {
  const name = tableName(assetKey);
  await lockWaiting(client, name, [`LOCK TABLE ONLY ${name} IN ACCESS EXCLUSIVE MODE`], locks);
}

/**
 * Takes the privileges away that the schema gives to new tables. Row policies are the table's: who could read a partition
 * by itself would read past them.
 */
async function closePartitions(client: Client, oid: string, names: readonly string[]): Promise<void> {
  const { rows } = await client.text(`
    SELECT DISTINCT pg_catalog.format('REVOKE ALL ON TABLE %I.%I FROM ', n.nspname, c.relname)
      || CASE WHEN p.grantee = 0 THEN 'PUBLIC' ELSE p.grantee::regrole::text END
    FROM pg_catalog.pg_inherits JOIN pg_catalog.pg_class AS c ON c.oid = inhrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace, pg_catalog.aclexplode(c.relacl) AS p
    WHERE inhparent = ${oid} AND p.grantee <> c.relowner AND c.relname IN (${["NULL", ...names.map(literal)].join(", ")})`);
  await client.script(rows.map(([statement]) => statement ?? ""));
}

function freePartitionName(taken: Set<string>, table: string, suffix: string): string {
  const name = freeName(
    (one) => taken.has(one),
    (label) => labelledName(table, `p${suffix}${label.slice("idx".length)}`),
  );
  taken.add(name);
  return name;
}

function bounds({ start, end }: Stretch): string {
  return `FOR VALUES FROM (${literal(start)}) TO (${literal(end)})`;
}

/** The stretches of time in which there are staged rows. @throws ContractError for too many, or infinite times */
async function stretches(client: Client, target: Target, stage: string, layout: Layout): Promise<Stretch[]> {
  const { column, every } = layout;
  const isDate = target.columns.some(({ name, type }) => name === column && type.kind === "date");
  const time = quote(column);
  const start = isDate
    ? `CAST(pg_catalog.date_trunc('${every}', CAST(${time} AS timestamp)) AS date)`
    : `pg_catalog.date_trunc('${every}', ${time}, 'UTC')`;
  const type = isDate ? "date" : "timestamptz";
  const { rows } = await client.text(`
    SELECT start, CAST(start + INTERVAL '1 ${every}' AS ${type}), pg_catalog.to_char(start, ${literal(SUFFIX[every])}),
      pg_catalog.isfinite(start)
    FROM (SELECT DISTINCT ${start} AS start FROM ${stage}) AS starts ORDER BY start LIMIT ${MAX_PARTITIONS + 1}`);
  if (rows.length > MAX_PARTITIONS) throw tooMany(target, layout, rows.length);
  return rows.map(([from, to, suffix, isFinite]) => {
    if (isFinite !== "true") {
      throw new ContractError(
        `${target.assetKey}: column ${JSON.stringify(column)} is ${from ?? "NULL"} in some rows, for which there can be ` +
          "no partition; nothing was published",
      );
    }
    return { start: from ?? "", end: to ?? "", suffix: suffix ?? "" };
  });
}

function tooMany({ assetKey }: Target, { column, every }: Layout, count: number): ContractError {
  return new ContractError(
    `${assetKey}: its rows need ${count} or more partitions, one for each ${every} of ${column}: more than ` +
      `${MAX_PARTITIONS}. Nothing was published. Choose longer ones in storage.postgres.partitionBy`,
  );
}

/** The lower bounds of the partitions of a table, as the server writes values of their type. */
async function presentStarts(client: Client, oid: string): Promise<string[]> {
  const { rows } = await client.text(`
    SELECT substring(pg_catalog.pg_get_expr(c.relpartbound, c.oid) FROM $$FROM \\('([^']*)'\\)$$)
    FROM pg_catalog.pg_inherits JOIN pg_catalog.pg_class AS c ON c.oid = inhrelid WHERE inhparent = ${oid}`);
  return rows.map(([start]) => start ?? "");
}
