"""Data of a run's page besides the run's own columns."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from ...jobs import all_jobs
from ...models import RunProgress, RunState, TaskResult
from ...models.result import moment
from ...state import get_state
from ...store.database.clock import now
from ...store.reports.dashboard import readers
from ...store.reports.run_details import Retry, retries_of
from ...store.runs.progress import find_progress
from ...store.tasks.arguments import arguments_of
from ...values.showable import showable
from ...values.storable import Unreadable
from ...values.tracebacks import Place, message_of, own_place

#: Maximum characters of an output on the page; longer ones are to download.
MAX_SHOWN_OUTPUT = 100_000


class LoggedAttempt(NamedTuple):
    """One attempt from the run's log."""

    number: int
    started_at: datetime | None
    ended_at: datetime | None
    worker: str
    error_type: str | None
    error: str | None

    @property
    def took(self) -> timedelta | None:
        """Duration of the attempt."""
        if self.started_at is None or self.ended_at is None:
            return None
        return max(self.ended_at - self.started_at, timedelta())

    @property
    def place(self) -> Place | None:
        """The innermost line of the job's own code in the traceback."""
        return own_place(self.error)

    @property
    def message(self) -> str:
        """The exception's message, on one line."""
        return message_of(self.error, self.error_type)


class StatePeriod(NamedTuple):
    """A state of the run, up to the next one."""

    #: A ``RunState``.
    state: str
    at: datetime
    #: None for the current and for the final state.
    lasted: timedelta | None = None
    #: Number of the attempt that began, if there can be several.
    attempt: int | None = None
    worker: str = ""
    error_type: str | None = None


class LogLine(NamedTuple):
    """A line of the job's log."""

    at: datetime | None
    attempt: int
    text: str


class MissedTimes(NamedTuple):
    """Missed due times that one row stands for."""

    first: datetime | None
    last: datetime | None
    number: int


@dataclass(frozen=True, kw_only=True)
class RunPage:
    """Everything that is known of a run."""

    run: TaskResult
    progress: RunProgress | None
    retries: Sequence[Retry]
    #: Whether it is queued and no worker consumes its queue.
    is_unheard: bool

    @property
    def is_finished(self) -> bool:
        """Whether the run's state is final."""
        return self.run.finished_at is not None

    @property
    def is_queued(self) -> bool:
        """Whether the run can be cancelled without telling a worker."""
        return self.run.state == RunState.QUEUED

    @property
    def can_have_other_arguments(self) -> bool:
        """Whether its job is registered and is still its task's job."""
        return self.run.job == self.run.task.job and self.run.job in all_jobs()

    @property
    def arguments(self) -> dict[str, Any]:
        """The run's arguments, without secrets."""
        return arguments_of(self.run)

    @property
    def attempts(self) -> list[LoggedAttempt]:
        """The attempts, newest first; a run that succeeded at once has no log of them."""
        run = self.run
        entries = [entry for entry in run.attempt_log or () if isinstance(entry, dict)]
        found = [_attempt(showable(entry)) for entry in reversed(entries)]
        if run.error_type is None:
            return found
        # The run's own column holds more of the last error than the log; short jobs have no log.
        newest = found[0] if found and found[0].number == run.attempts else None
        if newest is not None:
            return [newest._replace(error=run.error or newest.error), *found[1:]]
        last = LoggedAttempt(
            *(max(run.attempts, 1), run.started_at, run.finished_at, run.worker or ""),
            *(run.error_type, run.error),
        )
        return [last, *found]

    @property
    def failure(self) -> LoggedAttempt | None:
        """The attempt that the run failed with."""
        return self.attempts[0] if self.run.error_type is not None else None

    @property
    def steps(self) -> list[StatePeriod]:
        """The run's states in order, with the duration of each."""
        run = self.run
        several = run.max_attempts > 1 or run.attempts > 1
        # A run that was skipped when it was due has never been in a queue.
        was_queued = run.state != RunState.SKIPPED or run.finished_at != run.queued_at
        steps = [StatePeriod("queued", run.queued_at)] if was_queued else []
        logged = list(reversed(self.attempts))
        if run.started_at and (not logged or logged[-1].number < run.attempts):
            logged.append(
                LoggedAttempt(run.attempts, run.started_at, None, run.worker or "", None, None)
            )
        for attempt in logged:
            if attempt.started_at is None:
                continue  # never began
            number = attempt.number if several else None
            steps.append(StatePeriod("running", attempt.started_at, None, number, attempt.worker))
            # The last attempt ends with the run, unless the run was cancelled before the next one.
            if attempt.ended_at is not None and attempt.ended_at != run.finished_at:
                steps.append(
                    StatePeriod("queued", attempt.ended_at, None, number, "", attempt.error_type)
                )
        if run.finished_at is not None:
            steps.append(StatePeriod(run.state, run.finished_at, error_type=run.error_type))
        pairs = zip(steps, [*steps[1:], None], strict=True)
        return [
            step if then is None else step._replace(lasted=max(then.at - step.at, timedelta()))
            for step, then in pairs
        ]

    @property
    def in_all(self) -> timedelta | None:
        """Time from queueing to the end."""
        finished_at = self.run.finished_at
        return None if finished_at is None else max(finished_at - self.run.queued_at, timedelta())

    @property
    def lines(self) -> list[LogLine]:
        """The job's log lines, oldest first."""
        if self.progress is None:
            return []
        return [_line(showable(line)) for line in self.progress.lines]

    @property
    def share(self) -> float | None:
        """Progress from 0 to 1, if the job reports it."""
        return self.progress.progress if self.progress is not None else None

    @property
    def gap(self) -> MissedTimes | None:
        """The missed due times that this run stands for."""
        output = self.run.output
        missed = output.get("missed") if isinstance(output, dict) else None
        if self.run.state != RunState.SKIPPED or not isinstance(missed, dict):
            return None
        first, last = moment(missed.get("first")), moment(missed.get("last"))
        return MissedTimes(first, last, missed.get("count") or 0)

    @property
    def shown_output(self) -> str | None:
        """The output, cut at a line if it is too long for a page."""
        output = self.output
        if output is None or len(output) <= MAX_SHOWN_OUTPUT:
            return output
        return output[:MAX_SHOWN_OUTPUT].rpartition("\n")[0] or output[:MAX_SHOWN_OUTPUT]

    @cached_property
    def output(self) -> str | None:
        """The job's return value as JSON, if it isn't a number."""
        if self.run.output is None or self.gap is not None:
            return None
        output = showable(self.run.output)
        if isinstance(self.run.output, Unreadable):
            return str(output)
        return json.dumps(output, ensure_ascii=False, indent=2)

    @property
    def trace_id(self) -> str | None:
        """The id of the trace that the launch began in, if it is known."""
        return None if self.run.launch is None else self.run.launch.trace_id

    @property
    def trace_url(self) -> str | None:
        """Address of the trace, by ``TASKADMIN_TRACE_URL``."""
        template = get_state().settings.trace_url
        return template and template.replace("{trace_id}", self.trace_id or "")


def run_page(session: Session, run: TaskResult) -> RunPage:
    """Load the data of a run's page; runs three queries, and one more while it is queued."""
    progress = find_progress(session, [run.id]).get(run.id)
    return RunPage(
        run=run,
        progress=progress,
        retries=retries_of(session, run.id),
        is_unheard=run.state == RunState.QUEUED and run.queue not in _consumed(session),
    )


def _consumed(session: Session) -> Collection[str]:
    lease = timedelta(seconds=get_state().settings.lease_seconds)
    return readers(session, since=now(session) - lease).queues


def _attempt(entry: dict[str, object]) -> LoggedAttempt:
    def text(name: str) -> str | None:
        value = entry.get(name)
        return value if value is None or isinstance(value, str) else json.dumps(value)

    number = entry.get("attempt")
    return LoggedAttempt(
        number if isinstance(number, int) else 0,
        moment(entry.get("started_at")),
        moment(entry.get("ended_at")),
        text("worker") or "",
        text("error_type"),
        text("error"),
    )


def _line(line: object) -> LogLine:
    match line:
        case [at, int() as attempt, str() as text]:
            return LogLine(moment(at), attempt, text)
        case _:  # not written by taskadmin
            return LogLine(None, 0, str(line))
