"""Telemetry: exporters of the decision log. The only door to opik."""
