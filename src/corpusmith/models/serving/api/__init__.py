"""The OpenAI-compatible routes, over any fleet of served models."""
