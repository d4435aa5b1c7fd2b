-- A store's day ends at midnight on its own clock, which is 04:00 or 05:00 in UTC.
WITH lines AS (
  SELECT
    store_id,
    CAST(sold_at AT TIME ZONE 'America/New_York' AS DATE) AS day,
    basket_id,
    sales_value,
    retail_discount + coupon_discount + coupon_match_discount AS discount
  FROM {transactions}
)
SELECT
  store_id,
  day,
  count(DISTINCT basket_id) AS baskets,
  CAST(sum(sales_value) AS DECIMAL(14, 2)) AS revenue,
  CAST(sum(discount) AS DECIMAL(14, 2)) AS discount
FROM lines
GROUP BY store_id, day
