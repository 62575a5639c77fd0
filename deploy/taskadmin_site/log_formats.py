"""How a record looks: as a line for people, or as a JSON object for machines."""

from __future__ import annotations

import logging
import re
import time

from pythonjsonlogger.json import JsonFormatter

from .log_context import CONTEXT

#: Whoever puts a line's end into an address, say, doesn't write a line of their own.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class TextFormatter(logging.Formatter):
    """Time (UTC), level, logger, message and, behind it, what it was about."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%SZ")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line, without the exception that may follow."""
        line = super().formatMessage(record)
        context = [f"{name}={getattr(record, name)}" for name in CONTEXT if hasattr(record, name)]
        if context:
            line += f" [{' '.join(context)}]"
        return _CONTROL.sub(lambda found: repr(found[0])[1:-1], line)


def make_json_formatter() -> logging.Formatter:
    """One object a line: timestamp, level, logger, process, message, context, exception."""
    return JsonFormatter(
        "%(levelname)s %(name)s %(process)d %(message)s",
        rename_fields={"levelname": "level", "name": "logger"},
        timestamp=True,
        # Colours of Celery's console, and the same message again.
        reserved_attrs=[*_standard_attributes(), "data", "color_message"],
    )


def _standard_attributes() -> list[str]:
    return [*vars(logging.makeLogRecord({})), "message", "asctime"]
