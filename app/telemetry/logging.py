"""One line per event on standard output: a JSON object, or plain text for people.

The message of a record is the name of the event; everything else travels as fields:
`logger.info("request", extra={"status": 200, "ms": 12.5})`. Text that came from a client is never part
of a format string; the encoders below escape line breaks and control characters in it.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from app.settings import TelemetrySettings

request_id_var: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Id of the request that is being answered, or that brought the job that is being worked on; worker threads
inherit it with the context."""

job_id_var: ContextVar[str | None] = ContextVar("job_id", default=None)
"""Id of the job that is being worked on, or that the request is about."""

_OWN_HANDLER = "earsight"
_RENAMED = {"levelname": "level", "message": "event", "name": "logger"}
# What uvicorn would print itself: an access line (ours has the request id) and colours.
_SKIPPED = (*RESERVED_ATTRS, "color_message", "taskName")


_IDS = {"request_id": request_id_var, "job_id": job_id_var}


@contextmanager
def log_ids(*, request_id: str | None, job_id: str | None) -> Iterator[None]:
    """Every line that is written in the block has these ids."""
    tokens = request_id_var.set(request_id), job_id_var.set(job_id)
    try:
        yield
    finally:
        request_id_var.reset(tokens[0])
        job_id_var.reset(tokens[1])


class _IdFilter(logging.Filter):
    """Adds the ids of the current request and job to each record that has none."""

    def filter(self, record: logging.LogRecord) -> bool:
        for name, variable in _IDS.items():
            value = variable.get()
            if value is not None and not hasattr(record, name):
                setattr(record, name, value)
        return True


class _TextFormatter(logging.Formatter):
    """`TIME LEVEL event key=value ...`, values as JSON so that one event stays on one line."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            key: value
            for key, value in record.__dict__.items()
            if key not in _SKIPPED and not key.startswith("_")
        }
        parts = [self.formatTime(record), record.levelname, record.getMessage()]
        parts += [f"{key}={json.dumps(value, default=str)}" for key, value in fields.items()]
        line = " ".join(parts).replace("\r", "\\r").replace("\n", "\\n")
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _json_formatter() -> logging.Formatter:
    return JsonFormatter(
        ["levelname", "message", "name"],
        rename_fields=_RENAMED,
        timestamp="ts",
        reserved_attrs=_SKIPPED,
    )


def configure_logging(settings: TelemetrySettings, stream: TextIO | None = None) -> None:
    """Send every record of the process to `stream` (standard output) in the format of the settings.

    May be called again; the handler of the call before is replaced.
    """
    handler = logging.StreamHandler(stream if stream is not None else sys.stdout)
    handler.name = _OWN_HANDLER
    handler.addFilter(_IdFilter())
    handler.setFormatter(_json_formatter() if settings.log_format == "json" else _TextFormatter())
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if handler.name == _OWN_HANDLER]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.log_level.upper())
    # They speak in sentences of what our own events say; only their complaints are passed on.
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in ("uvicorn.error", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").disabled = True
