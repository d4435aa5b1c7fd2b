import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";

/** Some of the lines, as the JSON text that goes over the wire. */
export interface RenderedLines {
  /** The inside of a JSON array. */
  readonly json: string;
  readonly count: number;
}

/**
 * When head office had a line. The file does not say; so that something arrives late, as it does anywhere, one basket in
 * 997 is from a till that was off the network for fifty hours. All others arrive at once.
 */
const RECEIVED_AT = `
  transaction_timestamp + CASE WHEN basket_id % 997 = 0 THEN INTERVAL 50 HOUR ELSE INTERVAL 0 HOUR END`;

/**
 * One line as JSON. DuckDB writes the text, so that 1.5 million lines never become JavaScript objects here: the server
 * runs beside its client on the same few cores.
 */
const LINE_AS_JSON = `
  '{"basket_id":' || basket_id
  || ',"product_id":' || product_id
  || ',"household_id":' || household_id
  || ',"store_id":' || store_id
  || ',"quantity":' || quantity
  || ',"sales_value":"' || sales_value
  || '","retail_disc":"' || retail_disc
  || '","coupon_disc":"' || coupon_disc
  || '","coupon_match_disc":"' || coupon_match_disc
  || '","sold_at":"' || strftime(sold_at, '%Y-%m-%dT%H:%M:%SZ')
  || '","received_at":"' || strftime(received_at, '%Y-%m-%dT%H:%M:%SZ') || '"}'`;

/** The purchase lines of the chain in the order in which head office received them. */
export class PosLines {
  readonly count: number;
  readonly firstReceivedAt: string;
  readonly lastReceivedAt: string;
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;

  private constructor(
    instance: DuckDBInstance,
    connection: DuckDBConnection,
    summary: { readonly count: number; readonly firstReceivedAt: string; readonly lastReceivedAt: string },
  ) {
    this.#instance = instance;
    this.#connection = connection;
    this.count = summary.count;
    this.firstReceivedAt = summary.firstReceivedAt;
    this.lastReceivedAt = summary.lastReceivedAt;
  }

  /**
   * Reads the Parquet file of the transactions into memory, about 200 MB.
   *
   * @param parquetPath `transactions.parquet` of the Complete Journey data
   */
  static async open(parquetPath: string): Promise<PosLines> {
    const instance = await DuckDBInstance.create(":memory:", { threads: "2" });
    try {
      const connection = await instance.connect();
      // Money is DOUBLE in the file, times are UTC without saying so. In this order a line's rowid is its position.
      await connection.run(
        `CREATE TABLE lines AS
         SELECT
           basket_id,
           product_id,
           household_id,
           store_id,
           quantity,
           CAST(sales_value AS DECIMAL(12, 2)) AS sales_value,
           CAST(retail_disc AS DECIMAL(12, 2)) AS retail_disc,
           CAST(coupon_disc AS DECIMAL(12, 2)) AS coupon_disc,
           CAST(coupon_match_disc AS DECIMAL(12, 2)) AS coupon_match_disc,
           transaction_timestamp AS sold_at,
           ${RECEIVED_AT} AS received_at
         FROM read_parquet($parquetPath)
         ORDER BY received_at, basket_id, product_id`,
        { parquetPath },
      );
      const summary = await connection.runAndReadAll(
        `SELECT
           count(*)::INTEGER,
           strftime(min(received_at), '%Y-%m-%dT%H:%M:%SZ'),
           strftime(max(received_at), '%Y-%m-%dT%H:%M:%SZ')
         FROM lines`,
      );
      const [count, firstReceivedAt, lastReceivedAt] = summary.getRows()[0] as [number, string, string];
      return new PosLines(instance, connection, { count, firstReceivedAt, lastReceivedAt });
    } catch (error) {
      instance.closeSync();
      throw error;
    }
  }

  /** How many lines were received before a time: the position of the first one that was not. */
  async positionOf(time: Date): Promise<number> {
    const result = await this.#connection.runAndReadAll(
      "SELECT count(*)::INTEGER FROM lines WHERE received_at < CAST($time AS TIMESTAMP)",
      { time: time.toISOString() },
    );
    return result.getRows()[0]?.[0] as number;
  }

  /** The lines from one position up to, but not including, another. */
  async render(from: number, to: number): Promise<RenderedLines> {
    const result = await this.#connection.runAndReadAll(
      `SELECT coalesce(string_agg(${LINE_AS_JSON}, ',' ORDER BY rowid), ''), count(*)::INTEGER
       FROM lines
       WHERE rowid >= $from AND rowid < $to`,
      { from: BigInt(from), to: BigInt(to) },
    );
    const [json, count] = result.getRows()[0] as [string, number];
    return { json, count };
  }

  close(): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }
}
