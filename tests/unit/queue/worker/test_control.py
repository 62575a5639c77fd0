"""Terminate runs: the worker's side, and the replies."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.worker import state
from kombu.pidbox import Mailbox

from taskadmin.queue.worker import overseer
from taskadmin.queue.worker.control import terminate_here, terminate_runs
from taskadmin.queue.worker.request import LedgerRequest


class Request(LedgerRequest):
    """A request of a message with these runs, in this process."""

    def __init__(self, worker_pid: int | None, *run_ids: int) -> None:
        self.worker_pid, self._ids = worker_pid, set(run_ids)

    def run_ids(self) -> set[int]:
        """Return the runs' ids."""
        return self._ids


def test_a_worker_terminates_the_given_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the given runs; a pool without processes can't."""
    ended: list[tuple[int, int]] = []

    def terminate(run_id: int, pid: int) -> bool:
        ended.append((run_id, pid))
        return run_id != 3

    monkeypatch.setattr(overseer.overseer, "terminate", terminate)
    requests = [Request(10, 1, 2), Request(11, 3), Request(None, 4), SimpleNamespace()]
    monkeypatch.setattr(state, "active_requests", requests)
    found = terminate_here(None, ["1", "3", 4, 99])
    assert found == {"1": "terminated", "3": "impossible", "4": "impossible"}
    assert ended == [(1, 10), (3, 11)]


@pytest.mark.databases("sqlite")
def test_answers_of_workers_are_put_together(
    celery: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers of older releases don't know the command; runs without a reply are unanswered."""

    def call(_: Mailbox, command: str, arguments: Any, *, callback: Any, **__: Any) -> None:
        assert arguments == {"run_ids": [1, 2, 3]}
        callback({"old@here": {"error": "Unknown control command"}})
        callback({"new@here": {"1": "terminated", "7": "terminated"}})
        callback({"new@there": {"2": "impossible"}})

    monkeypatch.setattr(Mailbox, "multi_call", call)
    told = terminate_runs(celery, [1, 2, 3])
    assert told == {1: "terminated", 2: "impossible", 3: "unanswered"}
    assert terminate_runs(celery, []) == {}


@pytest.mark.databases("sqlite")
@pytest.mark.settings(CELERY={"broker_url": "amqp://127.0.0.1:1//"})
def test_without_a_broker_the_answer_says_so(app: Any) -> None:
    """After a short timeout."""
    celery: Celery = app.extensions["taskadmin"].celery
    assert terminate_runs(celery, [1], timeout_seconds=0.2) == {1: "broker away"}
