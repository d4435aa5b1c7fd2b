-- Each purchase line once, without the lines on which nothing was sold. A line that is delivered again has the time of
-- its sale, so its copies are in the same window.
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
    CAST(retail_discount + coupon_discount + coupon_match_discount AS DECIMAL(12, 2)) AS discount,
    row_number() OVER (
      PARTITION BY event_id
      ORDER BY occurred_at DESC, quantity DESC, revenue DESC, retail_discount + coupon_discount + coupon_match_discount DESC
    ) AS place
  FROM {raw_events}
  WHERE occurred_at >= {window.start} AND occurred_at < {window.end}
),
-- Nothing was sold: a coupon on the whole basket, or a void.
sales AS (
  SELECT
    event_id,
    basket_id,
    product_id,
    user_id,
    store_id,
    occurred_at,
    quantity,
    revenue,
    discount
  FROM deliveries
  WHERE place = 1 AND quantity > 0
),
articles AS (
  SELECT
    product_id,
    department,
    coalesce(product_type LIKE 'GASOLINE%', FALSE) AS is_fuel
  FROM {products}
)
SELECT
  sales.event_id,
  sales.basket_id,
  sales.product_id,
  sales.user_id,
  sales.store_id,
  sales.occurred_at,
  articles.department,
  -- The pump counts thousandths of a gallon; a fill paid for at the desk counts as one piece.
  CASE WHEN articles.is_fuel AND sales.quantity > 100 THEN 1 ELSE sales.quantity END AS quantity,
  CAST(CASE WHEN articles.is_fuel AND sales.quantity > 100 THEN CAST(sales.quantity AS DECIMAL(13, 3)) / 1000 END AS DECIMAL(9, 3)) AS fuel_gallons,
  sales.revenue,
  sales.discount
FROM sales
LEFT JOIN articles ON articles.product_id = sales.product_id
