"""Tasks: list, read, create, edit, delete, clone, export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import url_for

from ... import service
from ...errors import UnknownTask
from ...jobs import all_jobs
from ...models import Task, TaskPause, TaskSchedule
from ...search.list_filter import ListFilter
from ...search.tasks import TaskFilter as FoundFilter
from ...search.tasks import task_filter
from ...service import ScheduleInput, Scope
from ...state import get_state
from ...store.database import clock
from ...store.launches.due import schedules_of
from ...store.reports.matching_tasks import page_of_tasks
from ...store.tasks import pauses
from ...store.tasks.as_code.format import KEPT, is_written, shown_arguments
from ...store.tasks.as_code.importing import export_tasks
from ...store.tasks.schedules import DEFINITION, input_of
from ...values.ids import can_be_id
from ...values.showable import showable
from ..access import actor
from ..cursors import page_of
from ..errors import Refused, invalid
from ..models.fields import PersonOut
from ..models.headers import IfMatch
from ..models.tasks import (
    Deleted,
    PauseOut,
    ScheduleOut,
    TaskBody,
    TaskEntries,
    TaskFilter,
    TaskOut,
    TaskPage,
    TaskPatch,
    TaskQuery,
)
from ..operations import operation


@operation("GET", "/tasks", tag="tasks", returns=TaskPage)
def list_tasks(query: TaskQuery) -> TaskPage:
    """List tasks, newest first."""
    wanted = filter_of(query)
    before = query.before
    rows = page_of_tasks(get_state().session, wanted.which, before_id=before, limit=query.limit + 1)
    shown, following = page_of(query, rows)
    return TaskPage(items=tasks_out(shown), next=following)


@operation("GET", "/tasks/<int:task_id>", tag="tasks", returns=TaskOut)
def read_task(task_id: int) -> tuple[TaskOut, dict[str, str]]:
    """Read a task; the `ETag` is the version of what people can edit."""
    return _answer(existing(task_id))


@operation("POST", "/tasks", tag="tasks", returns=TaskOut, scope=Scope.MANAGE, status=201)
def create_task(body: TaskBody) -> tuple[TaskOut, dict[str, str]]:
    """Create a task; the token's user is its author."""
    created = service.create_task(
        job=body.job,
        arguments=given_arguments(None, body.job, body.arguments),
        name=body.name,
        enabled=not body.paused,
        schedule=None if body.schedule is None else body.schedule.as_input(),
        actor=actor(),
    )
    return _answer(existing(created.id), is_new=True)


@operation("PATCH", "/tasks/<int:task_id>", tag="tasks", returns=TaskOut, scope=Scope.MANAGE)
def edit_task(task_id: int, body: TaskPatch, headers: IfMatch) -> tuple[TaskOut, dict[str, str]]:
    """Change a task; keys that are missing keep their values."""
    task = existing(task_id)
    changes: dict[str, Any] = {}
    job = body.job if "job" in body.model_fields_set else task.job
    if "job" in body.model_fields_set:
        changes["job"] = body.job
    if "name" in body.model_fields_set:
        changes["name"] = body.name or ""
    if "arguments" in body.model_fields_set:
        changes["arguments"] = given_arguments(task, job, body.arguments)
    if "schedule" in body.model_fields_set:
        schedule = body.schedule
        changes["schedule"] = ScheduleInput() if schedule is None else schedule.as_input()
    service.edit_task(task_id, version=matching_version(task, headers), actor=actor(), **changes)
    return _answer(existing(task_id))


@operation("DELETE", "/tasks/<int:task_id>", tag="tasks", returns=Deleted, scope=Scope.MANAGE)
def delete_task(task_id: int, headers: IfMatch) -> Deleted:
    """Delete a task with its results."""
    task = existing(task_id)
    done = service.delete_task(task_id, version=matching_version(task, headers), actor=actor())
    return Deleted(tasks=done.tasks, results=done.results)


@operation(
    "POST",
    "/tasks/<int:task_id>/clone",
    tag="tasks",
    returns=TaskOut,
    scope=Scope.MANAGE,
    status=201,
)
def clone_task(task_id: int) -> tuple[TaskOut, dict[str, str]]:
    """Create a paused copy of a task."""
    existing(task_id)
    return _answer(existing(service.clone_task(task_id, actor=actor()).id), is_new=True)


@operation("GET", "/tasks/export", tag="tasks", returns=TaskEntries)
def export_all_tasks() -> TaskEntries:
    """Return all tasks as in a file of `flask taskadmin tasks export`, without secrets."""
    service.note_export(actor(), "tasks.json", {})
    return TaskEntries(tasks=export_tasks(get_state().session, jobs=all_jobs()))


def existing(task_id: int) -> Task:
    """Return the task with this id.

    Raises:
        UnknownTask: If there is none.
    """
    task = service.find_task(task_id) if can_be_id(task_id) else None
    if task is None:
        raise UnknownTask(f"There is no task {task_id}.")
    return task


def filter_of(wanted: TaskQuery | TaskFilter) -> FoundFilter:
    """Return the filter for a search and a state.

    Raises:
        Refused: If the search can't be understood.
    """
    values = {"search": wanted.search or "", "state": wanted.state or ""}
    found = task_filter(values, moment=clock.now(get_state().session))
    assert found is not None  # the state is one
    check_search(found)
    return found


def check_search(found: ListFilter[Any, Any]) -> None:
    """Refuse a search with a problem, which would match nothing.

    Raises:
        Refused: With the problem.
    """
    if found.problem:
        raise invalid(found.problem, parameter="search")


def matching_version(task: Task, headers: IfMatch) -> int | None:
    """Return the version that ``If-Match`` names; None for any.

    Raises:
        Refused: If the header is missing, or names another version.
    """
    if headers.if_match is None:
        raise Refused(428, detail=f"Send the task's ETag: If-Match: {_etag(task)}")
    tags = [tag.strip() for tag in headers.if_match.split(",")]
    if "*" in tags:
        return None
    if _etag(task) not in tags:
        raise Refused(
            412, "edit-conflict", detail="Someone changed this task: read it, and try again."
        )
    return task.version


def given_arguments(task: Task | None, job: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return *given* with the stored values of secrets that are sent back as they were shown.

    Raises:
        Refused: If a secret isn't stored yet.
    """
    stored = task.arguments if task is not None and task.job == job else {}
    registered = all_jobs().get(job)
    masked = {*(registered.masked if registered else ()), *(task.masked if task else ())}
    unshown = {name for name, value in stored.items() if not is_written(name, value)}
    kept = {name for name in masked | unshown if given.get(name) == KEPT}
    for name in sorted(kept - stored.keys()):
        raise invalid("This secret isn't stored yet: send it once.", pointer=f"/arguments/{name}")
    return {**given, **{name: stored[name] for name in kept}}


def tasks_out(rows: Sequence[Task]) -> list[TaskOut]:
    """Return tasks as they are sent; two queries for all of them."""
    session = get_state().session
    ids = [task.id for task in rows]
    schedules = schedules_of(session, ids)
    paused = pauses.pauses_of(session, [task.id for task in rows if not task.enabled])
    return [_out(task, schedules.get(task.id), paused.get(task.id)) for task in rows]


def _answer(task: Task, *, is_new: bool = False) -> tuple[TaskOut, dict[str, str]]:
    headers = {"ETag": _etag(task)}
    if is_new:
        headers["Location"] = url_for("taskadmin_api.read_task", task_id=task.id)
    return tasks_out([task])[0], headers


def _etag(task: Task) -> str:
    return f'"{task.version}"'


def _masked(task: Task) -> frozenset[str]:
    job = all_jobs().get(task.job)
    return frozenset(task.masked) | (job.masked if job else frozenset())


def _out(task: Task, schedule: TaskSchedule | None, pause: TaskPause | None) -> TaskOut:
    definition = input_of(schedule)
    values = {name: showable(getattr(definition, name)) for name in DEFINITION}
    shown = ScheduleOut(**values, next_due=schedule.next_due if schedule and task.enabled else None)
    by = pause.pauser if pause else None
    return TaskOut(
        id=task.id,
        name=showable(task.name),
        job=showable(task.job),
        is_registered=task.job in all_jobs(),
        arguments=showable(shown_arguments(task, _masked(task))),
        schedule=shown,
        paused=None
        if task.enabled
        else PauseOut(
            at=pause.paused_at if pause else None,
            by=PersonOut(id=by.id, username=by.username) if by else None,
            note=showable(pause.note) if pause else None,
            until=pause.resume_at if pause else None,
        ),
        author=None
        if task.author_name is None
        else PersonOut(id=task.created_by, username=task.author_name),
        version=task.version,
        created_at=task.created_at,
        updated_at=task.updated_at,
    )
