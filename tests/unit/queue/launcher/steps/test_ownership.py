"""R4: launches are released, or taken over from other launchers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.ledger.messages import sent
from services.ledger.turns import DAY
from taskadmin.models import (
    Launch,
    LaunchState,
    LedgerState,
    TaskResult,
)
from taskadmin.queue.launcher.turns import run_turn
from taskadmin.store.database.clock import now
from taskadmin.store.launches import launches, slots


def test_a_launcher_that_stops_releases_its_launch(
    session: Session, celery: Celery, make_task: MakeTask
) -> None:
    """After its current page, so that another one can continue at once."""
    for _ in range(5):
        make_task()
    asked = iter([False] * 5 + [True])

    turn = run_turn(session, celery, DAY, stopping=lambda: next(asked, True))

    assert (turn.opened, turn.finished) == (1, 0)
    assert 0 < turn.sent < 5
    session.expire_all()
    assert session.scalar(select(Launch.owner)) is None
    assert run_turn(session, celery, DAY).finished == 1
    assert sorted(sent(celery)) == list(range(1, 6))


def test_a_launch_that_its_launcher_left_is_counted(
    session: Session, celery: Celery, turn: Any, make_task: MakeTask
) -> None:
    """By the launcher that takes it over."""
    make_task()
    launch_id = slots.open_slot(session, DAY.launch_interval_seconds)
    assert launch_id is not None
    launches.take(session, launch_id, uuid4(), timedelta(seconds=-1))
    assert turn().resumed == 1
    assert session.get_one(LedgerState, 1, populate_existing=True).resumed == 1


def test_an_error_in_a_turn_gives_its_launches_back(
    session: Session, turn: Any, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next turn continues at once."""
    make_task()

    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("gone"), connection_invalidated=True)

    with monkeypatch.context() as patch:
        patch.setattr(launches, "queue_page", fail)
        with pytest.raises(OperationalError):
            turn()
    assert session.scalar(select(Launch.owner)) is None
    assert turn().finished == 1


def test_an_unexpected_error_of_one_launch_ends_no_other(
    session: Session,
    turn: Any,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged and raised at the end; its launch is released, and the others are done."""
    task = make_task()
    turn()
    session.execute(update(Launch).values(slot=now(session) - timedelta(days=1)))
    session.execute(
        update(TaskResult).values(
            due_at=now(session) - timedelta(days=1), not_before=now(session), publishes=0
        )
    )
    broken = Launch(
        kind="slot",
        slot=now(session) - timedelta(days=2),
        state=LaunchState.OPENING,
        opened_at=now(session),
        upto_task_id=task.id,
    )
    session.add(broken)
    session.commit()
    broken_id, original = broken.id, launches.queue_page

    def fail(session: Session, launch_id: int, *rest: Any, **options: Any) -> Any:
        if launch_id == broken_id:
            raise ValueError("no such thing")
        return original(session, launch_id, *rest, **options)

    monkeypatch.setattr(launches, "queue_page", fail)
    with pytest.raises(ValueError, match="no such thing"):
        turn()

    states = {row.id: row.state for row in session.execute(select(Launch.id, Launch.state))}
    assert states.pop(broken_id) == LaunchState.OPENING
    assert set(states.values()) == {LaunchState.PUBLISHED}
    assert len(states) == 2
    assert session.scalars(select(Launch.owner)).all() == [None, None, None]
    assert session.get_one(LedgerState, 1, populate_existing=True).republished == 1
    logged = [record for record in caplog.records if record.exc_info]
    assert [record.message for record in logged] == [
        f"The launcher could not advance launch {broken_id}; it continues with the rest"
    ]
