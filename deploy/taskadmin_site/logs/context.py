"""Context of log records: request, user, Celery task."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from celery import current_task
from flask import g, has_request_context
from sqlalchemy import inspect
from sqlalchemy.orm import InstanceState

#: Attributes that are logged as context. The library passes ``launch_id``, ``task_id`` and
#: ``run_id`` as ``extra``, and ``user`` for a user's actions.
CONTEXT = (
    "request_id",
    "user",
    "celery_task",
    "celery_task_id",
    "launch_id",
    "task_id",
    "run_id",
)

#: URLs of health checks, requested every few seconds.
_HEALTH = ("/healthz", "/readyz")


class ContextFilter(logging.Filter):
    """Adds the known context to each record, without querying the database."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep *record*, unless it is the access log of a successful health check."""
        if record.name == "gunicorn.access" and isinstance(record.args, Mapping):
            # Logged after the request has ended, so the id is only in the response.
            _add(record, "request_id", record.args.get("{x-request-id}o"))
            return record.args.get("U") not in _HEALTH or record.args.get("s") != "200"
        if has_request_context():
            _add(record, "request_id", g.get("request_id"))
            _add(record, "user", _user_name())
        request = getattr(current_task, "request", None)
        _add(record, "celery_task", getattr(current_task, "name", None))
        _add(record, "celery_task_id", getattr(request, "id", None))
        return True


def _add(record: logging.LogRecord, name: str, value: object) -> None:
    if value is not None and not hasattr(record, name):
        setattr(record, name, value)


def _user_name() -> object:
    """Return the current user if Flask-Login has already loaded it for this request."""
    user = g.get("_login_user")
    # After a commit, reading an attribute would query the database. ``__dict__`` holds only loaded
    # attributes, and the identity is known without a query.
    name = getattr(user, "__dict__", {}).get("username")
    if name is not None:
        return name
    row = inspect(user, raiseerr=False) if user is not None else None
    return f"#{row.identity[0]}" if isinstance(row, InstanceState) and row.identity else None
