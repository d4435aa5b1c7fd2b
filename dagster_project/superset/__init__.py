"""What is in Superset, as Dagster sees it: when it is synced, repaired, and stale."""
