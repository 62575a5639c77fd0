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
#: Pages below the site's address.
RUN_PAGE, TASK_PAGE = "runs/details/?id={}", "tasks/details/?id={}"
OTHER_PAGES = {NotifiedEvent.LATE: "launches/?show=missed"}
PROCESSES_PAGE = "workers/"
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
    #: Address of the page with more; None if the site's address isn't known.
    url: str | None = None

    def line(self) -> str:
        which = "" if self.task_id is None else f" (task {self.task_id})"
        link = "" if self.url is None else f"\n  {self.url}"
        return f"- {self.number:,} × {self.name}{which}{link}"


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
                        {
                            "name": it.name,
                            "count": it.number,
                            "task_id": it.task_id,
                            "url": it.url,
                        }
                        for it in one.subjects
                    ],
                }
                for one in self.told
            ],
            "errors": [
                {"error": error.name, "count": error.number, "url": error.url}
                for error in self.errors
            ],
        }


class Composer:
    """Composes a site's messages."""

    def __init__(self, session: Session, site: str, site_url: str | None) -> None:
        self._session, self._site, self._site_url = session, site, site_url

    def compose(self, *which: ColumnElement[bool]) -> GatheredMessage:
        """Gather the notices that match *which*; a few queries, whatever their number."""
        count = func.count().label("count")
        counts = {
            NotifiedEvent(event): number
            for event, number in self._session.execute(
                select(EventNotice.event, count).where(*which).group_by(EventNotice.event)
            )
        }
        told = [
            Told(event, counts[event], self._subjects(event, *which))
            for event in NotifiedEvent
            if event in counts
        ]
        return GatheredMessage(self._site, told, self._errors(*which))

    def _subjects(self, event: NotifiedEvent, *which: ColumnElement[bool]) -> list[Counted]:
        count = func.count().label("count")
        notice = EventNotice
        rows = self._session.execute(
            select(notice.task_id, notice.subject, count, func.max(notice.run_id).label("run_id"))
            .where(*which, notice.event == event)
            .group_by(notice.task_id, notice.subject)
            .order_by(count.desc(), notice.task_id, notice.subject)
            .limit(LISTED)
        ).all()
        ids = [row.task_id for row in rows if row.task_id is not None]
        of_tasks = self._session.execute(select(Task.id, Task.name).where(Task.id.in_(ids)))
        names = {row.id: row.name for row in of_tasks}
        found = []
        for task_id, subject, number, run_id in rows:
            name = _shortened(names.get(task_id) or subject or "Unnamed task", _NAME_CHARACTERS)
            page = OTHER_PAGES.get(event, PROCESSES_PAGE)
            if task_id is not None:
                one = number == 1 and run_id is not None
                page = RUN_PAGE.format(run_id) if one else TASK_PAGE.format(task_id)
            found.append(Counted(name, number, task_id, self._url(page)))
        return found

    def _errors(self, *which: ColumnElement[bool]) -> list[Counted]:
        """Count runs by exception; the newest run of each has the example of a message."""
        # A run may have several notices: one for each rule.
        count = func.count(EventNotice.run_id.distinct()).label("count")
        rows = self._session.execute(
            select(EventNotice.error_type, count, func.max(EventNotice.run_id).label("run_id"))
            .where(*which, EventNotice.error_type.is_not(None))
            .group_by(EventNotice.error_type)
            .order_by(count.desc(), EventNotice.error_type)
            .limit(LISTED_ERRORS)
        ).all()
        ids = [row.run_id for row in rows]
        of_runs = select(TaskResult.id, TaskResult.error).where(TaskResult.id.in_(ids))
        texts = {row.id: row.error for row in self._session.execute(of_runs)}
        found = []
        for error_type, number, run_id in rows:
            said = message_of(texts.get(run_id), error_type)
            name = f"{error_type}: {said}" if said else error_type or ""
            name = _shortened(name, _ERROR_CHARACTERS)
            found.append(Counted(name, number, url=self._url(RUN_PAGE.format(run_id))))
        return found

    def _url(self, page: str) -> str | None:
        return None if self._site_url is None else f"{self._site_url.rstrip('/')}/{page}"


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
