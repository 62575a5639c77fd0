"""Find, create, edit, clone, delete, pause and resume tasks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from flask import current_app

from ..errors import InvalidArguments, InvalidPause, UnknownTask, UnknownUser, Unstorable
from ..jobs import get_job
from ..models import Task, User
from ..schedules.kinds import LATEST_DUE
from ..state import get_state
from ..store.database import clock
from ..store.people import users
from ..store.people.audit import Actor
from ..store.reports.matching_tasks import MatchingTasks, list_tasks
from ..store.tasks import pauses, tasks
from ..store.tasks.as_code.entries import same_values
from ..store.tasks.schedules import ScheduleInput, find_schedule, input_of
from ..store.tasks.tasks import DeletionCounts
from ..values.ids import MAX_ID, can_be_id, possible_ids
from ..values.storable import escaped_text, is_storable

#: Maximum tasks or runs in one transaction.
MAX_ROWS_PER_TRANSACTION = 1_000
_MAX_NAME_LENGTH = 200


def find_task(task: int | str) -> Task | None:
    """Return the task with this id, or with this name if it is unique; None if there is none.

    Raises:
        UnknownTask: If several tasks have this name.
    """
    session = get_state().session
    if isinstance(task, int):
        return tasks.find_task(session, task) if can_be_id(task) else None
    matches = tasks.tasks_named(session, task) if is_storable(task) else []
    if len(matches) > 1:
        ids = ", ".join(str(one.id) for one in matches)
        raise UnknownTask(f"Several tasks are called {task}: use the id, one of {ids}.")
    return matches[0] if matches else None


def existing_task(task: int | str) -> Task:
    """Return the task with this id or name.

    Raises:
        UnknownTask: If there is no such task, or several with this name.
    """
    found = find_task(task)
    if found is None:
        raise UnknownTask(f"There is no task {escaped_text(str(task))}.")
    return found


def find_tasks(*, name: str = "", job: str | None = None, author: str | None = None) -> list[Task]:
    """Return tasks ordered by id, with their authors and schedules.

    Args:
        name: Words that the name must contain, case-insensitive.
        job: The name of their job; without it, taskadmin's own tasks are left out.
        author: The username of their author.

    Raises:
        TooManyTasks: If more than 10,000 match.
    """
    if not is_storable([name, job]):
        return []
    which = MatchingTasks(words=name.split(), job=job, author=author)
    return list(list_tasks(get_state().session, which))


def create_task(
    *,
    job: str,
    arguments: Mapping[str, object],
    author: int | str | None = None,
    name: str | None = None,
    masked: Collection[str] = (),
    enabled: bool = True,
    schedule: ScheduleInput | None = None,
    actor: Actor | None = None,
) -> Task:
    """Create a task.

    Args:
        job: The name of a registered job.
        author: Id or username; by default the actor.
        masked: Names of *arguments* that are never shown, besides the job's own.
        schedule: None for the common slot.
        actor: Named in the audit entry; by default the application.

    Raises:
        UnknownJob: If the job isn't registered.
        InvalidArguments: If *arguments* don't fit the job.
        InvalidSchedule: If the schedule isn't valid, or has ended.
        UnknownUser: If there is no such author, or none is given.
        Unstorable: If some reader couldn't show the name.
    """
    by = actor_or_application(actor)
    checked = validated_arguments(job, arguments)
    return tasks.create_task(
        get_state().session,
        author_id=_author(author, by),
        job=job,
        arguments=checked,
        masked=get_job(job).masked.union(masked),
        name=_name(name),
        enabled=enabled,
        schedule=_schedule(schedule),
        slot_interval_seconds=get_state().settings.launch_interval_seconds,
        actor=by,
    )


def edit_task(
    task: int | str,
    *,
    version: int | None = None,
    job: str | None = None,
    arguments: Mapping[str, object] | None = None,
    name: str | None = None,
    masked: Collection[str] = (),
    enabled: bool | None = None,
    schedule: ScheduleInput | None = None,
    actor: Actor | None = None,
) -> Task:
    """Change a task; None keeps a value, and its author stays.

    Values that stay aren't validated: the job may be unregistered, or expect other arguments now.

    Args:
        version: The task's version when someone began to edit it; by default the current one.
        arguments: Replace all arguments.
        name: Empty text for no name.
        schedule: ``ScheduleInput()`` for the common slot.

    Raises:
        EditConflict: If someone changed it since *version*.
        UnknownTask: If there is no such task, or several with this name.
    """
    session, current = get_state().session, existing_task(task)
    new_job = current.job if job is None else job
    given = current.arguments if arguments is None else arguments
    hidden = {*current.masked, *masked}
    if new_job != current.job or not same_values(given, current.arguments):
        given = validated_arguments(new_job, given)
        hidden = {*get_job(new_job).masked, *hidden.intersection(given)}
    before = input_of(find_schedule(session, current.id))
    return tasks.update_task(
        session,
        current,
        version=current.version if version is None else version,
        job=new_job,
        arguments=given,
        masked=hidden,
        name=current.name if name in (None, current.name) else _name(name),
        enabled=current.enabled if enabled is None else enabled,
        schedule=before if schedule in (None, before) else _schedule(schedule),
        slot_interval_seconds=get_state().settings.launch_interval_seconds,
        actor=actor_or_application(actor),
    )


def clone_task(task: int | str, *, actor: Actor | None = None) -> Task:
    """Create a paused copy of a task with its schedule; its author is the actor, or stays.

    Raises:
        UnknownTask: If there is no such task, or several with this name.
        Unstorable: If an earlier release stored a value that can't be stored any more.
    """
    original, by = existing_task(task), actor_or_application(actor)
    return tasks.clone_task(
        get_state().session,
        original,
        author_id=original.created_by if by.user_id is None else by.user_id,
        slot_interval_seconds=get_state().settings.launch_interval_seconds,
        actor=by,
    )


def delete_tasks(task_ids: Collection[int], *, actor: Actor | None = None) -> DeletionCounts:
    """Delete tasks with their results, and return the numbers of both."""
    session, by = get_state().session, actor_or_application(actor)
    deleted = [tasks.delete_tasks(session, batch, actor=by) for batch in batches(task_ids)]
    return DeletionCounts(sum(one.tasks for one in deleted), sum(one.results for one in deleted))


def delete_task(
    task: int | str, *, version: int | None = None, actor: Actor | None = None
) -> DeletionCounts:
    """Delete a task with its results, and return the numbers of both.

    Args:
        version: The task's version when someone decided to; by default whatever is there.

    Raises:
        EditConflict: If someone changed it since *version*.
        UnknownTask: If there is no such task, or several with this name.
    """
    one = existing_task(task)
    by = actor_or_application(actor)
    return tasks.delete_tasks(get_state().session, [one.id], version=version, actor=by)


def pause_task(
    task: int | str,
    *,
    note: str | None = None,
    resume_at: datetime | None = None,
    actor: Actor | None = None,
) -> Task:
    """Pause a task, and return it; see ``pause_tasks``.

    Raises:
        InvalidPause: If *resume_at* has no zone, has passed or is after 2999.
        UnknownTask: If there is no such task, or several with this name.
    """
    paused = existing_task(task)
    pause_tasks([paused.id], note=note, resume_at=resume_at, actor=actor)
    return paused


def pause_tasks(
    task_ids: Collection[int],
    *,
    note: str | None = None,
    resume_at: datetime | None = None,
    actor: Actor | None = None,
) -> int:
    """Pause tasks, and return how many are paused.

    Their due times are recorded as skipped. A task that is already paused gets the new note.

    Args:
        note: The reason, at most 500 characters.
        resume_at: When the launcher resumes them; None if only people do.

    Raises:
        InvalidPause: If *resume_at* has no zone, has passed or is after 2999.
    """
    if resume_at is not None and resume_at.tzinfo is None:
        raise InvalidPause(f"{resume_at} has no zone: add one, such as +00:00.")
    if resume_at is not None and resume_at <= datetime.now(UTC):
        raise InvalidPause(f"{resume_at} has passed: choose a later time, or none.")
    if resume_at is not None and resume_at > LATEST_DUE:
        raise InvalidPause(f"{resume_at} is after the year 2999: choose an earlier time, or none.")
    session, by = get_state().session, actor_or_application(actor)
    return sum(
        pauses.pause_tasks(session, batch, actor=by, note=note, resume_at=resume_at)
        for batch in batches(task_ids)
    )


def resume_task(task: int | str, *, actor: Actor | None = None) -> Task:
    """Resume a task, if it is paused, and return it.

    Raises:
        UnknownTask: If there is no such task, or several with this name.
    """
    resumed = existing_task(task)
    resume_tasks([resumed.id], actor=actor)
    return resumed


def resume_tasks(task_ids: Collection[int], *, actor: Actor | None = None) -> int:
    """Resume tasks, and return how many were paused."""
    session, by = get_state().session, actor_or_application(actor)
    return sum(pauses.resume_tasks(session, batch, actor=by) for batch in batches(task_ids))


def validated_arguments(job: str, arguments: Mapping[str, object]) -> dict[str, Any]:
    """Validate *arguments* and return them in stored form."""
    problems = get_job(job).problems(arguments)
    if problems:
        raise InvalidArguments(
            " ".join(map(str, problems)),
            problems=[(problem.field, problem.message) for problem in problems],
        )
    return get_job(job).to_json(arguments)


def _author(author: int | str | None, actor: Actor) -> int:
    if isinstance(author, str):
        user = users.find_user(get_state().session, author)
        author = None if user is None else user.id
    elif author is None:
        author = actor.user_id
    if author is None or not can_be_id(author) or get_state().session.get(User, author) is None:
        raise UnknownUser("There is no such author: name a user of taskadmin.")
    return author


def _name(name: str | None) -> str | None:
    name = (name or "").strip()
    if len(name) > _MAX_NAME_LENGTH or not name.isprintable():
        raise Unstorable(f"A name has at most {_MAX_NAME_LENGTH} printable characters.")
    return name or None


def _schedule(schedule: ScheduleInput | None) -> ScheduleInput | None:
    state = get_state()
    return schedule and schedule.checked(
        now=clock.now(state.session), slot_interval_seconds=state.settings.launch_interval_seconds
    )


def batches(ids: Collection[int], *, largest: int = MAX_ID) -> Iterator[Sequence[int]]:
    """Yield those of *ids* that may exist, in batches for one transaction each."""
    possible = possible_ids(ids, largest=largest)
    for begin in range(0, len(possible), MAX_ROWS_PER_TRANSACTION):
        yield possible[begin : begin + MAX_ROWS_PER_TRANSACTION]


def actor_or_application(actor: Actor | None) -> Actor:
    """Return the actor of the audit entry; by default the application."""
    return actor or Actor(None, current_app.name, "application")
