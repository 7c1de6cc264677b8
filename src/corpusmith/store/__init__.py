"""Store: artifacts (Parquet parts beside a record), run records, the decision log, approvals, leases, budget accounts."""
