import { DuckDBInstance } from "@duckdb/node-api";

/**
 * Makes a warehouse with the tables that the graph reads, with the types of their contracts, straight from the Parquet
 * files: how they were loaded is not what is measured.
 */
export async function makeTemplate(warehouse: string, dataDir: string): Promise<void> {
  const instance = await DuckDBInstance.create(warehouse);
  const connection = await instance.connect();
  const money = ["sales_value", "retail_disc", "coupon_disc", "coupon_match_disc"];
  const [sales, ...discounts] = money.map((name) => `CAST(${name} AS DECIMAL(12, 2))`);
  const names = ["retail_discount", "coupon_discount", "coupon_match_discount"];
  const discountColumns = discounts.map((value, index) => `${value} AS ${names[index] ?? ""}`).join(", ");
  const ids = "CAST(basket_id AS BIGINT) AS basket_id, CAST(product_id AS INTEGER) AS product_id";
  const soldAt = "transaction_timestamp::TIMESTAMP AT TIME ZONE 'UTC'";
  const from = (name: string): string => `FROM read_parquet('${dataDir.replaceAll("'", "''")}/${name}.parquet')`;
  for (const statement of [
    "SET TimeZone = 'UTC'",
    "CREATE SCHEMA retail",
    `CREATE TABLE retail.transactions AS SELECT ${ids}, CAST(household_id AS INTEGER) AS household_id,
       CAST(store_id AS INTEGER) AS store_id, ${soldAt} AS sold_at, CAST(quantity AS INTEGER) AS quantity,
       ${sales ?? ""} AS sales_value, ${discountColumns} ${from("transactions")}`,
    `CREATE TABLE retail.raw_events AS SELECT basket_id || '-' || product_id AS event_id, ${ids},
       CAST(household_id AS INTEGER) AS user_id, CAST(store_id AS INTEGER) AS store_id, ${soldAt} AS occurred_at,
       CAST(quantity AS INTEGER) AS quantity, ${sales ?? ""} AS revenue, ${discountColumns} ${from("transactions")}
       ORDER BY transaction_timestamp, basket_id, product_id`,
    `CREATE TABLE retail.products AS SELECT * REPLACE (CAST(product_id AS INTEGER) AS product_id,
       CAST(manufacturer_id AS INTEGER) AS manufacturer_id) ${from("products")}`,
    `CREATE TABLE retail.demographics AS SELECT * REPLACE (CAST(household_id AS INTEGER) AS household_id)
       ${from("demographics")}`,
    "CHECKPOINT",
  ]) {
    await connection.run(statement);
  }
  connection.closeSync();
  instance.closeSync();
}

/** The number of rows of each table and a hash of their content, by which contenders are held to the same result. */
export async function fingerprint(warehouse: string, tables: readonly string[]): Promise<string> {
  const instance = await DuckDBInstance.create(warehouse, { access_mode: "READ_ONLY" });
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  const parts: string[] = [];
  for (const name of tables) {
    const columns = await connection.runAndReadAll(
      `SELECT string_agg('"' || column_name || '"', ', ' ORDER BY column_name) FROM duckdb_columns()
       WHERE schema_name = 'retail' AND table_name = '${name}'`,
    );
    const row = await connection.runAndReadAll(
      `SELECT count(*)::VARCHAR || ' rows ' || sum(hash(${String(columns.getRows()[0]?.[0])}))::VARCHAR FROM retail."${name}"`,
    );
    parts.push(`${name}: ${String(row.getRows()[0]?.[0])}`);
  }
  connection.closeSync();
  instance.closeSync();
  return parts.join("; ");
}
