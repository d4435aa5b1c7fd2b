-- A store's day ends at midnight on its own clock, which is 04:00 or 05:00 in UTC.
WITH lines AS (
  SELECT
    store_id,
    CAST(sold_at AT TIME ZONE 'America/New_York' AS DATE) AS day,
    basket_id,
    sales_value,
    retail_discount + coupon_discount + coupon_match_discount AS discounts
  FROM {transactions}
)
SELECT
  store_id,
  day,
  CAST(count(DISTINCT basket_id) AS BIGINT) AS baskets,
  CAST(sum(sales_value) AS DECIMAL(14, 2)) AS revenue,
  CAST(sum(discounts) AS DECIMAL(14, 2)) AS discount
FROM lines
GROUP BY store_id, day
