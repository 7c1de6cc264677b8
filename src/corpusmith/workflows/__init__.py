"""Workflows: recipes as data, replay, reports, row histories and dataset comparisons."""
