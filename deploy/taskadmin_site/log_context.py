"""What a record was logged for: request, user, Celery task."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from celery import current_task
from flask import g, has_request_context
from sqlalchemy import inspect
from sqlalchemy.orm import InstanceState

#: Record attributes that say what a line is about; ``launch_id``, ``task_id`` and ``run_id``
#: are given by the library as ``extra``, as is ``user`` where it says what a person did.
CONTEXT = (
    "request_id",
    "user",
    "celery_task",
    "celery_task_id",
    "launch_id",
    "task_id",
    "run_id",
)

#: Asked every few seconds.
_HEALTH = ("/healthz", "/readyz")


class ContextFilter(logging.Filter):
    """Adds the context that there is to each record, without asking the database for any."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep *record*, unless it is the access log's line for a health check."""
        if record.name == "gunicorn.access" and isinstance(record.args, Mapping):
            # Logged after the request, so its id is in the answer only.
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
    """The signed in user, if Flask-Login has loaded one for this request already."""
    user = g.get("_login_user")
    # After a commit, reading an attribute asks the database, in the middle of whatever is
    # being logged. The dictionary has what is there; the id is known as long as the row is.
    name = getattr(user, "__dict__", {}).get("username")
    if name is not None:
        return name
    row = inspect(user, raiseerr=False) if user is not None else None
    return f"#{row.identity[0]}" if isinstance(row, InstanceState) and row.identity else None
