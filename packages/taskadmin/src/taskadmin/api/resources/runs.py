"""Runs: list, and read."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from ... import service
from ...models import TaskResult
from ...models.result import moment
from ...search.list_filter import ListFilter
from ...search.runs import run_filter
from ...search.times import Viewer
from ...state import get_state
from ...store.database import clock
from ...store.reports.matching_runs import page_of_matching
from ...store.runs.progress import find_progress
from ...store.tasks.arguments import arguments_of
from ...values.showable import showable
from ..cursors import page_of
from ..errors import Refused
from ..models.runs import Attempt, RunFilter, RunLine, RunLines, RunOut, RunQuery, TaskName
from ..operations import operation
from .tasks import check_search

_COLUMNS = (
    *("id", "launch_id", "job", "queue", "state", "reason", "due_at", "queued_at", "not_before"),
    *("started_at", "finished_at", "attempts", "max_attempts", "retry_of", "worker", "result"),
    "error_type",
)


@operation("GET", "/runs", tag="runs", returns=RunLines)
def list_runs(query: RunQuery) -> RunLines:
    """List runs, newest first."""
    wanted, before = filter_of(query), query.before
    session = get_state().session
    rows = page_of_matching(session, wanted.which, before_id=before, limit=query.limit + 1)
    shown, following = page_of(query, rows)
    return RunLines(items=[RunLine(**_line(run)) for run in shown], next=following)


@operation("GET", "/runs/<int:run_id>", tag="runs", returns=RunOut)
def read_run(run_id: int) -> RunOut:
    """Read a run with its arguments, output, error and log."""
    run = existing(run_id)
    progress = find_progress(get_state().session, [run_id]).get(run_id)
    log = [showable(entry) for entry in run.attempt_log or () if isinstance(entry, dict)]
    return RunOut(
        **_line(run),
        arguments=arguments_of(run),
        output=showable(run.value),
        error=showable(run.error),
        attempt_log=[_attempt(entry) for entry in log],
        progress=progress.progress if progress else None,
        lines=[str(showable(line[-1])) for line in progress.lines if line] if progress else [],
    )


def existing(run_id: int) -> TaskResult:
    """Return the run with this id.

    Raises:
        Refused: With 404.
    """
    run = service.find_run(run_id)
    if run is None:
        raise Refused(404, "unknown-run", detail=f"There is no run {run_id}.")
    return run


def filter_of(wanted: RunQuery | RunFilter) -> ListFilter[Any, Any]:
    """Return the filter for a search, a state, a task and a launch.

    Raises:
        Refused: If the search can't be understood.
    """
    given: dict[str, object] = {"search": wanted.search, "state": wanted.state}
    given |= {"task": wanted.task, "launch": wanted.launch}
    found = run_filter(
        {name: str(value) for name, value in given.items() if value is not None},
        Viewer(UTC, lambda: clock.now(get_state().session)),
    )
    assert found is not None  # the models have checked the values
    check_search(found)
    return found


def _line(run: TaskResult) -> dict[str, Any]:
    values = {name: showable(getattr(run, name)) for name in _COLUMNS}
    return {**values, "task": TaskName(id=run.task_id, name=showable(run.task.name))}


def _attempt(entry: dict[str, Any]) -> Attempt:
    def text(name: str) -> str | None:
        value = entry.get(name)
        return None if value is None else str(value)

    number = entry.get("attempt")
    return Attempt(
        number=number if isinstance(number, int) else 0,
        started_at=moment(entry.get("started_at")),
        ended_at=moment(entry.get("ended_at")),
        worker=text("worker"),
        error_type=text("error_type"),
        error=text("error"),
    )
