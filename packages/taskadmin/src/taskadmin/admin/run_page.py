"""What the page of a run shows beside the run's own columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from ..jobs import all_jobs
from ..models import RunProgress, RunState, TaskResult
from ..store.progress import find_progress
from ..store.run_details import Retry, retries_of
from .shown_arguments import arguments_of


class Attempt(NamedTuple):
    """One attempt of a run, as its log has it."""

    number: int
    started_at: datetime | None
    ended_at: datetime | None
    worker: str
    error_type: str | None
    error: str | None


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
        entries = [entry for entry in self.run.attempt_log or () if isinstance(entry, dict)]
        return [
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
