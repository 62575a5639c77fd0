"""Logging: readable on a terminal, one JSON object a line elsewhere.

``LOG_FORMAT`` (``text`` or ``json``) overrides the choice, ``LOG_LEVEL`` (``INFO`` by default)
says from which level on.
"""

from __future__ import annotations

import logging.config
import os
import sys
from collections.abc import Mapping
from typing import Any

from celery.signals import setup_logging

from taskadmin.errors import ConfigurationError

FORMATS = ("text", "json")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def configure() -> None:
    """Send every record of this process to standard error, with its context.

    Raises:
        ConfigurationError: If ``LOG_FORMAT`` or ``LOG_LEVEL`` is unknown.
    """
    logging.config.dictConfig(settings(os.environ, is_terminal=sys.stderr.isatty()))
    # Celery leaves logging alone where somebody listens to this signal.
    setup_logging.connect(_leave_logging_alone, dispatch_uid="taskadmin_site.log_setup")


def settings(environ: Mapping[str, str], *, is_terminal: bool) -> dict[str, Any]:
    """The dictionary for ``logging.config.dictConfig``.

    Raises:
        ConfigurationError: If ``LOG_FORMAT`` or ``LOG_LEVEL`` is unknown.
    """
    formatter = _choice(environ, "LOG_FORMAT", FORMATS) or ("text" if is_terminal else "json")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"context": {"()": "taskadmin_site.log_context.ContextFilter"}},
        "formatters": {
            "text": {"()": "taskadmin_site.log_formats.TextFormatter"},
            "json": {"()": "taskadmin_site.log_formats.make_json_formatter"},
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": formatter,
                "filters": ["context"],
            }
        },
        "root": {"level": _choice(environ, "LOG_LEVEL", LEVELS) or "INFO", "handlers": ["stderr"]},
        "loggers": {
            # Two lines for each message; the library has one for what the message did.
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            # A line for each tick.
            "celery.beat": {"level": "WARNING"},
            # Ten lines about what it consists of, at every start.
            "alembic.runtime.plugins": {"level": "WARNING"},
            # gunicorn sets these up for itself before it loads the site.
            "gunicorn.error": {"handlers": [], "propagate": True},
            "gunicorn.access": {"handlers": [], "propagate": True},
        },
    }


def _choice(environ: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str | None:
    value = environ.get(name)
    if value and value not in allowed:
        raise ConfigurationError(f"{name} is {value!r}; expected {' or '.join(allowed)}.")
    return value or None


def _leave_logging_alone(**_: Any) -> None:
    """Being connected is enough."""
