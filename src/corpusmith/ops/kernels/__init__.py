"""Kernels: compiled loops over Arrow buffers and NumPy arrays. They hold no Python objects and decide nothing."""
