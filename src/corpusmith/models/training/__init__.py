"""Training: what to train (`spec`), the loop itself, and where it runs (in this process or on Ray Train)."""
