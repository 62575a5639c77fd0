"""A worker ends functions that their own processes can't end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from billiard.einfo import ExceptionInfo  # type: ignore[import-untyped]
from celery.exceptions import WorkerLostError
from celery.worker import state
from flask import Flask

from taskadmin.models import ProcessEnd
from taskadmin.queue.worker import overseer, request, scoreboard
from taskadmin.queue.worker.overseer import Overseer
from taskadmin.queue.worker.scoreboard import (
    ENDING,
    LIMIT,
    PID,
    RUN_ID,
    SINCE,
    WANTED,
    Ending,
    ScoreboardRow,
)

PROCESS = 4242


@pytest.fixture
def row() -> Iterator[ScoreboardRow]:
    """A row of a process that executes run 7 since second 1000, for at most 60 s."""
    row = scoreboard._rows[5]
    row.numbers[PID], row.numbers[RUN_ID] = PROCESS, 7
    row.seconds[SINCE], row.seconds[LIMIT] = 1000, 60
    yield row
    for column in (PID, RUN_ID, ENDING, WANTED):
        row.numbers[column] = 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The current time."""
    now = [1000.0]
    monkeypatch.setattr(overseer, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The killed processes; the process has a message."""
    killed: list[Any] = []
    monkeypatch.setattr(os, "kill", lambda *what: killed.append(what))
    monkeypatch.setattr(state, "active_requests", [SimpleNamespace(worker_pid=PROCESS)])
    return killed


@pytest.fixture
def watching(clock: list[float], killed: list[Any]) -> Overseer:
    """An overseer without a checking thread."""
    watching = Overseer()
    watching._thread = object()  # type: ignore[assignment]
    return watching


@pytest.mark.parametrize(
    ("wanted", "ending", "late"),
    [
        (False, Ending.NO, 1062),
        (False, Ending.BEGUN, 1067),
        (True, Ending.NO, 1007),
        (True, Ending.GIVEN_BACK, 1012),
    ],
)
def test_a_process_that_does_not_end_itself_is_killed(
    watching: Overseer,
    row: ScoreboardRow,
    clock: list[float],
    killed: list[Any],
    wanted: bool,
    ending: Ending,
    late: float,
) -> None:
    """Two seconds late, or seven while it is ending itself, if seen twice."""
    row.numbers[ENDING] = ending
    if wanted:
        assert watching.terminate(7, PROCESS)
    assert row.numbers[WANTED] == (7 if wanted else 0)
    for clock[0] in (late - 0.1, late + 0.1):
        watching._look()
    assert killed == []
    watching._look()
    assert killed == [(PROCESS, signal.SIGKILL)]
    why = ProcessEnd.TIME_LIMIT, "It took longer than the job's limit of 60 s."
    if wanted:
        why = ProcessEnd.STOPPED, "A person terminated its run."
    assert watching.why_ended(PROCESS) == (*why, ending == Ending.GIVEN_BACK)


def test_functions_that_come_to_an_end_are_left_alone(
    watching: Overseer, row: ScoreboardRow, clock: list[float], killed: list[Any]
) -> None:
    """The next run has its own limit; a process that crashed exceeded none."""
    clock[0] = 1059
    assert watching.why_ended(PROCESS) is None
    clock[0] = 1063
    watching._look()
    row.seconds[SINCE] = 1062
    watching._look()
    row.numbers[RUN_ID] = 0
    clock[0] = 2000
    watching._look()
    assert killed == []
    assert watching.why_ended(PROCESS) is None


def test_a_process_that_is_gone_is_not_killed(
    watching: Overseer,
    row: ScoreboardRow,
    clock: list[float],
    killed: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its id may have been reused."""
    monkeypatch.setattr(state, "active_requests", [])
    clock[0] = 2000
    watching._look()
    watching._look()
    assert killed == []


def test_a_run_that_is_about_to_begin_is_terminated_then(
    watching: Overseer, row: ScoreboardRow, clock: list[float], killed: list[Any]
) -> None:
    """Within a minute, after which a cancelled run no longer begins."""
    assert watching.terminate(8, PROCESS)
    assert row.numbers[WANTED] == 0
    row.numbers[RUN_ID] = 8
    watching._look()
    assert row.numbers[WANTED] == 8
    clock[0] += 61
    row.numbers[WANTED] = 0
    watching._look()
    assert row.numbers[WANTED] == 0


def test_processes_without_shared_memory_cannot_be_notified(watching: Overseer) -> None:
    """Processes that weren't forked, and those of other pools."""
    assert not watching.terminate(7, PROCESS)
    assert not Overseer().terminate(7, PROCESS)


@pytest.mark.parametrize(
    ("since", "ending", "becomes"),
    [
        (1000, Ending.GIVEN_BACK, "ack"),
        (1000, Ending.BEGUN, "requeue"),
        (1050, Ending.NO, "requeue"),
    ],
)
def test_a_message_of_which_nothing_is_left_does_not_come_back(
    app: Flask,
    watching: Overseer,
    row: ScoreboardRow,
    clock: list[float],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    since: float,
    ending: Ending,
    becomes: str,
) -> None:
    """Released runs have new messages; a crash is logged with a traceback."""
    monkeypatch.setattr(request, "overseer", watching)
    monkeypatch.setattr(request, "_mark_gone", lambda *what: None)
    row.seconds[SINCE], row.numbers[ENDING] = since, ending
    clock[0] = 1061
    celery = app.extensions["taskadmin"].celery
    made = celery.amqp.create_task_message("some-id", "taskadmin.runs", (["2026", [6, 7]],))
    told: list[str] = []
    message = request.LedgerRequest(
        SimpleNamespace(delivery_info={}, properties={}, payload=made.body),
        app=celery,
        body=made.body,
        headers=made.headers,
        decoded=True,
        on_ack=lambda *_: told.append("ack"),
        on_reject=lambda _log, _errors, requeue: told.append("requeue" if requeue else "reject"),
    )
    assert message.run_ids() == {6, 7}
    message.worker_pid = PROCESS
    try:
        raise WorkerLostError("signal 9")
    except WorkerLostError:
        message.on_failure(ExceptionInfo())
    assert told == [becomes]
    assert ("WorkerLostError" in caplog.text) == (since == 1050)
