"""What the page of a run shows beside the run's own columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from ..jobs import all_jobs
from ..models import RunProgress, RunState, TaskResult
from ..store.progress import find_progress
from ..store.run_details import Retry, retries_of
from .shown_arguments import arguments_of
from .tracebacks import Place, message_of, own_place


class Attempt(NamedTuple):
    """One attempt of a run, as its log has it."""

    number: int
    started_at: datetime | None
    ended_at: datetime | None
    worker: str
    error_type: str | None
    error: str | None

    @property
    def took(self) -> timedelta | None:
        """How long it took."""
        if self.started_at is None or self.ended_at is None:
            return None
        return max(self.ended_at - self.started_at, timedelta())

    @property
    def place(self) -> Place | None:
        """Where in somebody's own code it failed."""
        return own_place(self.error)

    @property
    def message(self) -> str:
        """What the exception said, in one line."""
        return message_of(self.error, self.error_type)


class Step(NamedTuple):
    """A state that a run came to, and what it did in it until the next one."""

    #: A word of ``RunState``.
    state: str
    at: datetime
    #: None while it lasts, and for the last one.
    lasted: timedelta | None = None
    #: Which attempt began, if there may be several.
    attempt: int | None = None
    worker: str = ""
    error_type: str | None = None


class Line(NamedTuple):
    """A line that the job wrote."""

    at: datetime | None
    attempt: int
    text: str


class Gap(NamedTuple):
    """Due times at which nothing was launched, for which one row stands."""

    first: datetime | None
    last: datetime | None
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """A run with everything that is known of it."""

    run: TaskResult
    progress: RunProgress | None
    retries: Sequence[Retry]

    @property
    def is_finished(self) -> bool:
        """Whether nothing of it changes any more."""
        return self.run.finished_at is not None

    @property
    def is_queued(self) -> bool:
        """Whether it waits, so that it can be cancelled without a word to any worker."""
        return self.run.state == RunState.QUEUED

    @property
    def can_have_other_arguments(self) -> bool:
        """Whether its job is still its task's, and registered, so that it can be asked for them."""
        return self.run.job == self.run.task.job and self.run.job in all_jobs()

    @property
    def arguments(self) -> dict[str, Any]:
        """Its arguments, without secrets."""
        return arguments_of(self.run)

    @property
    def attempts(self) -> list[Attempt]:
        """Its attempts, the newest first; a run that succeeded at once keeps no log of them."""
        run = self.run
        entries = [entry for entry in run.attempt_log or () if isinstance(entry, dict)]
        found = [
            Attempt(
                entry.get("attempt") or 0,
                _moment(entry.get("started_at")),
                _moment(entry.get("ended_at")),
                entry.get("worker") or "",
                entry.get("error_type"),
                entry.get("error"),
            )
            for entry in reversed(entries)
        ]
        if run.error_type is None:
            return found
        # The run keeps more of the last error than the log, which short jobs have none of.
        newest = found[0] if found and found[0].number == run.attempts else None
        if newest is not None:
            return [newest._replace(error=run.error or newest.error), *found[1:]]
        last = Attempt(
            *(max(run.attempts, 1), run.started_at, run.finished_at, run.worker or ""),
            *(run.error_type, run.error),
        )
        return [last, *found]

    @property
    def failure(self) -> Attempt | None:
        """The attempt that it failed with."""
        return self.attempts[0] if self.run.error_type is not None else None

    @property
    def steps(self) -> list[Step]:
        """Its states in order, with how long each lasted."""
        run = self.run
        several = run.max_attempts > 1 or run.attempts > 1
        steps = [Step("queued", run.queued_at)]
        logged = list(reversed(self.attempts))
        if run.started_at and (not logged or logged[-1].number < run.attempts):
            logged.append(Attempt(run.attempts, run.started_at, None, run.worker or "", None, None))
        for attempt in logged:
            if attempt.started_at is None:
                continue  # it never began
            number = attempt.number if several else None
            steps.append(Step("running", attempt.started_at, None, number, attempt.worker))
            # The end of the last attempt is the run's, unless it was cancelled before the next.
            if attempt.ended_at is not None and attempt.ended_at != run.finished_at:
                steps.append(Step("queued", attempt.ended_at, None, number, "", attempt.error_type))
        if run.finished_at is not None:
            steps.append(Step(run.state, run.finished_at, error_type=run.error_type))
        pairs = zip(steps, [*steps[1:], None], strict=True)
        return [
            step if then is None else step._replace(lasted=max(then.at - step.at, timedelta()))
            for step, then in pairs
        ]

    @property
    def in_all(self) -> timedelta | None:
        """From being queued to being finished."""
        finished_at = self.run.finished_at
        return None if finished_at is None else max(finished_at - self.run.queued_at, timedelta())

    @property
    def lines(self) -> list[Line]:
        """What the job said, the oldest first."""
        if self.progress is None:
            return []
        return [Line(_moment(at), attempt, text) for at, attempt, text in self.progress.lines]

    @property
    def share(self) -> float | None:
        """How much is done, from 0 to 1, if the job says so."""
        return self.progress.progress if self.progress is not None else None

    @property
    def gap(self) -> Gap | None:
        """The due times that it stands for, if nothing was launched for a while."""
        output = self.run.output
        missed = output.get("missed") if isinstance(output, dict) else None
        if self.run.state != RunState.SKIPPED or not isinstance(missed, dict):
            return None
        return Gap(_moment(missed.get("first")), _moment(missed.get("last")), missed["count"])

    @property
    def output(self) -> str | None:
        """What the job returned, if it is no number, as JSON for people."""
        if self.run.output is None or self.gap is not None:
            return None
        return json.dumps(self.run.output, ensure_ascii=False, indent=2)


def run_page(session: Session, run: TaskResult) -> RunPage:
    """What the page of *run* shows; three queries."""
    progress = find_progress(session, [run.id]).get(run.id)
    return RunPage(run=run, progress=progress, retries=retries_of(session, run.id))


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
