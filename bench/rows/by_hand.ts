// The contender without a library: the same rows appended to their table in chunks of columns, nothing validated.
import {
  BIGINT,
  DECIMAL,
  DuckDBDataChunk,
  DuckDBDecimalValue,
  DuckDBInstance,
  DuckDBTimestampTZValue,
  type DuckDBType,
  type DuckDBValue,
  INTEGER,
  TIMESTAMPTZ,
  VARCHAR,
} from "@duckdb/node-api";
import { type Line, readPages } from "./pages.ts";

/** DuckDB's vector size. */
const CHUNK_ROWS = 2048;
const MONEY = DECIMAL(12, 2);

const money = (text: string): DuckDBValue => new DuckDBDecimalValue(BigInt(text.replace(".", "")), 12, 2);
const columns: readonly (readonly [string, DuckDBType, (line: Line) => DuckDBValue])[] = [
  ["event_id", VARCHAR, (line) => `${line.basket_id}-${line.product_id}`],
  ["basket_id", BIGINT, (line) => BigInt(line.basket_id)],
  ["product_id", INTEGER, (line) => line.product_id],
  ["user_id", INTEGER, (line) => line.household_id],
  ["store_id", INTEGER, (line) => line.store_id],
  ["occurred_at", TIMESTAMPTZ, (line) => new DuckDBTimestampTZValue(BigInt(Date.parse(line.sold_at)) * 1000n)],
  ["quantity", INTEGER, (line) => line.quantity],
  ["revenue", MONEY, (line) => money(line.sales_value)],
  ["retail_discount", MONEY, (line) => money(line.retail_disc)],
  ["coupon_discount", MONEY, (line) => money(line.coupon_disc)],
  ["coupon_match_discount", MONEY, (line) => money(line.coupon_match_disc)],
];

const instance = await DuckDBInstance.create(process.env["DUCKDB_PATH"] ?? "");
const connection = await instance.connect();
await connection.run("CREATE SCHEMA bench");
await connection.run(
  `CREATE TABLE bench.lines (${columns.map(([name, type]) => `${name} ${String(type)} NOT NULL`).join(", ")})`,
);
const appender = await connection.createAppender("lines", "bench");
const chunk = DuckDBDataChunk.create(columns.map(([, type]) => type));
for (const lines of readPages()) {
  for (let start = 0; start < lines.length; start += CHUNK_ROWS) {
    const part = lines.slice(start, start + CHUNK_ROWS);
    chunk.reset();
    chunk.rowCount = part.length;
    for (const [index, [, , value]] of columns.entries()) chunk.setColumnValues(index, part.map(value));
    appender.appendDataChunk(chunk);
  }
}
appender.closeSync();
connection.closeSync();
instance.closeSync();
