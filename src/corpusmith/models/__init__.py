"""Models: chat clients, and later training, serving and retrieval. The only door to torch, ray and model clients."""
