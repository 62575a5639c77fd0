"""R1: runs of gone processes go to others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from sqlalchemy import update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.ledger.messages import sent
from services.ledger.turns import DAY, run_of
from taskadmin.models import (
    LedgerState,
    ProcessEnd,
    ProcessKind,
    TaskResult,
)
from taskadmin.store.database.clock import now
from taskadmin.store.runs import transitions
from taskadmin.store.upkeep import processes
from taskadmin.store.upkeep.processes import ProcessIdentity


def test_runs_of_a_lost_process_go_to_another(
    session: Session, celery: Celery, turn: Any, make_task: MakeTask
) -> None:
    """One turn releases them; they are sent after a short delay."""
    make_task()
    turn()
    (run_id,) = sent(celery)
    process_id = processes.register_process(
        session, ProcessIdentity(ProcessKind.CHILD, "w", "host", 1)
    )
    transitions.claim(session, [run_id], token=uuid4(), process_id=process_id, worker="w")
    processes.mark_gone(session, process_id, ProcessEnd.LOST, "It was killed.")

    assert turn().taken_back == 1
    session.execute(update(TaskResult).values(not_before=now(session)))
    session.commit()
    assert turn().republished == 1

    assert sent(celery) == [run_id]
    assert run_of(session).not_before is None


def test_no_process_is_gone_before_a_lease_was_watched(
    session: Session, turn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a database outage, all processes look silent."""
    expired: list[timedelta] = []

    def expire(_: Session, lease: timedelta) -> int:
        expired.append(lease)
        return 0

    monkeypatch.setattr(processes, "expire", expire)
    turn()
    assert expired == []
    long_ago = now(session) - timedelta(days=1)
    session.execute(update(LedgerState).values(watched_from=long_ago))
    session.commit()
    turn()
    assert expired == [timedelta(seconds=DAY.lease_seconds)]
