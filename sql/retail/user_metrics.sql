-- One row per household that bought something.
WITH purchases AS (
  SELECT
    user_id,
    min(occurred_at) AS first_seen_at,
    max(occurred_at) AS last_seen_at,
    count(DISTINCT basket_id) AS baskets,
    count(DISTINCT store_id) AS stores,
    CAST(sum(quantity) AS BIGINT) AS pieces,
    CAST(sum(revenue) AS DECIMAL(14, 2)) AS revenue,
    CAST(sum(discount) AS DECIMAL(14, 2)) AS discount
  FROM {cleaned_events}
  GROUP BY user_id
),
department_revenue AS (
  SELECT
    user_id,
    department,
    sum(revenue) AS revenue
  FROM {cleaned_events}
  WHERE department IS NOT NULL
  GROUP BY user_id, department
),
favourite_departments AS (
  SELECT
    user_id,
    department
  FROM department_revenue
  QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY revenue DESC, department) = 1
)
SELECT
  purchases.user_id,
  demographics.age,
  demographics.income,
  demographics.household_size,
  purchases.first_seen_at,
  purchases.last_seen_at,
  purchases.baskets,
  purchases.stores,
  purchases.pieces,
  purchases.revenue,
  purchases.discount,
  -- A quotient is a DOUBLE, which falls short of some halves of a cent: to nine digits first, then the halves round up.
  CAST(CAST(purchases.revenue / purchases.baskets AS DECIMAL(18, 9)) AS DECIMAL(12, 2)) AS revenue_per_basket,
  favourite_departments.department AS favourite_department
FROM purchases
LEFT JOIN favourite_departments USING (user_id)
LEFT JOIN {demographics} AS demographics ON demographics.household_id = purchases.user_id
