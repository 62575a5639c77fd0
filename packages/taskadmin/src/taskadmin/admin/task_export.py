"""Tasks as CSV and as JSON: written while they are read, for as many as there are."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from ..models import Task
from ..schedules import InvalidSchedule, in_words
from ..store.matching_tasks import MatchingTasks, tasks_in_batches
from ..store.schedules import schedule_of
from .exports import safe_text
from .shown_arguments import arguments_of

_COLUMNS = (
    *("id", "name", "job", "arguments", "schedule", "zone", "enabled", "author"),
    *("created_at", "updated_at"),
)


def csv_of(
    bind: Engine | Connection, which: MatchingTasks, *, slot_interval_s: float
) -> Iterator[str]:
    """A line for each task, safe for spreadsheets."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _COLUMNS)
    writer.writeheader()
    for rows in _batches(bind, which, slot_interval_s):
        writer.writerows([{name: _cell(value) for name, value in row.items()} for row in rows])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def json_of(
    bind: Engine | Connection, which: MatchingTasks, *, slot_interval_s: float
) -> Iterator[str]:
    """An array with an object in each line."""
    yield "["
    separator = "\n"
    for rows in _batches(bind, which, slot_interval_s):
        lines = [json.dumps(row, ensure_ascii=False, default=datetime.isoformat) for row in rows]
        yield separator + ",\n".join(lines)
        separator = ",\n"
    yield "\n]\n"


def _batches(
    bind: Engine | Connection, which: MatchingTasks, slot_interval_s: float
) -> Iterator[list[dict[str, Any]]]:
    """Read by a session of its own: the request's ends before a long export does."""
    with Session(bind) as session:
        for tasks in tasks_in_batches(session, which):
            yield [_row(task, slot_interval_s) for task in tasks]


def _row(task: Task, slot_interval_s: float) -> dict[str, Any]:
    # Outside of a request these words are English, as the names of the columns are.
    try:
        words = in_words(schedule_of(task.schedule), slot_interval_s)
    except InvalidSchedule:
        words = None
    more = {
        "arguments": arguments_of(task),
        "schedule": words,
        "zone": task.schedule.zone if task.schedule is not None else None,
        "author": task.author.username,
    }
    return {name: more[name] if name in more else getattr(task, name) for name in _COLUMNS}


def _cell(value: Any) -> Any:
    match value:
        case None:
            return ""
        case bool() | int():
            return value
        case str():
            return safe_text(value)
        case datetime():
            return value.isoformat()
        case _:
            return json.dumps(value, ensure_ascii=False)
