"""Fine-tuning at a provider of the OpenAI fine-tuning API, and asking the model that came of it."""
