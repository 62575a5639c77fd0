"""Log formats: a line of text, or a JSON object."""

from __future__ import annotations

import logging
import re
import time

from pythonjsonlogger.json import JsonFormatter

from .context import CONTEXT

#: Escaped, so that a line break in a URL can't forge a log line, nor an override of the writing
#: direction reverse one.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class TextFormatter(logging.Formatter):
    """Time (UTC), level, logger, message and context."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%SZ")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Format the line, without a traceback that may follow."""
        line = super().formatMessage(record)
        context = [f"{name}={getattr(record, name)}" for name in CONTEXT if hasattr(record, name)]
        if context:
            line += f" [{' '.join(context)}]"
        return _CONTROL.sub(lambda found: repr(found[0])[1:-1], line)


def make_json_formatter() -> logging.Formatter:
    """Return a formatter for JSON: timestamp, level, logger, process, message, context."""
    return JsonFormatter(
        "%(levelname)s %(name)s %(process)d %(message)s",
        rename_fields={"levelname": "level", "name": "logger"},
        timestamp=True,
        # Celery adds the message again, with colours for its console.
        reserved_attrs=[*_standard_attributes(), "data", "color_message"],
    )


def _standard_attributes() -> list[str]:
    return [*vars(logging.makeLogRecord({})), "message", "asctime"]
