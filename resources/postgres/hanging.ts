import { literal, quote, tableName } from "../quote.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { freeName, objectName } from "./index_names.ts";
import type { Relation } from "./table.ts";

/**
 * What keeps a table or materialised view from being swapped for another one of its name: all that hangs on it, or is
 * set on it, and that {@link hangingStatements} does not make again. Views, foreign keys, triggers, constraints and so on.
 * Read from the catalog alone: what opens other tables, as the function that lists those of a publication does, waits for
 * publishes that wait for this one.
 *
 * @param options.except What is no obstacle: `"views"` where they are pointed to the new one.
 */
export async function swapObstacles(
  client: Client,
  oid: string,
  options: { readonly except?: "views" } = {},
): Promise<string[]> {
  const view = options.except === "views" ? "v.relkind = 'v' OR" : "";
  const { rows } = await client.text(`
    WITH t AS (SELECT * FROM pg_catalog.pg_class WHERE oid = ${oid} OR oid IN (SELECT inhrelid
      FROM pg_catalog.pg_inherits JOIN pg_catalog.pg_partitioned_table ON partrelid = inhparent WHERE inhparent = ${oid}))
    SELECT 'it is partitioned otherwise than we do' FROM pg_catalog.pg_partitioned_table WHERE partrelid = ${oid}
      AND (partstrat <> 'r' OR partnatts > 1 OR EXISTS (SELECT FROM t WHERE t.oid <> ${oid}
        AND (relkind <> 'r' OR COALESCE(pg_catalog.obj_description(t.oid, 'pg_class'), '') !~ '^One (day|week|month|year) of ')))
    UNION ALL SELECT 'it is a partition or inherits' FROM pg_catalog.pg_inherits
      WHERE inhrelid = ${oid} OR (inhparent = ${oid} AND NOT EXISTS (SELECT FROM t WHERE t.oid = inhparent AND relkind = 'p'))
    UNION ALL SELECT 'partition ' || relname || ' has privileges or row policies of its own' FROM t
      WHERE oid <> ${oid} AND (relrowsecurity
        OR EXISTS (SELECT FROM pg_catalog.aclexplode(relacl) AS p WHERE p.grantee <> relowner)
        OR EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polrelid = t.oid))
    UNION ALL SELECT 'partition ' || t.relname || ' has index ' || i.relname || ' of its own'
      FROM t JOIN pg_catalog.pg_index ON indrelid = t.oid JOIN pg_catalog.pg_class AS i ON i.oid = indexrelid
      WHERE t.oid <> ${oid} AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = i.oid)
    UNION ALL SELECT 'it is not permanent' FROM t WHERE relpersistence <> 'p'
    UNION ALL SELECT 'it has a replica identity' FROM t WHERE relreplident <> 'd'
    UNION ALL SELECT 'it lies in a tablespace' FROM t WHERE reltablespace <> 0
    UNION ALL SELECT 'it has storage parameters' FROM t WHERE reloptions IS NOT NULL
      OR EXISTS (SELECT FROM pg_catalog.pg_class AS toast WHERE toast.oid = t.reltoastrelid AND toast.reloptions IS NOT NULL)
    UNION ALL SELECT 'it is of a composite type' FROM t WHERE reloftype <> 0
    UNION ALL SELECT 'it has another access method' FROM t
      WHERE relam <> 0 AND relam <> (SELECT a.oid FROM pg_catalog.pg_am AS a
        WHERE amname = current_setting('default_table_access_method'))
    UNION ALL SELECT 'it has security labels' FROM t
      WHERE EXISTS (SELECT FROM pg_catalog.pg_seclabel AS s WHERE s.objoid = t.oid)
    UNION ALL SELECT 'publication ' || p.pubname || ' of its schema or of all tables'
      FROM pg_catalog.pg_publication AS p
      WHERE EXISTS (SELECT FROM t
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_publication_rel WHERE prpubid = p.oid AND prrelid = t.oid)
          AND (puballtables
            OR (t.oid <> ${oid} AND NOT pubviaroot
              AND EXISTS (SELECT FROM pg_catalog.pg_publication_rel WHERE prpubid = p.oid AND prrelid = ${oid}))
            OR EXISTS (SELECT FROM pg_catalog.pg_depend AS s
              JOIN pg_catalog.pg_depend AS o ON o.classid = s.classid AND o.objid = s.objid
              WHERE s.refclassid = 'pg_catalog.pg_namespace'::regclass AND s.refobjid = t.relnamespace
                AND o.refclassid = 'pg_catalog.pg_publication'::regclass AND o.refobjid = p.oid)))
    UNION ALL SELECT 'subscription ' || (SELECT subname FROM pg_catalog.pg_subscription AS s WHERE s.oid = srsubid)
      FROM t JOIN pg_catalog.pg_subscription_rel ON srrelid = t.oid
    UNION ALL SELECT 'its row type has privileges or a comment of its own' FROM t JOIN pg_catalog.pg_type AS y ON y.oid = t.reltype
      WHERE typacl IS NOT NULL OR pg_catalog.obj_description(y.oid, 'pg_type') IS NOT NULL
    UNION ALL SELECT 'it belongs to an extension' FROM t JOIN pg_catalog.pg_depend AS d ON d.objid = t.oid
      WHERE classid = 'pg_catalog.pg_class'::regclass AND deptype IN ('e', 'x')
    UNION ALL SELECT 'column ' || attname || ' has settings of its own'
      FROM t JOIN pg_catalog.pg_attribute AS a ON attrelid = t.oid JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
      WHERE attnum > 0 AND NOT attisdropped
        AND (attoptions IS NOT NULL OR attcompression <> '' OR attidentity <> '' OR attgenerated <> '' OR atthasdef
          OR COALESCE(attstattarget, -1) >= 0 OR attstorage <> typstorage OR attcollation <> typcollation)
    UNION ALL SELECT 'index ' || i.relname || ' has settings of its own'
      FROM t JOIN pg_catalog.pg_index ON indrelid = t.oid JOIN pg_catalog.pg_class AS i ON i.oid = indexrelid
      WHERE indisclustered OR indisreplident OR i.reltablespace <> 0
        OR EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = i.oid AND COALESCE(attstattarget, -1) >= 0)
        OR EXISTS (SELECT FROM pg_catalog.pg_depend
          WHERE classid = 'pg_catalog.pg_class'::regclass AND objid = i.oid AND deptype = 'x')
    UNION ALL SELECT 'index ' || i.relname || ' is being made just now, or was left unfinished (then DROP INDEX)'
      FROM t JOIN pg_catalog.pg_index ON indrelid = t.oid JOIN pg_catalog.pg_class AS i ON i.oid = indexrelid
      WHERE NOT indisvalid
    UNION ALL SELECT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
      FROM t JOIN pg_catalog.pg_depend AS d ON refclassid = 'pg_catalog.pg_class'::regclass AND refobjid = t.oid
      WHERE NOT (
        classid = 'pg_catalog.pg_policy'::regclass
        OR (classid = 'pg_catalog.pg_rewrite'::regclass
          AND EXISTS (SELECT FROM pg_catalog.pg_rewrite AS r JOIN pg_catalog.pg_class AS v ON v.oid = r.ev_class
            WHERE r.oid = d.objid AND r.rulename = '_RETURN' AND t.oid = ${oid} AND (${view} v.oid = ${oid})))
        OR (classid = 'pg_catalog.pg_type'::regclass AND deptype = 'i')
        OR (classid = 'pg_catalog.pg_class'::regclass
          AND EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = d.objid
            AND (c.relkind IN ('i', 'I', 't') OR c.oid IN (SELECT t.oid FROM t))))
        OR (classid = 'pg_catalog.pg_constraint'::regclass
          AND EXISTS (SELECT FROM pg_catalog.pg_constraint AS c WHERE c.oid = d.objid AND c.contype = 'n')))
    UNION ALL SELECT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
      FROM t JOIN pg_catalog.pg_type AS y ON y.oid = t.reltype
      JOIN pg_catalog.pg_depend AS d ON refclassid = 'pg_catalog.pg_type'::regclass AND refobjid IN (y.oid, y.typarray)
      WHERE NOT (classid = 'pg_catalog.pg_type'::regclass AND d.objid = y.typarray)`);
  return [...new Set(rows.map(([reason]) => reason ?? ""))];
}

/** An index of a table that is about to be swapped. */
export interface TableIndex {
  readonly name: string;
  /** The statement that makes the same index on another table; `undefined` where it cannot be told from its text. */
  readonly on: (index: string, table: string) => string | undefined;
}

/** The indexes of a table, by name. */
export async function tableIndexes(client: Client, oid: string): Promise<TableIndex[]> {
  const { rows } = await client.text(`
    SELECT i.relname, pg_catalog.pg_get_indexdef(i.oid), pg_catalog.format('CREATE %sINDEX %I ON %s%I.%I USING ',
      CASE WHEN indisunique THEN 'UNIQUE ' ELSE '' END, i.relname, CASE WHEN i.relkind = 'I' THEN 'ONLY ' ELSE '' END,
      n.nspname, t.relname)
    FROM pg_catalog.pg_index AS x
    JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
    JOIN pg_catalog.pg_class AS t ON t.oid = x.indrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
    WHERE x.indrelid = ${oid} ORDER BY i.relname`);
  return rows.map(([name, definition, prefix]) => ({
    name: name ?? "",
    on: (index, table) => {
      if (prefix == null || !definition?.startsWith(prefix)) return undefined;
      const unique = prefix.startsWith("CREATE UNIQUE") ? "UNIQUE " : "";
      return `CREATE ${unique}INDEX ${quote(index)} ON ${table} USING ${definition.slice(prefix.length)}`;
    },
  }));
}

/** The privileges on a relation or column, one a row; what the owner has by default is written out. */
const ACL = (acl: string, kind: "r" | "c", owner: string): string =>
  `pg_catalog.aclexplode(COALESCE(${acl}, pg_catalog.acldefault('${kind}', ${owner})))`;
const GRANTEE = "CASE WHEN p.grantee = 0 THEN 'PUBLIC' ELSE p.grantee::regrole::text END";

/**
 * The statements that make what hangs on a table hang on another one of the same name, which is there by the time that
 * they run: owner, privileges, policies, comments. Indexes are made earlier, out of the way of readers.
 *
 * @param staged What will have the name; its own privileges are taken away.
 * @param as.name The name, quoted.
 * @param as.indexes Names of the indexes that keep their comments.
 */
export async function hangingStatements(
  client: Client,
  oid: string,
  { oid: staged, kind }: Relation,
  { name, indexes }: { readonly name: string; readonly indexes: readonly string[] },
): Promise<string[]> {
  const on = literal(name);
  const { rows } = await client.text(`
    WITH t AS (SELECT * FROM pg_catalog.pg_class WHERE oid = ${oid}),
    s AS (SELECT * FROM pg_catalog.pg_class WHERE oid = ${staged}),
    a AS (SELECT * FROM pg_catalog.pg_attribute WHERE attrelid = ${oid} AND attnum > 0 AND NOT attisdropped
      AND attname IN (SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = ${staged} AND attnum > 0))
    SELECT statement FROM (
      SELECT 1, 'ALTER TABLE ' || ${on} || ' OWNER TO ' || t.relowner::regrole FROM t, s WHERE t.relowner <> s.relowner
      UNION ALL SELECT 2, 'REVOKE ALL ON TABLE ' || ${on} || ' FROM ' || g.grantee FROM (
        SELECT DISTINCT ${GRANTEE} AS grantee FROM s, ${ACL("s.relacl", "r", "s.relowner")} AS p
        UNION SELECT t.relowner::regrole::text FROM t) AS g
      UNION ALL SELECT 3, 'GRANT ' || p.privilege_type || ' ON TABLE ' || ${on} || ' TO ' || ${GRANTEE}
          || CASE WHEN p.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
        FROM t, ${ACL("t.relacl", "r", "t.relowner")} AS p
      UNION ALL SELECT 4, pg_catalog.format('GRANT %s (%I) ON TABLE %s TO %s%s', p.privilege_type, a.attname, ${on},
          ${GRANTEE}, CASE WHEN p.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
        FROM a, pg_catalog.aclexplode(a.attacl) AS p
      UNION ALL SELECT 5, 'ALTER TABLE ' || ${on} || ' ENABLE ROW LEVEL SECURITY' FROM t WHERE relrowsecurity
      UNION ALL SELECT 5, 'ALTER TABLE ' || ${on} || ' FORCE ROW LEVEL SECURITY' FROM t WHERE relforcerowsecurity
      UNION ALL SELECT 6, pg_catalog.format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', polname, ${on},
          CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
          CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
          (SELECT string_agg(CASE WHEN role = 0 THEN 'PUBLIC' ELSE role::regrole::text END, ', ') FROM unnest(polroles) AS role))
          || COALESCE(' USING (' || pg_catalog.pg_get_expr(polqual, polrelid) || ')', '')
          || COALESCE(' WITH CHECK (' || pg_catalog.pg_get_expr(polwithcheck, polrelid) || ')', '')
        FROM pg_catalog.pg_policy WHERE polrelid = ${oid}
      UNION ALL SELECT 7, pg_catalog.format('COMMENT ON POLICY %I ON %s IS %L', polname, ${on}, description)
        FROM pg_catalog.pg_policy JOIN pg_catalog.pg_description ON objoid = pg_policy.oid
          AND classoid = 'pg_catalog.pg_policy'::regclass WHERE polrelid = ${oid}
      UNION ALL SELECT 7, 'COMMENT ON ${kind} ' || ${on} || ' IS '
        || COALESCE(pg_catalog.quote_literal(pg_catalog.obj_description(${oid}, 'pg_class')), 'NULL')
      UNION ALL SELECT 7, pg_catalog.format('COMMENT ON COLUMN %s.%I IS %L', ${on}, attname, description)
        FROM a JOIN pg_catalog.pg_description ON objoid = ${oid} AND classoid = 'pg_catalog.pg_class'::regclass
          AND objsubid = attnum
      UNION ALL SELECT 7, pg_catalog.format('COMMENT ON INDEX %I.%I IS %L', n.nspname, i.relname, description)
        FROM pg_catalog.pg_index JOIN pg_catalog.pg_class AS i ON i.oid = indexrelid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = i.relnamespace
        JOIN pg_catalog.pg_description ON objoid = indexrelid AND classoid = 'pg_catalog.pg_class'::regclass
        WHERE indrelid = ${oid} AND i.relname IN (${["NULL", ...indexes.map(literal)].join(", ")})
    ) AS statements (place, statement) ORDER BY place`);
  return rows.map(([statement]) => statement ?? "");
}

/**
 * The statements that give the NOT NULL constraints of a staged table the names and comments of the former one's, new ones
 * the names that PostgreSQL gives. Before PostgreSQL 18 they have none.
 */
export async function notNullNames(client: Client, target: Target, oid: string, staged: string): Promise<string[]> {
  const { rows } = await client.text(`
    SELECT s.conname, a.attname, o.conname, pg_catalog.obj_description(o.oid, 'pg_constraint')
    FROM pg_catalog.pg_constraint AS s JOIN pg_catalog.pg_attribute AS a ON attrelid = s.conrelid AND attnum = s.conkey[1]
    LEFT JOIN (pg_catalog.pg_constraint AS o JOIN pg_catalog.pg_attribute AS b ON b.attrelid = o.conrelid AND b.attnum = o.conkey[1])
      ON o.conrelid = ${oid} AND o.contype = 'n' AND b.attname = a.attname
    WHERE s.conrelid = ${staged} AND s.contype = 'n' ORDER BY a.attnum`);
  const name = tableName(target.assetKey);
  const taken = new Set(rows.map(([, , former]) => former));
  return rows.flatMap(([own, column, former, comment]) => {
    const wanted =
      former ??
      freeName(
        (one) => taken.has(one),
        (label) => objectName(target.table, column ?? "", label.replace(/^idx/, "not_null")),
      );
    taken.add(wanted);
    const rename = `ALTER TABLE ${name} RENAME CONSTRAINT ${quote(own ?? "")} TO ${quote(wanted)}`;
    if (comment == null) return [rename];
    return [rename, `COMMENT ON CONSTRAINT ${quote(wanted)} ON ${name} IS ${literal(comment)}`];
  });
}

/**
 * All that hangs on a table and survives a swap, as one text to compare.
 *
 * @param common.columnsOf OID of the relation whose columns count.
 * @param common.indexes Names of the indexes that count.
 */
export async function hangingText(
  client: Client,
  oid: string,
  { columnsOf, indexes }: { readonly columnsOf: string; readonly indexes: readonly string[] },
): Promise<string> {
  const counted = ["NULL", ...indexes.map(literal)].join(", ");
  const { rows } = await client.text(`
    WITH t AS (SELECT * FROM pg_catalog.pg_class WHERE oid = ${oid}),
    a AS (SELECT * FROM pg_catalog.pg_attribute WHERE attrelid = ${oid} AND attnum > 0 AND NOT attisdropped
      AND attname IN (SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = ${columnsOf} AND attnum > 0))
    SELECT pg_catalog.jsonb_build_array(
      (SELECT pg_catalog.jsonb_build_array(relowner::regrole, relrowsecurity, relforcerowsecurity,
        pg_catalog.obj_description(oid, 'pg_class')) FROM t),
      (SELECT jsonb_agg(jsonb_build_array(p.grantor, p.grantee, p.privilege_type, p.is_grantable)
          ORDER BY p.grantor, p.grantee, p.privilege_type)
        FROM t, ${ACL("t.relacl", "r", "t.relowner")} AS p),
      (SELECT jsonb_agg(jsonb_build_array(attname, p.grantor, p.grantee, p.privilege_type, p.is_grantable)
          ORDER BY attname, p.grantor, p.grantee, p.privilege_type)
        FROM a, pg_catalog.aclexplode(a.attacl) AS p),
      (SELECT jsonb_agg(jsonb_build_array(polname, polcmd, polpermissive, polroles::regrole[]::text[],
          pg_catalog.pg_get_expr(polqual, polrelid), pg_catalog.pg_get_expr(polwithcheck, polrelid),
          pg_catalog.obj_description(oid, 'pg_policy')) ORDER BY polname)
        FROM pg_catalog.pg_policy WHERE polrelid = ${oid}),
      (SELECT jsonb_agg(jsonb_build_array(attname, description) ORDER BY attname)
        FROM a JOIN pg_catalog.pg_description ON objoid = ${oid} AND classoid = 'pg_catalog.pg_class'::regclass
          AND objsubid = attnum),
      (SELECT jsonb_agg(jsonb_build_array(replace(pg_catalog.pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON '),
          pg_catalog.obj_description(indexrelid, 'pg_class')) ORDER BY i.relname)
        FROM pg_catalog.pg_index JOIN pg_catalog.pg_class AS i ON i.oid = indexrelid
        WHERE indrelid = ${oid} AND i.relname IN (${counted})))`);
  return rows[0]?.[0] ?? "";
}
