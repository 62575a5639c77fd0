"""The filter of the list of tasks: a tab, and a search with qualifiers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ..jobs import all_jobs
from ..store.reports.matching_tasks import MatchingTasks, TaskState
from ..translation.texts import gettext, listed
from .list_filter import ListFilter, read_filter
from .times import TIME_QUALIFIERS, BadTerm

TASK_QUALIFIERS = ("job", "author", "queue", "state")
#: Qualifiers that work only in the list of runs.
RUN_QUALIFIERS = ("error", "worker", "task", "launch", *TIME_QUALIFIERS)
#: Runs are "failed", tasks are "failing": the search accepts both.
_STATES = {**{state.value: state for state in TaskState}, "failed": TaskState.FAILING}
TaskFilter = ListFilter[MatchingTasks, TaskState]


def task_filter(values: Mapping[str, str], *, moment: datetime) -> TaskFilter | None:
    """Parse the filter of *values*; None if none of our pages links to it.

    Args:
        moment: The database's time.
    """
    everything = MatchingTasks(known_jobs=all_jobs().keys(), moment=moment)
    return read_filter(
        values,
        everything,
        TaskState,
        _read_term,
        qualifiers=TASK_QUALIFIERS,
        of_runs=RUN_QUALIFIERS,
    )


def _read_term(name: str, value: str) -> Mapping[str, object]:
    if name == "queue":
        return {"jobs": [job.name for job in all_jobs().values() if job.queue == value]}
    if name != "state":
        return {name: value}
    if value.lower() not in _STATES:
        raise BadTerm(
            gettext(
                "“%(value)s” is not a task state. The states are %(states)s.",
                value=value,
                states=listed(list(TaskState)),
            )
        )
    return {"states": [_STATES[value.lower()]]}
