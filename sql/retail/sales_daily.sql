WITH hours AS (
  SELECT
    CAST(hour AT TIME ZONE 'UTC' AS DATE) AS day,
    CAST(extract(HOUR FROM hour AT TIME ZONE 'UTC') AS INTEGER) AS hour_of_day,
    department,
    lines,
    baskets,
    pieces,
    revenue,
    discount
  FROM {sales_hourly}
  WHERE hour >= {window.start} AND hour < {window.end}
),
ranked AS (
  SELECT
    hours.*,
    row_number() OVER (PARTITION BY day, department ORDER BY revenue DESC, hour_of_day) AS place
  FROM hours
)
SELECT
  day,
  department,
  CAST(sum(lines) AS BIGINT) AS lines,
  -- A basket is paid at one moment, so no hour shares one with another.
  CAST(sum(baskets) AS BIGINT) AS baskets,
  CAST(sum(pieces) AS BIGINT) AS pieces,
  CAST(sum(revenue) AS DECIMAL(14, 2)) AS revenue,
  CAST(sum(discount) AS DECIMAL(14, 2)) AS discount,
  CAST(max(CASE WHEN place = 1 THEN hour_of_day END) AS INTEGER) AS busiest_hour
FROM ranked
GROUP BY day, department
