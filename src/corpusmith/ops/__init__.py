"""Ops: the algorithms on rows, as operators (core.operators) and functions over datasets. No input/output of their own."""
