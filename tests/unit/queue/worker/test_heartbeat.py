"""A process's heartbeat, and runs that it releases."""

from __future__ import annotations

from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows.runs import DUE, queue, row
from taskadmin.models import Process, ProcessKind, RunState
from taskadmin.queue.worker.heartbeat import LAUNCH_WORK, RUN_WORK, Heartbeat
from taskadmin.store.database.rights import RolePurpose
from taskadmin.store.runs import transitions
from taskadmin.store.upkeep.processes import ProcessIdentity


@pytest.fixture
def heartbeat(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Heartbeat:
    """A heartbeat whose thread the test replaces."""
    monkeypatch.setattr(Heartbeat, "start", lambda _: None)
    return Heartbeat(app, ProcessIdentity(ProcessKind.CHILD, "w1@host", "host", 1))


@pytest.mark.parametrize("problem", ["a\0b", "half a pair: \udc80"])
def test_a_text_that_is_refused_keeps_no_run(
    session: Session, make_task: MakeTask, heartbeat: Heartbeat, problem: str
) -> None:
    """The run is released with another text, and so are the following ones."""
    task_id = make_task().id
    runs = [queue(session, task_id, DUE.replace(minute=minute)) for minute in (1, 2)]
    for minute, run_id in enumerate(runs, 1):
        token = uuid4()
        transitions.claim(
            session,
            [run_id],
            token=token,
            process_id=heartbeat.process_id(),
            worker="w1@host",
        )
        heartbeat.give_back(run_id, token, problem=problem if minute == 1 else None)

    heartbeat._hand_back()

    assert [row(session, run_id).state for run_id in runs] == [RunState.QUEUED] * 2
    session.rollback()


@pytest.mark.databases("postgresql")
def test_a_run_that_can_not_be_given_back_stops_no_other(
    session: Session, heartbeat: Heartbeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is retried with the next heartbeat."""
    tried: list[int] = []

    def give_back(_session: Session, run_ids: list[int], *_: object, **__: object) -> None:
        tried.extend(run_ids)
        if run_ids == [1]:
            raise DBAPIError("UPDATE", {}, Exception("no such column"))

    monkeypatch.setattr(transitions, "give_back", give_back)
    for run_id in (1, 2):
        heartbeat.give_back(run_id, uuid4())

    with pytest.raises(DBAPIError):
        heartbeat._hand_back()
    with pytest.raises(DBAPIError):
        heartbeat._hand_back()

    assert tried == [1, 2, 1]


def test_a_missing_privilege_is_reported_until_it_is_granted(
    session: Session, heartbeat: Heartbeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or until the statement succeeds; a failed check doesn't change the report."""
    lacking: list[str] = ["UPDATE"]
    fails: list[Exception] = []

    def look(_: Session, part: RolePurpose) -> list[str]:
        assert part is RolePurpose.WORKER
        if fails:
            raise fails.pop()
        return lacking

    def said() -> str | None:
        assert heartbeat.renew() is False
        session.rollback()
        return session.scalars(select(Process.trouble)).one()

    monkeypatch.setattr("taskadmin.queue.worker.heartbeat.lacking_rights", look)
    assert said() is None
    heartbeat.note_missing_right("permission denied for table x", of=RUN_WORK)
    assert said() == "It lacks a right: permission denied for table x"
    fails.append(OperationalError("SELECT", {}, Exception("no")))
    assert said() is not None
    assert not fails
    lacking.clear()
    assert said() is None

    lacking.append("DELETE")
    heartbeat.note_missing_right("permission denied for table x", of=RUN_WORK)
    heartbeat.note_missing_right("permission denied for table y", of=LAUNCH_WORK)
    assert said() == "It lacks a right: permission denied for table x"
    heartbeat.note_missing_right(None, of=RUN_WORK)
    assert said() == "It lacks a right: permission denied for table y"
    heartbeat.note_missing_right(None, of=LAUNCH_WORK)
    assert said() is None
