SELECT
  date_trunc('hour', occurred_at) AS hour,
  coalesce(department, 'UNKNOWN') AS department,
  CAST(count(*) AS BIGINT) AS lines,
  CAST(count(DISTINCT basket_id) AS BIGINT) AS baskets,
  CAST(sum(quantity) AS BIGINT) AS pieces,
  CAST(sum(revenue) AS DECIMAL(14, 2)) AS revenue,
  CAST(sum(discount) AS DECIMAL(14, 2)) AS discount
FROM {cleaned_events}
WHERE occurred_at >= {window.start} AND occurred_at < {window.end}
GROUP BY 1, 2
