-- Each purchase line once, without the lines on which nothing was sold.
WITH deliveries AS (
  -- Whatever is delivered twice is kept once, and the row kept does not depend on the order of delivery.
  SELECT
    event_id,
    basket_id,
    product_id,
    user_id,
    store_id,
    occurred_at,
    quantity,
    revenue,
    CAST(retail_discount + coupon_discount + coupon_match_discount AS DECIMAL(12, 2)) AS discount
  FROM {raw_events}
  QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY occurred_at DESC, quantity DESC, revenue DESC, discount DESC) = 1
),
articles AS (
  SELECT
    product_id,
    department,
    coalesce(product_type LIKE 'GASOLINE%', FALSE) AS is_fuel
  FROM {products}
)
SELECT
  deliveries.event_id,
  deliveries.basket_id,
  deliveries.product_id,
  deliveries.user_id,
  deliveries.store_id,
  deliveries.occurred_at,
  articles.department,
  -- The pump counts thousandths of a gallon; a fill paid for at the desk counts as one piece.
  CASE WHEN articles.is_fuel AND deliveries.quantity > 100 THEN 1 ELSE deliveries.quantity END AS quantity,
  CASE WHEN articles.is_fuel AND deliveries.quantity > 100 THEN CAST(deliveries.quantity / 1000 AS DECIMAL(9, 3)) END AS fuel_gallons,
  deliveries.revenue,
  deliveries.discount
FROM deliveries
LEFT JOIN articles USING (product_id)
-- Nothing was sold: a coupon on the whole basket, or a void.
WHERE deliveries.quantity > 0
