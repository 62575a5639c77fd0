"""Gather notices into one message: counts, the most affected tasks, the commonest errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from ...models import EventNotice, NotifiedEvent, Task, TaskResult
from ...values.tracebacks import message_of

#: Maximum tasks, or other subjects, of each event, and maximum errors of a message.
LISTED, LISTED_ERRORS = 10, 5
_TITLE_CHARACTERS, _NAME_CHARACTERS, _ERROR_CHARACTERS = 200, 100, 200
#: The sentence of each event for one notice and for several. Messages are in English.
_SENTENCES = {
    NotifiedEvent.FAILED: ("1 run failed", "{} runs failed"),
    NotifiedEvent.FIRST_FAILURE: (
        "1 task failed after a success",
        "{} tasks failed after a success",
    ),
    NotifiedEvent.FAILED_IN_A_ROW: (
        "1 task failed several times in a row",
        "{} tasks failed several times in a row",
    ),
    NotifiedEvent.RECOVERED: ("1 task recovered", "{} tasks recovered"),
    NotifiedEvent.LATE: ("1 run is late or was missed", "{} runs are late or were missed"),
    NotifiedEvent.SLOW: (
        "1 run took longer than expected",
        "{} runs took longer than expected",
    ),
    NotifiedEvent.PAUSED: (
        "1 task was paused after too many failures",
        "{} tasks were paused after too many failures",
    ),
    NotifiedEvent.RESUMED: ("1 pause is over", "{} pauses are over"),
    NotifiedEvent.SILENT: ("Beat or the launcher is silent", "Beat or the launcher is silent"),
    NotifiedEvent.NO_CONSUMER: ("1 queue has no consumer", "{} queues have no consumer"),
}


class Counted(NamedTuple):
    """A task, another subject or an error, and how many notices it has."""

    name: str
    number: int
    #: None if it isn't a task.
    task_id: int | None = None

    def line(self) -> str:
        which = "" if self.task_id is None else f" (task {self.task_id})"
        return f"- {self.number:,} × {self.name}{which}"


class Told(NamedTuple):
    """One event with the subjects that have most notices."""

    event: NotifiedEvent
    number: int
    subjects: Sequence[Counted]

    @property
    def sentence(self) -> str:
        """The event in words."""
        one, many = _SENTENCES[self.event]
        return one if self.number == 1 else many.format(f"{self.number:,}")


@dataclass(frozen=True, slots=True)
class GatheredMessage:
    """What a channel is told at once."""

    site: str
    told: Sequence[Told]
    errors: Sequence[Counted]

    @property
    def title(self) -> str:
        """One line."""
        sentences = ", ".join(one.sentence for one in self.told)
        return _shortened(f"{self.site}: {sentences}", _TITLE_CHARACTERS)

    @property
    def text(self) -> str:
        """Several lines of plain text, at most about 16,000 characters."""
        lines: list[str] = []
        for one in self.told:
            lines += [one.sentence, *(subject.line() for subject in one.subjects), ""]
        if self.errors:
            lines += ["Commonest errors", *(error.line() for error in self.errors)]
        return "\n".join(lines).strip()

    @property
    def details(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "events": [
                {
                    "event": one.event.value,
                    "count": one.number,
                    "subjects": [
                        {"name": it.name, "count": it.number, "task_id": it.task_id}
                        for it in one.subjects
                    ],
                }
                for one in self.told
            ],
            "errors": [{"error": error.name, "count": error.number} for error in self.errors],
        }


def compose(session: Session, site: str, *which: ColumnElement[bool]) -> GatheredMessage:
    """Gather the notices that match *which*; a few queries, whatever their number."""
    count = func.count().label("count")
    counts = {
        NotifiedEvent(event): number
        for event, number in session.execute(
            select(EventNotice.event, count).where(*which).group_by(EventNotice.event)
        )
    }
    told = [
        Told(event, counts[event], _subjects(session, *which, EventNotice.event == event))
        for event in NotifiedEvent
        if event in counts
    ]
    return GatheredMessage(site, told, _errors(session, *which))


def _subjects(session: Session, *which: ColumnElement[bool]) -> list[Counted]:
    count = func.count().label("count")
    rows = session.execute(
        select(EventNotice.task_id, EventNotice.subject, count)
        .where(*which)
        .group_by(EventNotice.task_id, EventNotice.subject)
        .order_by(count.desc(), EventNotice.task_id, EventNotice.subject)
        .limit(LISTED)
    ).all()
    ids = [row.task_id for row in rows if row.task_id is not None]
    of_tasks = session.execute(select(Task.id, Task.name).where(Task.id.in_(ids)))
    names = {row.id: row.name for row in of_tasks}
    return [
        Counted(
            _shortened(names.get(task_id) or subject or "Unnamed task", _NAME_CHARACTERS),
            number,
            task_id,
        )
        for task_id, subject, number in rows
    ]


def _errors(session: Session, *which: ColumnElement[bool]) -> list[Counted]:
    """Count runs by exception; the newest run of each has the example of a message."""
    # A run may have several notices: one for each rule.
    count = func.count(EventNotice.run_id.distinct()).label("count")
    rows = session.execute(
        select(EventNotice.error_type, count, func.max(EventNotice.run_id).label("run_id"))
        .where(*which, EventNotice.error_type.is_not(None))
        .group_by(EventNotice.error_type)
        .order_by(count.desc(), EventNotice.error_type)
        .limit(LISTED_ERRORS)
    ).all()
    ids = [row.run_id for row in rows]
    of_runs = select(TaskResult.id, TaskResult.error).where(TaskResult.id.in_(ids))
    texts = {row.id: row.error for row in session.execute(of_runs)}
    found = []
    for error_type, number, run_id in rows:
        said = message_of(texts.get(run_id), error_type)
        name = f"{error_type}: {said}" if said else error_type
        found.append(Counted(_shortened(name or "", _ERROR_CHARACTERS), number))
    return found


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
