-- Customers by age and income band; households that did not answer the survey are a segment of their own.
WITH customers AS (
  SELECT
    coalesce(age, 'Unknown') AS age,
    coalesce(income, 'Unknown') AS income,
    last_seen_at >= max(last_seen_at) OVER () - INTERVAL '28' DAY AS is_active,
    baskets,
    revenue
  FROM {user_metrics}
),
segments AS (
  SELECT
    age,
    income,
    CAST(count(*) AS BIGINT) AS households,
    CAST(count(*) FILTER (WHERE is_active) AS BIGINT) AS active_households,
    CAST(sum(baskets) AS BIGINT) AS baskets,
    CAST(sum(revenue) AS DECIMAL(14, 2)) AS revenue
  FROM customers
  GROUP BY age, income
)
SELECT
  age,
  income,
  households,
  active_households,
  baskets,
  revenue,
  -- Some stores cut a quotient off, some make it a DOUBLE: to eight digits first, then the halves of a cent round up.
  CAST(round(CAST(CAST(revenue AS DECIMAL(20, 8)) / households AS DECIMAL(20, 8)), 2) AS DECIMAL(12, 2)) AS revenue_per_household,
  CAST(round(CAST(CAST(revenue AS DECIMAL(20, 8)) / baskets AS DECIMAL(20, 8)), 2) AS DECIMAL(12, 2)) AS revenue_per_basket,
  CAST(revenue AS DOUBLE PRECISION) / CAST(sum(revenue) OVER () AS DOUBLE PRECISION) AS revenue_share
FROM segments
