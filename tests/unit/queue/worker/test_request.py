"""What a worker records when a pool process ends during a run."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.app.trace import ExceptionInfo
from celery.exceptions import WorkerLostError
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.servers.processes import wait_for
from taskadmin.models import Process, ProcessEnd, ProcessKind
from taskadmin.queue.worker import request
from taskadmin.queue.worker.heartbeat import BOOT_ID
from taskadmin.queue.worker.request import LedgerRequest
from taskadmin.state import get_state
from taskadmin.store.upkeep import processes
from taskadmin.store.upkeep.processes import ProcessIdentity

#: An id that no process has.
PID = 2**22 + 1


class Pool:
    """A pool that can terminate its processes."""

    def __init__(self) -> None:
        self.ended: list[int] = []

    def terminate_job(self, pid: int, _: Any) -> None:
        """Record it."""
        self.ended.append(pid)


@pytest.fixture
def request_of(app: Flask) -> LedgerRequest:
    """Return a run's message that the process has begun."""
    celery = get_state(app).celery
    assert isinstance(celery, Celery)
    made = celery.amqp.create_task_message("some-id", "taskadmin.run", (1, "2026-01-01T00:00Z"))
    message = SimpleNamespace(delivery_info={}, properties={}, payload=made.body)
    request = LedgerRequest(
        message,
        app=celery,
        task=celery.tasks["taskadmin.run"],
        body=made.body,
        headers=made.headers,
        decoded=True,
        on_ack=lambda *_: None,
        on_reject=lambda *_: None,
    )
    request.worker_pid, request.time_start = PID, 1.0
    return request


def die(request: LedgerRequest) -> None:
    """Call what Celery calls when the process is gone."""
    try:
        raise WorkerLostError("signal 15 (SIGTERM)")
    except WorkerLostError:
        request.on_failure(ExceptionInfo())


@pytest.mark.parametrize(
    ("before", "ending", "reason"),
    [
        (lambda *_: None, ProcessEnd.LOST, "Its process died: signal 15 (SIGTERM)"),
        (LedgerRequest.cancel, ProcessEnd.STOPPED, "Its worker was told to stop."),
        (LedgerRequest.terminate, ProcessEnd.STOPPED, "A person terminated its run."),
    ],
    ids=["died", "cancelled", "terminated"],
)
def test_the_reason_why_a_process_ended_is_recorded(
    session: Session,
    request_of: LedgerRequest,
    monkeypatch: pytest.MonkeyPatch,
    before: Callable[[LedgerRequest, Pool], None],
    ending: ProcessEnd,
    reason: str,
) -> None:
    """Its worker knows whether it ended the process itself, and for which run."""
    monkeypatch.setattr(LedgerRequest, "pool_has_processes", True)
    processes.register_process(
        session, ProcessIdentity(ProcessKind.CHILD, "w1@host", "host", PID, boot=BOOT_ID)
    )
    pool = Pool()

    before(request_of, pool)
    die(request_of)

    def gone() -> Process | None:
        session.rollback()
        return session.scalars(select(Process).where(Process.gone_at.is_not(None))).first()

    found = wait_for(gone, what="the process being gone")
    assert (found.ending, found.reason) == (ending, reason)
    assert pool.ended == ([] if ending is ProcessEnd.LOST else [PID])


@pytest.mark.parametrize("number", [PID, 2**46 + 1], ids=["like a process", "an address"])
def test_no_process_is_gone_where_the_pool_has_none(
    request_of: LedgerRequest, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A green thread's number might equal any process id."""
    started: list[Any] = []
    monkeypatch.setattr(request, "threading", SimpleNamespace(Thread=started.append))
    request_of.worker_pid = number
    die(request_of)
    assert started == []
