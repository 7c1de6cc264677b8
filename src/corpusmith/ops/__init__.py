"""Ops: the algorithms on rows, as operators (core.operators) and functions over datasets. No I/O of their own."""
