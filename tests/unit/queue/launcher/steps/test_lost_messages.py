"""R3: lost messages are sent again."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.ledger.messages import sent
from services.ledger.turns import age_launches, run_of
from taskadmin.jobs import all_jobs, registry
from taskadmin.models import (
    Launch,
    LaunchState,
    LedgerState,
    TaskResult,
)
from taskadmin.store.database.clock import now
from taskadmin.store.upkeep import recovery


def test_a_lost_message_is_sent_again(
    session: Session, celery: Celery, turn: Any, make_task: MakeTask
) -> None:
    """The purged queue is empty, and the run is old enough."""
    make_task()
    turn()
    (run_id,) = sent(celery)
    assert turn().republished == 0, "too young to be lost"
    age_launches(session, timedelta(minutes=2))

    assert turn().republished == 1

    assert sent(celery) == [run_id]
    assert run_of(session).publishes == 1
    assert turn().republished == 0, "it was sent just now"
    assert session.get_one(LedgerState, 1, populate_existing=True).republished == 1


def test_nothing_counts_as_lost_while_nobody_watched(
    session: Session, celery: Celery, turn: Any, make_task: MakeTask
) -> None:
    """After an outage, workers may be executing runs that left the queue."""
    make_task()
    turn()
    sent(celery)
    age_launches(session, timedelta(minutes=9), watched=timedelta(seconds=5))
    assert turn().republished == 0
    age_launches(session, timedelta(minutes=9))
    assert turn().republished == 1


def test_a_backlog_is_not_a_loss(
    session: Session, celery: Celery, turn: Any, make_task: MakeTask
) -> None:
    """Messages wait in the queue, however old the runs are."""
    make_task()
    turn()
    age_launches(session, timedelta(minutes=9))
    assert turn().republished == 0
    assert len(sent(celery)) == 1


def test_a_run_that_stays_queued_while_it_is_executed_has_its_time_limit_in_a_backlog_too(
    session: Session,
    celery: Celery,
    turn: Any,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its start isn't recorded, so sending it again would execute it twice."""
    drawing = all_jobs()["generate_random_number"]
    longer = dataclasses.replace(drawing, time_limit=3600.0)
    monkeypatch.setitem(registry._jobs, longer.name, longer)
    make_task()
    turn()
    age_launches(session, timedelta(minutes=50))
    session.execute(update(LedgerState).values(ticked_at=now(session) - timedelta(minutes=1)))
    session.commit()
    assert turn().republished == 0


def test_a_run_that_was_sent_too_often_is_given_up(
    session: Session, celery: Celery, turn: Any, make_task: MakeTask
) -> None:
    """Its launch can be closed."""
    make_task()
    turn()
    sent(celery)
    session.execute(update(TaskResult).values(publishes=recovery.MAX_PUBLISHES))
    session.commit()
    age_launches(session, timedelta(hours=16))
    assert turn().given_up == 0, "ten times twice the time limit of 60 s"
    age_launches(session, timedelta(hours=18))
    done = turn()
    assert (done.given_up, done.republished, done.closed) == (1, 0, 1)
    assert run_of(session).error_type == "NeverClaimed"


def test_an_error_of_one_queue_ends_no_other_step(
    session: Session,
    turn: Any,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The slot is still launched."""
    make_task()

    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("no such thing")

    monkeypatch.setattr(recovery, "oldest_publish", fail)
    with pytest.raises(ValueError, match="no such thing"):
        turn()
    assert session.scalars(select(Launch.state)).all() == [LaunchState.PUBLISHED]
    said = "The launcher could not look for lost messages in taskadmin.runs; it continues"
    assert f"{said} with the rest" in caplog.messages
