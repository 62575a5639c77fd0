"""Reading one task of a file: checked against the jobs, the users and the task that is there."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..errors import InvalidUsername
from ..models import Task
from ..schedules import InvalidSchedule
from .as_code import (
    KEPT,
    SCHEDULE_KEYS,
    Lines,
    name_of_field,
    read_moment,
    read_schedule,
)
from .pauses import NOTE_LENGTH
from .schedules import ScheduleInput
from .task_entries import Entry, Known, Pause, Problem, changes, same_values
from .usernames import normalize_username

_KEYS = ("id", "name", "job", "arguments", "author", "paused", "schedule")
_PAUSE_KEYS = ("note", "until")
_NAME_LENGTH = 200


class _Wrong(Exception):
    """The entry can't be read any further."""


class Reader:
    """Reads entries; what is wrong is gathered in ``problems``."""

    def __init__(self, known: Known) -> None:
        self.problems: list[Problem] = []
        self._known = known
        self._place = ""
        self._raw: Any = None
        self._line: int | None = None
        # Many tasks have the same schedule, and checking looks for its next due time.
        self._checked: dict[ScheduleInput, ScheduleInput | InvalidSchedule] = {}

    def read(self, number: int, raw: Any) -> Entry | None:
        """The entry, or None if something is wrong with it."""
        self._place, self._raw = f"task {number}", raw
        self._line = getattr(raw, "line", None)
        before = len(self.problems)
        try:
            entry = self._read(raw)
        except _Wrong:
            return None
        return entry if len(self.problems) == before else None

    def say(self, message: str, *, of: Any = None, name: str | None = None) -> None:
        """Note a problem of the mapping *of*, at the line of *name* if it has one."""
        where = self._raw if of is None else of
        line = self._line
        if isinstance(where, Lines):
            line = where.lines.get(name or "", where.line)
        self.problems.append(Problem(line, self._place, message))

    def _stop(self, message: str, *, name: str | None = None) -> _Wrong:
        self.say(message, name=name)
        return _Wrong()

    def _read(self, raw: Any) -> Entry:
        if not isinstance(raw, Mapping):
            raise self._stop("A task is a mapping of names to values.")
        name = raw.get("name")
        if isinstance(name, str) and name.strip():
            self._place = " ".join(name.split())[:60]
        elif "id" in raw:
            self._place = f"id {raw['id']}"[:60]
        self._check_names(raw, _KEYS)
        task = self._task(raw, name)
        self._check_name(name, task)
        job_name = raw.get("job", task.job if task else None)
        if not isinstance(job_name, str):
            raise self._stop("It has no job." if job_name is None else "job is a text.", name="job")
        author_id = self._author(raw, task)
        pause = self._pause(raw, task)
        schedule = self._schedule(raw, task)
        found = self._arguments(raw, job_name, task)
        if found is None or schedule is None or author_id is None:
            raise _Wrong
        arguments, masked = found
        before, after = changes(
            self._known,
            task,
            name=name,
            job=job_name,
            arguments=arguments,
            masked=masked,
            schedule=schedule,
            pause=pause,
        )
        return Entry(
            line=self._line,
            place=self._place,
            name=name,
            job=job_name,
            arguments=arguments,
            masked=masked,
            author_id=author_id,
            pause=pause,
            schedule=schedule,
            task=task,
            before=before,
            after=after,
        )

    def _check_names(self, given: Mapping[Any, Any], known: Collection[str], of: str = "") -> None:
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(str(name), sorted(known), n=1, cutoff=0.5)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
                self.say(f"{of}{str(name)[:60]} is unknown; {hint}", of=given, name=name)

    def _check_name(self, name: Any, task: Task | None) -> None:
        if name is None or (task is not None and task.name == name):
            return
        fits = isinstance(name, str) and name.isprintable() and name.strip() == name
        if not fits or not 0 < len(name) <= _NAME_LENGTH:
            raise self._stop(
                f"name is a text of 1 to {_NAME_LENGTH} characters that can be seen.", name="name"
            )

    def _task(self, raw: Mapping[Any, Any], name: Any) -> Task | None:
        if "id" in raw:
            number = raw["id"]
            whole = isinstance(number, int) and not isinstance(number, bool)
            found = self._known.by_id.get(number) if whole else None
            if found is None:
                raise self._stop(
                    f"There is no task {str(number)[:40]}; leave id out for a new one.", name="id"
                )
            return found
        if name is None:
            raise self._stop("It has neither name nor id.")
        same = self._known.by_name.get(name, []) if isinstance(name, str) else []
        if len(same) > 1:
            ids = ", ".join(str(task.id) for task in same[:10])
            raise self._stop(f"Several tasks have this name: add the id, one of {ids}.")
        return same[0] if same else None

    def _arguments(
        self, raw: Mapping[Any, Any], job_name: str, task: Task | None
    ) -> tuple[Mapping[str, Any], Collection[str]] | None:
        """The arguments as they are stored, and which of them are secrets."""
        stays = task is not None and task.job == job_name
        stored = task.arguments if task is not None and stays else {}
        given = raw.get("arguments", stored if task is not None and stays else {})
        if not isinstance(given, Mapping):
            self.say("arguments is a mapping of names to values.", name="arguments")
            return None
        job = self._known.jobs.get(job_name)
        masked = (job.masked if job else frozenset()) | (
            frozenset(task.masked) if task is not None and stays else frozenset()
        )
        arguments = dict(given)
        kept = [name for name in masked if given.get(name) == KEPT]
        missing = [name for name in kept if name not in stored]
        arguments |= {name: stored[name] for name in kept if name in stored}
        if stays and not missing and same_values(stored, arguments):
            # As it is stored it stays, also where the job is gone or wants other arguments now.
            return stored, task.masked if task is not None else ()
        if job is None:
            near = difflib.get_close_matches(job_name, self._known.jobs, n=1)
            hint = f"; did you mean {near[0]}?" if near else "."
            self.say(
                f"No job is registered under the name {job_name[:100]}{hint}", of=raw, name="job"
            )
            return None
        for name in sorted(missing):
            self.say(
                f"The secret {name} isn't stored yet: the file must have it once.",
                of=given,
                name=name,
            )
        if missing:
            return None
        problems = job.problems(arguments)
        for problem in problems:
            at = problem.field if problem.field in given else None
            where = given if at or isinstance(given, Lines) else raw
            self.say(f"arguments: {problem}", of=where, name=at)
        if problems:
            return None
        return job.to_json(arguments), job.masked | (masked & set(kept))

    def _schedule(self, raw: Mapping[Any, Any], task: Task | None) -> ScheduleInput | None:
        given = raw.get("schedule")
        given = {} if given is None else given
        if not isinstance(given, Mapping):
            self.say("schedule is a mapping of names to values.", name="schedule")
            return None
        problems = len(self.problems)
        self._check_names(given, SCHEDULE_KEYS, "schedule: ")
        if len(self.problems) > problems:
            return None
        try:
            wanted = read_schedule(given)
            if task is not None and wanted == self._known.schedules.get(task.id, ScheduleInput()):
                return wanted  # it may be over, and stays
            return self._check_schedule(wanted)
        except InvalidSchedule as error:
            at = name_of_field(error.field)
            of = given if isinstance(given, Lines) else raw
            self.say(f"schedule: {error}", of=of, name=at)
            return None

    def _check_schedule(self, wanted: ScheduleInput) -> ScheduleInput:
        if wanted not in self._checked:
            try:
                self._checked[wanted] = wanted.checked(
                    now=self._known.moment, slot_interval_s=self._known.slot_interval_s
                )
            except InvalidSchedule as error:
                self._checked[wanted] = error
        found = self._checked[wanted]
        if isinstance(found, InvalidSchedule):
            raise found
        return found

    def _author(self, raw: Mapping[Any, Any], task: Task | None) -> int | None:
        known = self._known
        author = raw.get("author")
        if author is None and task is not None:
            return task.created_by
        if author is None and known.default_author is None:
            self.say("It names no author: add one, or name a user with --as.")
            return None
        wanted = known.default_author if author is None else author
        found = known.authors.get(wanted) if isinstance(wanted, str) else None
        if found is None and isinstance(wanted, str):
            found = known.authors.get(_key(wanted))
        if found is None:
            self.say(f"There is no user called {str(wanted)[:100]}.", name="author")
        elif task is not None and found != task.created_by:
            self.say(f"The author of a task stays: it is {task.author.username}.", name="author")
        return found

    def _pause(self, raw: Mapping[Any, Any], task: Task | None) -> Pause | None:
        given = raw.get("paused", False)
        if isinstance(given, bool):
            return Pause() if given else None
        if not isinstance(given, Mapping):
            self.say("paused is true, false, or has a note or until.", name="paused")
            return None
        self._check_names(given, _PAUSE_KEYS, "paused: ")
        stored = self._known.pauses.get(task.id) if task is not None else None
        note, until = given.get("note"), None
        fits = isinstance(note, str) and 0 < len(note) <= NOTE_LENGTH and "\0" not in note
        if note is not None and not fits:
            self.say(
                f"paused: note is a text of 1 to {NOTE_LENGTH} characters.", of=given, name="note"
            )
        if given.get("until") is not None:
            with self._invalid(given):
                until = read_moment("until", given["until"])
                over = until <= self._known.moment
                if over and (stored is None or stored.resume_at != until):
                    raise InvalidSchedule("until", "until has passed already.")
        return Pause(note.strip() or None if isinstance(note, str) else None, until)

    @contextmanager
    def _invalid(self, given: Mapping[str, Any]) -> Iterator[None]:
        try:
            yield
        except InvalidSchedule as error:
            self.say(f"paused: {error}", of=given, name=error.field)


def _key(username: str) -> str:
    """What a username is compared by."""
    try:
        return normalize_username(username).key
    except InvalidUsername:
        return username
