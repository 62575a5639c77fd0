"""The doctor's checks of beat, launcher and workers, waiting runs and growing tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from services.doctor import examined
from taskadmin.health import Status
from taskadmin.health.checks import ledger
from taskadmin.models import Launch, LaunchKind, LaunchState, Process, ProcessKind, TaskResult

DAY = 86400.0


# Beat, launcher, workers


@pytest.mark.parametrize(
    ("check", "kind", "said"),
    [
        ("beat", ProcessKind.BEAT, "beat@here (pid 7) sends no ticks: last seen"),
        ("workers", ProcessKind.WORKER, "No worker is running: worker@here was last seen"),
    ],
)
def test_silent_processes(
    app: Flask, add_process: Callable[..., Process], check: str, kind: ProcessKind, said: str
) -> None:
    """With the length of the silence, since no launcher may be there to mark them as gone."""
    add_process(kind, silent=50)

    found = examined(app)[check]

    assert found.status == Status.PROBLEM
    seconds = re.fullmatch(rf"{re.escape(said)} ([\d.]+) sec ago\.", found.found)
    assert seconds is not None, found.found
    assert 50 <= float(seconds[1]) < 80


@pytest.mark.settings(TASKADMIN_TICK_SECONDS=30)
def test_slow_ticks_get_more_patience(
    app: Flask, add_process: Callable[..., Process], tick: Callable[[float], None]
) -> None:
    """Three of them."""
    add_process(ProcessKind.BEAT, silent=80)
    tick(85)

    found = examined(app)

    assert found["beat"].status == Status.OK
    assert found["launcher"].status == Status.OK


def test_two_beats(app: Flask, add_process: Callable[..., Process]) -> None:
    """A warning, because it is harmless."""
    add_process(ProcessKind.BEAT, name="beat@a", pid=1)
    add_process(ProcessKind.BEAT, name="beat@b", pid=2)

    found = examined(app)["beat"]

    assert found.status == Status.WARNING
    assert found.found == (
        "2 beats run: beat@a (pid 1), beat@b (pid 2). Nothing is launched twice, but one is enough."
    )


def test_beat_without_a_launcher(
    app: Flask, add_process: Callable[..., Process], tick: Callable[[float], None]
) -> None:
    """Nothing reads its ticks."""
    add_process(ProcessKind.BEAT)
    assert examined(app)["launcher"].found == "No launcher has run yet."

    tick(3600)

    found = examined(app)["launcher"]
    assert found.status == Status.PROBLEM
    assert found.found == "No launcher is running: the last one was active 1 hr ago."
    assert found.fix == "celery -A <your module> worker -Q taskadmin.launch -P solo"


def test_workers_are_counted_and_named(app: Flask, add_process: Callable[..., Process]) -> None:
    """A few by name; pool children aren't workers."""
    for number in range(7):
        add_process(ProcessKind.WORKER, name=f"w{number}@a")
    add_process(ProcessKind.CHILD)

    assert examined(app)["workers"].found == ("7 workers: w0@a, w1@a, w2@a, w3@a, w4@a and 2 more.")


# Runs and tables


def test_missed_slots_of_the_last_day(app: Flask, add_launch: Callable[..., Launch]) -> None:
    """Earlier ones are ignored."""
    add_launch(LaunchState.MISSED, seconds_ago=2 * DAY, kind=LaunchKind.SLOT)
    assert examined(app)["missed slots"].status == Status.OK

    add_launch(LaunchState.MISSED, seconds_ago=3600, kind=LaunchKind.SLOT)

    found = examined(app)["missed slots"]
    assert found.status == Status.WARNING
    assert found.found == "1 slot of the last 24 hours passed without a launch."


def test_runs_that_wait_for_long(
    app: Flask, session: Session, add_run: Callable[..., TaskResult]
) -> None:
    """Without recent runs and those with a delay."""
    add_run(seconds_ago=500)
    add_run(seconds_ago=5000, not_before=datetime.now(UTC) + timedelta(hours=1))
    assert examined(app)["stuck runs"].found == "Nothing waits for more than 10 min."

    add_run(seconds_ago=5000)

    found = examined(app)["stuck runs"]
    assert found.status == Status.WARNING
    assert found.found == "1 run waited for a worker for more than 10 min."
    assert found.fix == "Start more workers: celery -A <your module> worker -Q taskadmin.runs"


def test_launches_that_dont_get_on(app: Flask, add_launch: Callable[..., Launch]) -> None:
    """A launch that stays open at its beginning has a page that keeps failing."""
    add_launch(LaunchState.OPENING, seconds_ago=100)
    assert examined(app)["stuck runs"].status == Status.OK

    add_launch(LaunchState.OPENING, seconds_ago=1000)
    add_launch(LaunchState.OPENING, seconds_ago=1000)

    assert examined(app)["stuck runs"].found == "2 launches open for more than 10 min."


@pytest.mark.settings(TASKADMIN_RESULT_RETENTION_DAYS=0)
def test_many_results_that_are_kept_for_ever(
    app: Flask, add_run: Callable[..., TaskResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless limits are set."""
    monkeypatch.setattr(ledger, "_MANY_RESULTS", 1)
    add_run(seconds_ago=100 * DAY)
    assert examined(app)["table growth"].status == Status.OK

    add_run(seconds_ago=1)

    found = examined(app)["table growth"]
    assert found.status == Status.WARNING
    assert found.found.startswith("2 results, ")
    assert found.found.endswith(", and none is ever deleted.")


@pytest.mark.settings(TASKADMIN_RESULT_RETENTION_DAYS=0, TASKADMIN_RESULTS_PER_TASK=5)
def test_a_limit_for_each_task_is_a_decision(
    app: Flask, add_run: Callable[..., TaskResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any number of results is fine then."""
    monkeypatch.setattr(ledger, "_MANY_RESULTS", 0)
    add_run(seconds_ago=1)

    assert examined(app)["table growth"].status == Status.OK


@pytest.mark.databases("postgresql")
def test_locked_tables_dont_hold_the_doctor_up(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As during a migration."""
    monkeypatch.setattr(ledger, "_QUERY_TIMEOUT_SECONDS", 0.2)
    session.execute(text("LOCK TABLE taskadmin_launch"))

    found = examined(app)["missed slots"]

    assert found.status == Status.PROBLEM
    assert "statement timeout" in found.found
