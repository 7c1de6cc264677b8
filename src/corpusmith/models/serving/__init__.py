"""Models behind an OpenAI-compatible API: the engine that generates, the routes, who may ask, which version answers."""
