"""Validate a task of a file against the jobs, the users and the stored task."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from ....errors import InvalidUsername
from ....models import Task
from ....schedules import InvalidSchedule
from ....values.storable import escaped_text
from ...people.usernames import normalize_username
from ..schedules import ScheduleInput
from .entries import FileProblem, StoredState, TaskEntry, changes, same_values
from .format import (
    KEPT,
    PauseInFile,
    TaskInFile,
    is_written,
    line_of,
    name_of_field,
    read_task,
)

_MAX_NAME_LENGTH = 200


class _InvalidEntry(Exception):
    """The entry can't be validated further."""


class Reader:
    """Validates entries, and collects ``problems``."""

    def __init__(self, state: StoredState) -> None:
        self.problems: list[FileProblem] = []
        self._state = state
        self._place = ""
        self._raw: object = None
        #: Invalid parts of the entry, which are reported already.
        self._unread: Collection[str | int] = ()
        # Cached: many tasks share a schedule, and validation computes its next due time.
        self._checked: dict[ScheduleInput, ScheduleInput | InvalidSchedule] = {}

    def read(self, number: int, raw: object) -> TaskEntry | None:
        """Return the entry, or None if it has a problem."""
        self._raw, self._unread = raw, ()
        self._place = _place(number, raw)
        before = len(self.problems)
        given, wrong = read_task(raw)
        for path, sentence in wrong:
            self.report(sentence, *path)
        self._unread = {name for path, _ in wrong for name in path[:1]}
        if not isinstance(raw, Mapping) or self._unread & {"id", "name", "job"}:
            return None
        try:
            entry = self._read(given)
        except _InvalidEntry:
            return None
        return entry if len(self.problems) == before else None

    def report(self, message: str, *path: str | int) -> None:
        """Add a problem at the line of *path*."""
        if not path or path[0] not in self._unread:
            line = line_of(self._raw, path)
            self.problems.append(
                FileProblem(line, escaped_text(self._place), escaped_text(message))
            )

    def _stop(self, message: str, *path: str) -> _InvalidEntry:
        self.report(message, *path)
        return _InvalidEntry()

    def _read(self, given: TaskInFile) -> TaskEntry:
        task = self._task(given)
        self._check_name(given.name, task)
        job_name = given.job or (task and task.job)
        if not job_name:
            raise self._stop("It has no job.", "job")
        author_id = self._author(given.author, task)
        self._check_pause(given.paused, task)
        schedule = self._schedule(given, task)
        found = self._arguments(given, job_name, task)
        if found is None or schedule is None or author_id is None:
            raise _InvalidEntry
        arguments, masked = found
        entry = TaskEntry(
            line=line_of(self._raw, ()),
            place=self._place,
            name=given.name,
            job=job_name,
            arguments=arguments,
            masked=masked,
            author_id=author_id,
            pause=given.paused,
            schedule=schedule,
            task=task,
        )
        entry.before, entry.after = changes(entry, self._state)
        return entry

    def _check_name(self, name: str | None, task: Task | None) -> None:
        if name is None or (task is not None and task.name == name):
            return
        if not (name.isprintable() and name.strip() == name and 0 < len(name) <= _MAX_NAME_LENGTH):
            raise self._stop(
                f"name must have 1 to {_MAX_NAME_LENGTH} printable characters.", "name"
            )

    def _task(self, given: TaskInFile) -> Task | None:
        if given.id is not None:
            by_id = self._state.by_id.get(given.id)
            if by_id is None:
                raise self._stop(
                    f"There is no task {str(given.id)[:40]}; leave id out for a new one.", "id"
                )
            return by_id
        if given.name is None:
            raise self._stop("It has neither name nor id.")
        same = self._state.by_name.get(given.name, [])
        if len(same) > 1:
            ids = ", ".join(str(task.id) for task in same[:10])
            raise self._stop(f"Several tasks have this name: add the id, one of {ids}.")
        return same[0] if same else None

    def _arguments(
        self, given: TaskInFile, job_name: str, task: Task | None
    ) -> tuple[Mapping[str, Any], Collection[str]] | None:
        """Return the arguments in stored form, and the names of secrets."""
        stays = task is not None and task.job == job_name
        stored = task.arguments if task is not None and stays else {}
        new = given.arguments if "arguments" in given.model_fields_set else stored
        job = self._state.jobs.get(job_name)
        masked = (job.masked if job else frozenset()) | (
            frozenset(task.masked) if task is not None and stays else frozenset()
        )
        unshown = {name for name, value in stored.items() if not is_written(name, value)}
        kept = [name for name in masked | unshown if new.get(name) == KEPT]
        missing = [name for name in kept if name not in stored]
        arguments = {**new, **{name: stored[name] for name in kept if name in stored}}
        if stays and not missing and same_values(stored, arguments):
            # Unchanged values stay valid, even if the job is unregistered or expects others now.
            return stored, task.masked if task is not None else ()
        if job is None:
            near = difflib.get_close_matches(job_name, self._state.jobs, n=1)
            hint = f"; did you mean {near[0]}?" if near else "."
            self.report(f"No job named {job_name[:100]} is registered{hint}", "job")
            return None
        for name in sorted(missing):
            self.report(
                f"The secret {name} isn't stored yet: the file must have it once.",
                *("arguments", name),
            )
        if missing:
            return None
        problems = job.problems(arguments)
        for problem in problems:
            self.report(f"arguments: {problem}", "arguments", problem.field or "")
        if problems:
            return None
        return job.to_json(arguments), job.masked | (masked & set(kept))

    def _schedule(self, given: TaskInFile, task: Task | None) -> ScheduleInput | None:
        try:
            schedule = given.schedule.as_input() if given.schedule else ScheduleInput()
            if task is not None and schedule == self._state.schedules.get(task.id, ScheduleInput()):
                return schedule  # it may have ended, and stays
            return self._check_schedule(schedule)
        except InvalidSchedule as error:
            self.report(f"schedule: {error}", "schedule", name_of_field(error.field))
            return None

    def _check_schedule(self, schedule: ScheduleInput) -> ScheduleInput:
        if schedule not in self._checked:
            try:
                self._checked[schedule] = schedule.checked(
                    now=self._state.moment, slot_interval_seconds=self._state.slot_interval_seconds
                )
            except InvalidSchedule as error:
                self._checked[schedule] = error
        checked = self._checked[schedule]
        if isinstance(checked, InvalidSchedule):
            raise checked
        return checked

    def _author(self, author: str | None, task: Task | None) -> int | None:
        if author is None and task is not None:
            return task.created_by
        username = self._state.default_author if author is None else author
        if username is None:
            self.report("It has no author: add one, or pass a user with --as.", "author")
            return None
        user_id = self._state.authors.get(username) or self._state.authors.get(_key(username))
        if user_id is None:
            self.report(f"There is no user called {username[:100]}.", "author")
        elif task is not None and user_id != task.created_by:
            self.report(f"A task's author can't change: it is {task.author_name}.", "author")
        return user_id

    def _check_pause(self, pause: PauseInFile | None, task: Task | None) -> None:
        if pause is None or pause.until is None or pause.until > self._state.moment:
            return
        stored = self._state.pauses.get(task.id) if task is not None else None
        if stored is None or stored.resume_at != pause.until:
            self.report("paused: until has already passed.", "paused", "until")


def _place(number: int, raw: object) -> str:
    """Return how people find the entry in the file."""
    given = raw if isinstance(raw, Mapping) else {}
    name = given.get("name")
    if isinstance(name, str) and name.strip():
        return " ".join(name.split())[:60]
    return f"id {given['id']}"[:60] if "id" in given else f"task {number}"


def _key(username: str) -> str:
    """Return the key that a username is compared by."""
    try:
        return normalize_username(username).key
    except InvalidUsername:
        return username
