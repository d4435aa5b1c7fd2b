import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

const SCHEMAS = 10;
/** Of ten assets, so many take rows from TypeScript; the others are queries over earlier ones. */
const ROWS_OF_TEN = 2;

interface Generated {
  readonly schema: string;
  readonly name: string;
  /** Indexes of the assets that it reads. */
  readonly deps: readonly number[];
}

/**
 * Writes so many assets, a file each, with SQL files for the queries: as large and as connected as real ones.
 *
 * @param partitions Of all of them, as source text. Default: none.
 */
export function generateAssets(project: string, count: number, partitions = ""): void {
  const assets = Array.from({ length: count }, (_, index): Generated => {
    const schema = `area_${index % SCHEMAS}`;
    const name = `table_${String(index).padStart(4, "0")}`;
    const deps = index % 10 < ROWS_OF_TEN ? [] : [...new Set([index - 1 - (index % 7), Math.floor(index / 2)])];
    return { schema, name, deps };
  });
  for (let schema = 0; schema < SCHEMAS; schema += 1) {
    for (const folder of ["assets", "sql"])
      mkdirSync(path.join(project, folder, `area_${schema}`), { recursive: true });
  }
  for (const asset of assets) {
    const deps = asset.deps.flatMap((index) => assets[index] ?? []);
    const file = path.join(asset.schema, asset.name);
    writeFileSync(path.join(project, "assets", `${file}.ts`), source(asset, deps, partitions));
    if (deps.length > 0) writeFileSync(path.join(project, "sql", `${file}.sql`), query(deps));
  }
}

function source({ schema, name }: Generated, deps: readonly Generated[], partitions: string): string {
  const isQuery = deps.length > 0;
  const body = isQuery
    ? `query("${schema}/${name}.sql", { ${deps.map((dep) => dep.name).join(", ")} })`
    : `{
    async *rows({ row, signal }) {
      for (let page = 0; page < 10; page += 1) {
        const answer = await fetch(\`https://example.com/${name}?page=\${page}\`, { signal });
        for (const line of (await answer.json()) as { id: number; at: string; amount: string }[]) {
          yield row({
            line_id: line.id, customer_id: line.id % 1000, store_id: line.id % 100, happened_at: new Date(line.at),
            day: line.at.slice(0, 10), status: "open", amount: line.amount, discount: "0.00", score: 0, note: null,
          });
        }
      }
    },
  }`;
  return `import { acceptedValues, between, date, decimal, defineAsset, eager, ${partitions === "" ? "" : "hourly, "}${isQuery ? "query, " : ""}rowCount, sql, self, sqlCheck, timestamp, unique, warn, within, z } from "dagster-typescript";
${deps.map((dep) => `import { ${dep.name} } from "../${dep.schema}/${dep.name}.ts";\n`).join("")}
export const ${name} = defineAsset("${schema}/${name}", {
  description: "Lines of ${name}: one row per line, with its customer and its store.",
  columns: z.strictObject({
    line_id: z.int().describe("Line, unique over all stores"),
    customer_id: z.int32().describe("Customer, by the loyalty card"),
    store_id: z.int32().describe("Store"),
    happened_at: timestamp().describe("Time of the sale, UTC"),
    day: date().describe("Day on the store's clock"),
    status: z.string().describe("open, paid or void"),
    amount: decimal(12, 2).describe("What the store received, USD"),
    discount: decimal(12, 2).describe("What was taken off, USD"),
    score: z.number().describe("Likelihood of a return, 0 to 1"),
    note: z.string().nullable().describe("What the cashier wrote; NULL for most"),
  }),
  key: ["line_id"],${partitions === "" ? "" : `\n  partitions: ${partitions},`}
  checks: [
    rowCount({ min: 1 }),
    unique("line_id"),
    acceptedValues("status", ["open", "paid", "void"]),
    between("amount", { min: "0.00", max: "1000.00" }),
    warn(sqlCheck("no_future", sql\`SELECT line_id FROM \${self} WHERE happened_at > now()\`)),
  ],
  owners: ["team:${schema}"],
  tags: { domain: "sales" },
  freshness: within("25h"),
  automation: eager(),
  retry: { maxRetries: 2, delaySeconds: 10, backoff: "exponential" },
  body: ${body},
});
`;
}

function query([first, second = first]: readonly Generated[]): string {
  return `-- The latest state of each line, with what the other table knows of it.
WITH latest AS (
  SELECT
    line_id,
    customer_id,
    store_id,
    happened_at,
    day,
    status,
    amount,
    discount,
    score,
    note
  FROM {${first?.name ?? ""}}
  QUALIFY row_number() OVER (PARTITION BY line_id ORDER BY happened_at DESC) = 1
),
others AS (
  SELECT
    line_id,
    sum(amount) AS amount,
    max(score) AS score
  FROM {${second?.name ?? ""}}
  GROUP BY line_id
)
SELECT
  latest.line_id,
  latest.customer_id,
  latest.store_id,
  latest.happened_at,
  latest.day,
  latest.status,
  CAST(latest.amount + coalesce(others.amount, 0) AS DECIMAL(12, 2)) AS amount,
  latest.discount,
  greatest(latest.score, others.score) AS score,
  latest.note
FROM latest
LEFT JOIN others USING (line_id)
WHERE latest.status <> 'void'
`;
}
