"""Arguments as pages show them: without secrets, whole or in short."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..i18n import number
from ..jobs import all_jobs, shown
from ..models import Task, TaskResult

#: Longest text of one value, and of all of them, in characters.
_VALUE = 40
_ALL = 80


def arguments_of(row: Task | TaskResult) -> dict[str, Any]:
    """The arguments of a task or a run as people may see them, also when the job is gone."""
    job = all_jobs().get(row.job)
    masked = job.masked if job is not None else frozenset()
    if isinstance(row, Task):
        return shown(row.arguments, masked | frozenset(row.masked))
    return shown(row.task_params, masked)


def value_in_words(value: Any) -> str:
    """One value: numbers grouped, text as it is, anything else as JSON."""
    match value:
        case str():
            return value
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return number(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def in_short(arguments: Mapping[str, Any]) -> str:
    """All of them in a line for columns: a range alone, else each with its name."""
    if arguments.keys() == {"lower_limit", "upper_limit"}:
        return " … ".join(
            value_in_words(arguments[name]) for name in ("lower_limit", "upper_limit")
        )
    texts = (f"{name}={_cut(value_in_words(value), _VALUE)}" for name, value in arguments.items())
    return _cut(", ".join(texts), _ALL)


def _cut(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else f"{text[: length - 1]}…"
