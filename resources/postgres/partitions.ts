import { ContractError } from "../errors.ts";
import { literal, OWN_SCHEMA, quote, tableName } from "../quote.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { columnDefinitions, columnList } from "./contract.ts";
import { freeName, labelledName, objectName, relationNames } from "./index_names.ts";
import type { Layout } from "./layout.ts";
import { type LockWait, lockWaiting } from "./lock_wait.ts";
import { requireRows, type StagingTable } from "./staging.ts";

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
  /** Seconds since 1970. */
  readonly from: number;
  readonly to: number;
}

/** What became of the partitions that staged rows need. */
export interface AddedPartitions {
  /** Whether any was made. */
  readonly attached: boolean;
  /** Those that were not made, as a partition of somebody else has a part of their time; for people. */
  readonly refused: readonly string[];
}

/** The comment of a partition, by which it is known to be ours. `swapObstacles` looks for it too. */
function mark({ assetKey }: Target, { column, every }: Layout): string {
  return `One ${every} of ${assetKey} by ${column}`;
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
 * the rows are written: see {@link keepReadersOut}. Where a partition of somebody else is in the way, none is made: rows
 * that it takes go there.
 */
export async function addPartitions(
  client: Client,
  target: Target,
  oid: string,
  stage: string,
  layout: Layout,
): Promise<AddedPartitions> {
  const name = tableName(target.assetKey);
  const present = await presentPartitions(client, oid, timeType(target, layout));
  const missing: Stretch[] = [];
  const refused: string[] = [];
  for (const stretch of await stretches(client, target, stage, layout)) {
    const found = present.filter(({ from, to }) => from < stretch.to && stretch.from < to);
    if (found.length === 0) missing.push(stretch);
    else if (!found.some(({ from, to }) => from <= stretch.from && stretch.to <= to))
      refused.push(
        `${stretch.start} to ${stretch.end}, of which ${found.map((one) => one.name).join(", ")} has a part`,
      );
  }
  if (missing.length === 0) return { attached: false, refused };
  if (present.length + missing.length > MAX_PARTITIONS) throw tooMany(target, layout, present.length + missing.length);
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
  return { attached: true, refused };
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
  const type = timeType(target, layout);
  const time = quote(column);
  const start =
    type === "date"
      ? `CAST(pg_catalog.date_trunc('${every}', CAST(${time} AS timestamp)) AS date)`
      : `pg_catalog.date_trunc('${every}', ${time}, 'UTC')`;
  const end = `CAST(start + INTERVAL '1 ${every}' AS ${type})`;
  const { rows } = await client.text(`
    SELECT start, ${end}, pg_catalog.to_char(start, ${literal(SUFFIX[every])}),
      pg_catalog.isfinite(start), EXTRACT(epoch FROM start), EXTRACT(epoch FROM ${end})
    FROM (SELECT DISTINCT ${start} AS start FROM ${stage}) AS starts ORDER BY start LIMIT ${MAX_PARTITIONS + 1}`);
  if (rows.length > MAX_PARTITIONS) throw tooMany(target, layout, rows.length);
  return rows.map(([begin, over, suffix, isFinite, from, to]) => {
    if (isFinite !== "true") {
      throw new ContractError(
        `${target.assetKey}: column ${JSON.stringify(column)} is ${begin ?? "NULL"} in some rows, for which there can be ` +
          "no partition; nothing was published",
      );
    }
    return { start: begin ?? "", end: over ?? "", suffix: suffix ?? "", from: Number(from), to: Number(to) };
  });
}

function tooMany({ assetKey }: Target, { column, every }: Layout, count: number): ContractError {
  return new ContractError(
    `${assetKey}: its rows need ${count} or more partitions, one for each ${every} of ${column}: more than ` +
      `${MAX_PARTITIONS}. Nothing was published. Choose longer ones in storage.postgres.partitionBy`,
  );
}

function timeType({ columns }: Target, { column }: Layout): "date" | "timestamptz" {
  return columns.some(({ name, type }) => name === column && type.kind === "date") ? "date" : "timestamptz";
}

/** The partitions of a table that is cut by ranges of one column, whoever made them. */
async function presentPartitions(
  client: Client,
  oid: string,
  type: "date" | "timestamptz",
): Promise<(Pick<Stretch, "from" | "to"> & { readonly name: string })[]> {
  const epoch = (word: string): string =>
    `EXTRACT(epoch FROM CAST(substring(bounds FROM $$${word} \\('([^']*)'\\)$$) AS ${type}))`;
  const { rows } = await client.text(`
    SELECT CAST(CAST(oid AS regclass) AS text), ${epoch("FROM")}, ${epoch("TO")} FROM (
      SELECT c.oid, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bounds
      FROM pg_catalog.pg_inherits JOIN pg_catalog.pg_class AS c ON c.oid = inhrelid WHERE inhparent = ${oid}
    ) AS partitions`);
  // MINVALUE and MAXVALUE are no times.
  return rows.map(([name, from, to]) => ({
    name: name ?? "",
    from: from == null ? -Infinity : Number(from),
    to: to == null ? Infinity : Number(to),
  }));
}
