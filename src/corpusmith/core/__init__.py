"""Core: words every layer shares (ids, errors, rows, gates, the brief, events, contracts). Imports nothing of ours."""
