"""Deliver messages as to a worker, without a worker or a broker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from services.ledger.heartbeats import StubHeartbeat
from services.rows.runs import DUE
from taskadmin.models import RunState, TaskResult
from taskadmin.queue.executor.delivery import Delivery
from taskadmin.queue.executor.execution import Execution
from taskadmin.store.runs.results import UnsentRun


class QueueRuns(Protocol):
    """Register a function as the job ``a_job``, and queue runs of it."""

    def __call__(
        self, function: Callable[..., Any], number: int = ..., **options: Any
    ) -> list[int]:
        """Return the runs' ids; a function with a ``number`` gets the run's position, from 0."""
        ...


class Rows(Protocol):
    """Read runs from the database."""

    def __call__(self, ids: Sequence[int] | None = ...) -> list[TaskResult]:
        """Return these or all, ordered by id; no transaction is open afterwards."""
        ...


class Sent:
    """Replaces the broker: the messages sent, and whether each run was to be alone."""

    def __init__(self) -> None:
        self.runs: list[int] = []
        self.alone: list[bool] = []

    def __call__(self, _session: Session, runs: Sequence[UnsentRun], alone: bool) -> None:
        self.runs += [run.id for run in runs]
        self.alone.append(alone)


def delivery(
    session: Session,
    runs: Collection[int],
    due_at: datetime,
    *,
    worker: str = "w1@host",
    redelivered: bool = False,
    heartbeat: StubHeartbeat | None = None,
    **more: Any,
) -> Delivery:
    """Return a message of these runs."""
    beats: Any = heartbeat or StubHeartbeat(session)
    return Delivery(
        runs=[(run_id, due_at) for run_id in runs],
        worker=worker,
        redelivered=redelivered,
        heartbeat=lambda: beats,
        **more,
    )


#: A released run: no attempt is counted, and the next worker claims it.
LET_GO = (RunState.QUEUED, 0, None, None, 1)


def in_thread(function: Callable[..., Any], *arguments: Any) -> BaseException | None:
    """Call it in a thread, and return what it raised."""
    raised: list[BaseException] = []

    def call() -> None:
        try:
            function(*arguments)
        except BaseException as error:  # noqa: BLE001 - it is returned
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    return raised[0] if raised else None


class Slow:
    """A message of runs with a slow one: the action meanwhile, the run, and the calls."""

    def __init__(self, session: Session, queue: Callable[..., list[int]]) -> None:
        self.meanwhile: Callable[[], None] = lambda: None
        self.slow_one = 1
        self.called: list[int] = []
        self.failed: list[AssertionError] = []
        self.sent = Sent()
        self._session, self._queue = session, queue

    def queue(self, number: int, **options: Any) -> list[int]:
        def a_job(number: int) -> int:
            self.called.append(number)
            if number == self.slow_one:
                try:
                    self.meanwhile()
                except AssertionError as error:  # it would only be the job's
                    self.failed.append(error)
            return number

        self.ids = self._queue(a_job, number, **options)
        return self.ids

    def begin(self, engine: Engine, **options: Any) -> Execution:
        """Begin the execution, which only ``meanwhile`` watches."""
        options = {"send": self.sent, "other_session": lambda: Session(engine), **options}
        self.execution = Execution(self._session, delivery(self._session, self.ids, DUE, **options))
        return self.execution


def abandon(runs: list[TaskResult]) -> set[Any]:
    """Return the values that tell whether these runs were abandoned."""
    return {(run.state, run.attempts, run.token, run.process_id, run.publishes) for run in runs}
