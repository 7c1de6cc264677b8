"""The server's own log as JSON lines, like its access log, so that one reader takes both."""

from __future__ import annotations

import json
import logging
from typing import Any, cast

from corpusmith.models.serving.log_file import Lines


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_to(stream: Lines) -> None:
    """Write what the server and uvicorn have to say, from `info` and `warning` up."""
    handler = logging.StreamHandler(cast(Any, stream))
    handler.setFormatter(_Line())
    for name, level in (("corpusmith", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
