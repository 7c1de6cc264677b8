"""Evals: suites that judge the agent against planted truth and baselines."""
