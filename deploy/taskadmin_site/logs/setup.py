"""Logging: text on a terminal, JSON elsewhere.

``LOG_FORMAT`` (``text`` or ``json``) overrides the choice; ``LOG_LEVEL`` sets the minimum level
(``INFO`` by default).
"""

from __future__ import annotations

import logging.config
import os
import sys
from collections.abc import Mapping
from typing import Any

from celery.signals import setup_logging

from taskadmin.errors import ConfigurationError

from ..stack.environment import with_files

FORMATS = ("text", "json")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def configure() -> None:
    """Log every record of this process to standard error, with its context.

    Raises:
        ConfigurationError: If ``LOG_FORMAT`` or ``LOG_LEVEL`` is unknown.
    """
    environ, _ = with_files(os.environ)  # the site's configuration reports problems
    logging.config.dictConfig(settings(environ, is_terminal=sys.stderr.isatty()))
    # Celery doesn't configure logging if a receiver is connected to this signal.
    setup_logging.connect(_leave_logging_alone, dispatch_uid="taskadmin_site.logs")


def settings(environ: Mapping[str, str], *, is_terminal: bool) -> dict[str, Any]:
    """Return the dictionary for ``logging.config.dictConfig``.

    Raises:
        ConfigurationError: If ``LOG_FORMAT`` or ``LOG_LEVEL`` is unknown.
    """
    formatter = _choice(environ, "LOG_FORMAT", FORMATS) or ("text" if is_terminal else "json")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"context": {"()": "taskadmin_site.logs.context.ContextFilter"}},
        "formatters": {
            "text": {"()": "taskadmin_site.logs.formats.TextFormatter"},
            "json": {"()": "taskadmin_site.logs.formats.make_json_formatter"},
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
            # Two lines per message; the library logs one of its own.
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            # One line per tick.
            "celery.beat": {"level": "WARNING"},
            # Ten lines about its plugins at every start.
            "alembic.runtime.plugins": {"level": "WARNING"},
            # gunicorn configures these before it loads the site.
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
    """Do nothing: being connected is enough."""
