import type { Client } from "./client.ts";

/** A view that reads a relation which is about to be swapped. */
export interface DependentView {
  /** Takes the lock that {@link replace} needs, and changes nothing. */
  readonly lock: string;
  /** Makes the view read what has the relation's name by then; its owner, privileges and comments stay. */
  readonly replace: string;
}

/**
 * The views that read a relation directly, in the order in which a query that reads them all locks them: who locks in
 * another order and waits for a reader may find that the reader waits for him.
 */
export async function viewsOn(client: Client, oid: string): Promise<DependentView[]> {
  // OR REPLACE takes away the options that it does not name.
  const { rows } = await client.text(`
    WITH RECURSIVE reads AS (
      SELECT d.refobjid AS relation, r.ev_class AS reader
      FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_rewrite AS r ON r.oid = d.objid
      WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
        AND r.ev_class <> d.refobjid
    ), above (oid, depth) AS (
      SELECT reader, 1 FROM reads WHERE relation = ${oid}
      UNION SELECT reader, depth + 1 FROM above JOIN reads ON relation = above.oid
    )
    SELECT pg_catalog.format('ALTER VIEW %I.%I OWNER TO %s', n.nspname, c.relname, c.relowner::regrole),
      pg_catalog.format('CREATE OR REPLACE VIEW %I.%I%s AS %s', n.nspname, c.relname,
        ' WITH (' || (SELECT string_agg(pg_catalog.format('%I=%L', option_name, option_value), ', ')
          FROM pg_catalog.pg_options_to_table(c.reloptions)) || ')',
        pg_catalog.pg_get_viewdef(c.oid))
    FROM above JOIN pg_catalog.pg_class AS c ON c.oid = above.oid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = 'v'
    GROUP BY c.oid, c.relname, c.relowner, c.reloptions, n.nspname HAVING min(depth) = 1
    ORDER BY max(depth) DESC, c.oid`);
  return rows.map(([lock, replace]) => ({ lock: lock ?? "", replace: (replace ?? "").replace(/;\s*$/, "") }));
}
