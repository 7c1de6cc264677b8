"""Store: artifacts (Parquet parts beside a record), runs, the decision log, approvals, leases, budgets."""
