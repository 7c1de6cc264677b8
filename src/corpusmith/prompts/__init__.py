"""Prompts: the texts that models are given, as versioned files."""
