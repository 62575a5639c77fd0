"""Turns close launches."""

from __future__ import annotations

from collections.abc import Callable

from celery import Celery
from sqlalchemy.orm import Session

from services.ledger.turns import DAY, finish_runs, launch_states
from taskadmin.models import LaunchState, Task
from taskadmin.queue.launcher.turns import run_turn


def test_a_launch_is_closed_when_its_last_run_is_finished(
    session: Session, celery: Celery, make_task: Callable[..., Task]
) -> None:
    """The turn after the last result closes the launch."""
    make_task()
    run_turn(session, celery, DAY)
    assert run_turn(session, celery, DAY).closed == 0
    finish_runs(session)

    turn = run_turn(session, celery, DAY)

    assert turn.closed == 1
    assert launch_states(session) == [LaunchState.CLOSED]
