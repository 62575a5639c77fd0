"""Runs as CSV and as JSON: written while they are read, for as many as there are."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from ..jobs.masking import AUTHOR_ID
from ..models import TaskResult
from ..store.matching_runs import Matching, matching_in_batches
from .exports import safe_text
from .shown_arguments import arguments_of

#: As of the rows; what people may not see of them is in none.
_COLUMNS = (
    *("id", "task_id", "task", "job", "arguments", "author_id", "state", "reason"),
    *("result", "output", "error_type", "error", "launch_id", "retry_of"),
    *("due_at", "queued_at", "started_at", "finished_at", "waited_seconds", "ran_seconds"),
    *("attempts", "max_attempts", "queue", "worker"),
)


def csv_of(bind: Engine | Connection, which: Matching) -> Iterator[str]:
    """A line for each run, safe for spreadsheets."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _COLUMNS)
    writer.writeheader()
    for runs in _batches(bind, which):
        writer.writerows([{name: _cell(run[name]) for name in _COLUMNS} for run in runs])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def json_of(bind: Engine | Connection, which: Matching) -> Iterator[str]:
    """An array with an object in each line."""
    yield "["
    separator = "\n"
    for runs in _batches(bind, which):
        lines = [json.dumps(run, ensure_ascii=False, default=_plain) for run in runs]
        yield separator + ",\n".join(lines)
        separator = ",\n"
    yield "\n]\n"


def _batches(bind: Engine | Connection, which: Matching) -> Iterator[list[dict[str, Any]]]:
    """Read by a session of its own: the request's ends before a long export does."""
    with Session(bind) as session:
        for runs in matching_in_batches(session, which):
            yield [_row(run) for run in runs]


def _row(run: TaskResult) -> dict[str, Any]:
    more = {
        "task": str(run.task),
        "arguments": arguments_of(run),
        "author_id": run.task_params.get(AUTHOR_ID),
        "waited_seconds": run.waited,
        "ran_seconds": run.ran,
    }
    return {name: more[name] if name in more else getattr(run, name) for name in _COLUMNS}


def _plain(value: datetime | timedelta) -> Any:
    return value.total_seconds() if isinstance(value, timedelta) else value.isoformat()


def _cell(value: Any) -> Any:
    match value:
        case None:
            return ""
        case bool() | int() | float():
            return value
        case str():
            return safe_text(value)
        case datetime() | timedelta():
            return _plain(value)
        case _:
            return json.dumps(value, ensure_ascii=False)
