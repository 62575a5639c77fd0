"""Actions on tasks: start, pause, resume; on one, or on all that match."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ... import service
from ...service import Scope, Started
from ...state import get_state
from ...store.reports.matching_tasks import matching_tasks
from ..access import actor
from ..errors import Refused
from ..models.runs import StartBody, StartedOut
from ..models.tasks import BulkOut, PauseBody, PauseTasksBody, TaskOut, TasksBody
from ..operations import operation
from ..replays import request_key
from .tasks import existing, filter_of, given_arguments, tasks_out

#: Maximum ids that an answer names.
_NAMED = 100


@operation(
    "POST",
    "/tasks/<int:task_id>/runs",
    tag="tasks",
    returns=StartedOut,
    scope=Scope.RUN,
    status=202,
)
def start_task(task_id: int, body: StartBody) -> StartedOut:
    """Start a run of a task, paused or not, with its arguments or others."""
    task = existing(task_id)
    arguments = body.arguments
    if arguments is not None:
        arguments = given_arguments(task, task.job, arguments)
    return started_out(
        service.start_task(task_id, arguments=arguments, actor=actor(), request_key=request_key())
    )


@operation("POST", "/tasks/<int:task_id>/pause", tag="tasks", returns=TaskOut, scope=Scope.MANAGE)
def pause_task(task_id: int, body: PauseBody) -> TaskOut:
    """Pause a task; a paused one gets the new note and end."""
    existing(task_id)
    service.pause_task(task_id, note=body.note, resume_at=body.until, actor=actor())
    return tasks_out([existing(task_id)])[0]


@operation("POST", "/tasks/<int:task_id>/resume", tag="tasks", returns=TaskOut, scope=Scope.MANAGE)
def resume_task(task_id: int) -> TaskOut:
    """Resume a task, if it is paused."""
    existing(task_id)
    service.resume_task(task_id, actor=actor())
    return tasks_out([existing(task_id)])[0]


@operation("POST", "/tasks/start", tag="bulk", returns=BulkOut, scope=Scope.RUN)
def start_matching_tasks(body: TasksBody) -> BulkOut:
    """Start a run of each task that matches."""
    return _of_all(
        body,
        lambda ids: service.start_tasks(ids, actor=actor(), request_key=request_key()).queued,
    )


@operation("POST", "/tasks/pause", tag="bulk", returns=BulkOut, scope=Scope.MANAGE)
def pause_matching_tasks(body: PauseTasksBody) -> BulkOut:
    """Pause all tasks that match."""
    service.pause_tasks([], resume_at=body.until)  # a dry run refuses wrong ends, too
    return _of_all(
        body,
        lambda ids: service.pause_tasks(ids, note=body.note, resume_at=body.until, actor=actor()),
    )


@operation("POST", "/tasks/resume", tag="bulk", returns=BulkOut, scope=Scope.MANAGE)
def resume_matching_tasks(body: TasksBody) -> BulkOut:
    """Resume all paused tasks that match."""
    return _of_all(body, lambda ids: service.resume_tasks(ids, actor=actor()))


@operation("POST", "/tasks/delete", tag="bulk", returns=BulkOut, scope=Scope.MANAGE)
def delete_matching_tasks(body: TasksBody) -> BulkOut:
    """Delete all tasks that match, with their results."""
    return _of_all(body, lambda ids: service.delete_tasks(ids, actor=actor()).tasks)


def _of_all(body: TasksBody, act: Callable[[Sequence[int]], int]) -> BulkOut:
    ids = matching_tasks(get_state().session, filter_of(body.filter).which)
    return bulk_out(ids, act, is_dry_run=body.dry_run)


def bulk_out(
    ids: Sequence[int], act: Callable[[Sequence[int]], int], *, is_dry_run: bool
) -> BulkOut:
    """Act on *ids* unless it is a dry run, and return what was done."""
    return BulkOut(
        is_dry_run=is_dry_run,
        matched=len(ids),
        ids=list(ids[:_NAMED]),
        changed=0 if is_dry_run or not ids else act(ids),
    )


def started_out(started: Started) -> StartedOut:
    """Return what was started.

    Raises:
        Refused: If nothing could be.
    """
    if not started.launch_ids:
        raise Refused(409, "nothing-started", detail="Nothing was started.")
    runs = service.find_runs(launch_id=started.launch_ids[0], limit=_NAMED)
    return StartedOut(
        launch_ids=list(started.launch_ids),
        run_ids=[run.id for run in runs],
        queued=started.queued,
        skipped=started.skipped,
        sending=started.sending,
        is_repeated=started.is_repeated,
    )
