-- Customers by age and income band; households that did not answer the survey are a segment of their own.
WITH customers AS (
  SELECT
    coalesce(age, 'Unknown') AS age,
    coalesce(income, 'Unknown') AS income,
    last_seen_at >= max(last_seen_at) OVER () - INTERVAL 28 DAYS AS is_active,
    baskets,
    revenue
  FROM {user_metrics}
)
SELECT
  age,
  income,
  count(*) AS households,
  count(*) FILTER (WHERE is_active) AS active_households,
  CAST(sum(baskets) AS BIGINT) AS baskets,
  CAST(sum(revenue) AS DECIMAL(14, 2)) AS revenue,
  CAST(sum(revenue) / count(*) AS DECIMAL(12, 2)) AS revenue_per_household,
  CAST(sum(revenue) / sum(baskets) AS DECIMAL(12, 2)) AS revenue_per_basket,
  CAST(sum(revenue) AS DOUBLE) / CAST(sum(sum(revenue)) OVER () AS DOUBLE) AS revenue_share
FROM customers
GROUP BY age, income
