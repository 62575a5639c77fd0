"""Workers and queues by API."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from services.api.caller import Caller
from taskadmin.errors import BrokerUnavailable
from taskadmin.models import Process, ProcessKind, TaskResult
from taskadmin.state import QueueState, get_state
from taskadmin.store.database import clock


def test_processes_are_listed(session: Session, boss: Caller) -> None:
    """With their queues, and whether they are alive."""
    moment = clock.now(session)
    values = {"host": "h", "pid": 7, "started_at": moment, "seen_at": moment, "queues": "a,b"}
    session.add(Process(id=uuid4(), kind=ProcessKind.WORKER, name="runs@h", **values))
    session.commit()

    (found,) = boss("GET", "/workers").json["items"]  # type: ignore[index]

    assert (found["name"], found["queues"], found["is_alive"]) == ("runs@h", ["a", "b"], True)


@pytest.mark.parametrize("answer", ["answers", "can't tell", "away", "no queue"])
def test_queues_are_known_without_the_broker(
    app: Flask, boss: Caller, runs: list[TaskResult], answer: str
) -> None:
    """The answer says what the broker said."""

    def away() -> None:
        raise BrokerUnavailable

    get_state(app).inspect = {
        "answers": lambda: [QueueState("taskadmin.runs", 3, 1)],
        "can't tell": lambda: None,
        "away": away,
        "no queue": None,
    }[answer]

    found: Any = boss("GET", "/queues").json

    (queue,) = [one for one in found["items"] if one["name"] == "taskadmin.runs"]
    assert (found["broker"], queue["ready"], queue["running"]) == (answer, len(runs), 0)
    assert queue["messages"] == (3 if answer == "answers" else None)
