"""Measuring models: how likely they find what they should say, what they answer, few-shot prompts, batch inference."""
