"""Housekeeping in a launcher's turn: rules, their order and deadline."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.ledger.turns import run_housekeeping, times
from taskadmin.models import (
    Launch,
    LaunchState,
    LedgerState,
    RunState,
    TaskResult,
)
from taskadmin.queue.launcher.steps import housekeeping
from taskadmin.settings import Settings
from taskadmin.store.database.clock import now
from taskadmin.store.notifications import sending
from taskadmin.store.people import api_requests, sessions, throttle
from taskadmin.store.tasks.tasks import delete_tasks
from taskadmin.store.upkeep import minute_counts, processes, pruning

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)

#: Each rule's function, with a result that means more work.
RULES: list[tuple[Any, str, Any]] = [
    (pruning, "prune_deleted", 1),
    (pruning, "prune_old", 1),
    (pruning, "prune_missed", 1),
    (pruning, "prune_per_task", (1, False)),
    (processes, "delete_gone", 1),
    (sessions, "prune_sessions", 1),
    (throttle, "prune", 1),
    (sending, "prune_notices", 1),
    (api_requests, "prune_requests", 1),
    (minute_counts, "count_minutes", True),
]
ALWAYS = {
    "prune_deleted",
    "delete_gone",
    "prune_sessions",
    "prune",
    "prune_notices",
    "prune_requests",
    "count_minutes",
}


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record calls of rules that always have more work."""
    names: list[str] = []

    def replace(module: Any, name: str, answer: Any) -> None:
        def rule(*_: Any, **__: Any) -> Any:
            names.append(name)
            return answer

        monkeypatch.setattr(module, name, rule)

    for one in RULES:
        replace(*one)
    return names


# Order


def test_rules_take_turns(session: Session, called: list[str]) -> None:
    """Each gets the same number of calls."""
    run_housekeeping(session, has_time=times(4 * len(RULES)))

    assert sorted(called) == sorted(4 * [name for _, name, _ in RULES])


def test_no_rule_is_always_too_late(session: Session, called: list[str]) -> None:
    """Even if each call uses up a turn's time, every rule gets some turn."""
    random.seed(1)
    for _ in range(100):
        run_housekeeping(session, has_time=times(1))

    assert len(called) == 100
    assert set(called) == {name for _, name, _ in RULES}


@pytest.mark.parametrize(("module", "name"), [rule[:2] for rule in RULES])
def test_a_rule_that_fails_stops_no_other(
    session: Session, called: list[str], monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    """It isn't called again in this turn, and its error is raised at the end."""

    def fail(*_: Any, **__: Any) -> None:
        called.append(name)
        raise ValueError("no such thing")

    monkeypatch.setattr(module, name, fail)
    with pytest.raises(ValueError, match="no such thing"):
        run_housekeeping(session, has_time=times(2 * len(RULES) + 1))

    assert called.count(name) == 1
    assert set(called) == {name for _, name, _ in RULES}


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (Settings(result_retention_days=0), ALWAYS),
        (
            Settings(result_retention_days=0, results_per_task=2),
            {*ALWAYS, "prune_per_task"},
        ),
        (
            Settings(result_retention_days=1),
            {*ALWAYS, "prune_old", "prune_missed"},
        ),
    ],
)
def test_only_configured_limits_prune(
    session: Session, called: list[str], settings: Settings, names: set[str]
) -> None:
    """0 days or 0 results mean no limit."""
    run_housekeeping(session, settings, times(20))

    assert set(called) == names


@pytest.mark.parametrize(
    ("looked_at_upto", "minutes_ago", "expected"),
    [(7, 0, True), (0, 0, False), (0, 5, True)],
    ids=["a round goes on", "none begins", "a minute is over"],
)
def test_a_round_over_all_tasks_begins_once_a_minute(
    session: Session,
    called: list[str],
    looked_at_upto: int,
    minutes_ago: int,
    expected: bool,
) -> None:
    """In a turn with housekeeping, which may not be the first of the minute."""
    moment = now(session)
    counted = moment + MINUTE - minutes_ago * MINUTE
    session.execute(update(LedgerState).values(pruned_task_id=looked_at_upto, counted_upto=counted))
    session.commit()

    run_housekeeping(session, has_time=times(20))

    assert ("prune_per_task" in called) is expected


# The deadline


def test_batches_grow_while_they_are_quick_and_shrink_when_they_arent(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the deadline is checked often enough on a slow database."""
    clock = SimpleNamespace(seconds=0.0)
    lasting: Iterator[float] = iter([0.01, 0.25, 0.1, 0.1, 0.5, 2.0, 1.0, 0.5])
    batches: list[int] = []

    def prune(*_: Any, batch: int, **__: Any) -> int:
        batches.append(batch)
        clock.seconds += next(lasting, 99.0)
        return batch

    monkeypatch.setattr(housekeeping, "HOUSEKEEPING_SECONDS", 9.0)
    monkeypatch.setattr(housekeeping, "time", SimpleNamespace(monotonic=lambda: clock.seconds))
    monkeypatch.setattr(pruning, "prune_deleted", prune)
    run_housekeeping(session, Settings(result_retention_days=0))

    assert batches == [78, 312, 625, 2500, 5000, 5000, 2500, 1250, 1250]


def test_a_turn_without_time_does_nothing(
    session: Session, called: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its deadline, and when the process is terminated."""
    run_housekeeping(session, has_time=lambda: False)
    monkeypatch.setattr(housekeeping, "HOUSEKEEPING_SECONDS", 0.0)
    run_housekeeping(session)

    assert called == []


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize(
    ("module", "name", "what"),
    [
        (pruning, "prune_deleted", "remove deleted tasks"),
        (pruning, "prune_old", "prune old results"),
        (pruning, "prune_missed", "prune missed slots"),
        (pruning, "prune_per_task", "prune results per task"),
        (processes, "delete_gone", "delete gone processes"),
        (sessions, "prune_sessions", "delete old sessions"),
        (minute_counts, "count_minutes", "count minutes"),
    ],
)
def test_a_statement_that_lasts_is_given_up(
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    module: Any,
    name: str,
    what: str,
) -> None:
    """In every rule; the next turn retries, and the session's own timeouts are restored."""

    def last(given: Session, **_: Any) -> None:
        given.execute(text("SELECT pg_sleep(60)"))

    monkeypatch.setattr(module, name, last)
    monkeypatch.setattr(housekeeping, "HOUSEKEEPING_SECONDS", 0.3)
    # The others are quick, since the tables are empty.
    monkeypatch.setattr(random, "shuffle", lambda rules: rules.sort(key=lambda r: r.what != what))
    run_housekeeping(session)

    said = f"Skipped, too slow for now: {what} (canceling statement due to statement timeout)"
    assert caplog.messages == [said]
    assert session.scalar(text("SHOW statement_timeout")) == "0"


@pytest.mark.databases("postgresql")
def test_an_outage_ends_housekeeping(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """All other rules would fail, too."""

    def fail(given: Session, **_: Any) -> None:
        given.execute(text("DO $$BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '57P03'; END$$"))

    monkeypatch.setattr(pruning, "prune_deleted", fail)
    with pytest.raises(DBAPIError):
        run_housekeeping(session)


def test_a_deleted_task_is_pruned_by_the_next_turn(
    session: Session, celery: Celery, turn: Any, make_task: MakeTask
) -> None:
    """With its results."""
    task = make_task()
    turn()
    delete_tasks(session, [task.id])
    assert turn().pruned == 2
    assert session.scalars(select(TaskResult.id)).all() == []


@pytest.mark.parametrize(("days", "pruned"), [(30.0, 2), (0, 0)])
def test_old_results_are_pruned_unless_they_are_kept_for_ever(
    session: Session, celery: Celery, turn: Any, make_task: MakeTask, days: float, pruned: int
) -> None:
    """TASKADMIN_RESULT_RETENTION_DAYS=0 disables it."""
    make_task()
    turn()
    session.execute(
        update(TaskResult).values(state=RunState.SUCCEEDED, finished_at=TaskResult.queued_at)
    )
    long_ago = now(session) - timedelta(days=40)
    session.execute(update(Launch).values(state=LaunchState.CLOSED, closed_at=long_ago))
    session.commit()
    settings = Settings(launch_interval_seconds=86400, result_retention_days=days)
    assert turn(settings).pruned == pruned
