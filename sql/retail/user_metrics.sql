-- One row per household that bought something.
WITH purchases AS (
  SELECT
    user_id,
    min(occurred_at) AS first_seen_at,
    max(occurred_at) AS last_seen_at,
    CAST(count(DISTINCT basket_id) AS BIGINT) AS baskets,
    CAST(count(DISTINCT store_id) AS BIGINT) AS stores,
    CAST(sum(quantity) AS BIGINT) AS pieces,
    CAST(sum(revenue) AS DECIMAL(14, 2)) AS revenue,
    CAST(sum(discount) AS DECIMAL(14, 2)) AS discount
  FROM {cleaned_events}
  GROUP BY user_id
),
departments AS (
  SELECT
    user_id,
    department,
    row_number() OVER (PARTITION BY user_id ORDER BY sum(revenue) DESC, department) AS place
  FROM {cleaned_events}
  WHERE department IS NOT NULL
  GROUP BY user_id, department
),
favourites AS (
  SELECT
    user_id,
    department
  FROM departments
  WHERE place = 1
)
SELECT
  purchases.user_id AS user_id,
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
  -- Some stores cut a quotient off, some make it a DOUBLE: to eight digits first, then the halves of a cent round up.
  CAST(round(CAST(CAST(purchases.revenue AS DECIMAL(20, 8)) / purchases.baskets AS DECIMAL(20, 8)), 2) AS DECIMAL(12, 2)) AS revenue_per_basket,
  favourites.department AS favourite_department
FROM purchases
LEFT JOIN favourites ON favourites.user_id = purchases.user_id
LEFT JOIN {demographics} AS demographics ON demographics.household_id = purchases.user_id
