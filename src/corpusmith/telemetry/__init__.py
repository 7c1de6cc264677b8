"""Exports a run's decision log to Opik; the log stays the truth, and without a server nothing is sent."""

from corpusmith.telemetry.opik_evaluation import EvaluatedCase, Evaluation, export_evaluation
from corpusmith.telemetry.opik_export import export_run, run_trace_id
from corpusmith.telemetry.opik_settings import ExportResult, OpikSettings, opik_settings

__all__ = [
    "EvaluatedCase",
    "Evaluation",
    "ExportResult",
    "OpikSettings",
    "export_evaluation",
    "export_run",
    "opik_settings",
    "run_trace_id",
]
