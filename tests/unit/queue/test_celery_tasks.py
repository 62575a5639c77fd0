"""The Celery tasks that execute runs, with the in-memory broker."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from services.ledger.deliveries import QueueRuns, Rows
from services.ledger.messages import arguments_in
from services.rows.runs import DUE
from taskadmin.errors import BrokerUnavailable
from taskadmin.models import RunState
from taskadmin.queue import RUNS_QUEUE, celery_tasks
from taskadmin.queue.celery_app import queues
from taskadmin.queue.publishing.publisher import Publisher
from taskadmin.queue.worker import heartbeat
from taskadmin.queue.worker.request import GivenBack
from taskadmin.store.database import rights
from taskadmin.store.runs import open_runs
from taskadmin.store.upkeep import recovery

TASKS = ("taskadmin.run", "taskadmin.generate_random_number_task", "taskadmin.runs")
AT = DUE.isoformat()


class Message:
    """A message's request, as passed to a Celery task."""

    hostname = "w1@host"

    def __init__(
        self, count: int | None = None, *, redelivered: bool = False, queue: str = RUNS_QUEUE
    ) -> None:
        self.delivery_info = {"exchange": queue, "routing_key": queue, "redelivered": redelivered}
        self._headers = {"x-delivery-count": count}

    def get(self, name: str) -> Any:
        return self._headers.get(name)


#: Messages by number of deliveries, which only quorum queues count.
FIRST, SECOND, THIRD = Message(), Message(1, redelivered=True), Message(2, redelivered=True)
FOURTH, FIFTH = Message(3, redelivered=True), Message(4, redelivered=True)
UNCOUNTED = Message(redelivered=True)


@pytest.fixture
def celery(celery: Celery) -> Iterator[Celery]:
    """The Celery application, whose heartbeat ends with the test."""
    yield celery
    heartbeat.end(celery, "The test is over.")


@pytest.fixture
def receive(app: Flask, celery: Celery) -> Iterator[Callable[..., None]]:
    """Call the Celery task with these arguments."""

    def take(message: Message, *arguments: Any) -> None:
        celery_tasks._execute(SimpleNamespace(app=celery, request=message), arguments)

    with app.app_context():
        yield take


@pytest.mark.parametrize("name", TASKS)
def test_every_celery_task_of_runs_takes_every_form(
    celery: Celery, queue_runs: QueueRuns, rows: Rows, name: str
) -> None:
    """Launchers of this and of the previous release send different forms."""
    summer = "2026-01-01T02:00:00+02:00"
    forms: list[tuple[str, int, Callable[[list[int]], Any]]] = [
        ("one run", 1, lambda ids: (ids[0], AT)),
        ("a list of one", 1, lambda ids: ([AT, ids[:1]],)),
        ("several", 2, lambda ids: ([AT, ids],)),
        ("several due times", 2, lambda ids: ([AT, ids[:1]], [summer, ids[1:]])),
        ("twice the same", 2, lambda ids: ((AT, ids), (AT, ids))),
        ("none", 0, lambda ids: ([AT, []],)),
    ]
    called: list[int] = []
    for form, meant, arguments in forms:
        called.clear()
        ids = queue_runs(lambda: called.append(1), 2, record_start=False)

        celery.tasks[name].apply(args=arguments(ids)).get()

        states = [run.state == RunState.SUCCEEDED for run in rows(ids)]
        assert (form, states) == (form, [meant > 0, meant > 1])
        assert (form, len(called)) == (form, meant)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (1,),
        (1, AT, 3),
        (None, AT),
        ("one", AT),
        (0, AT),
        (-1, AT),
        (2**63, AT),
        (float("inf"), AT),
        (float("nan"), AT),
        (1, None),
        (1, "yesterday"),
        (1, "2026-01-01T00:00:00"),
        (1, "0001-01-01T00:00:00+14:00"),
        (1, ["2026-01-01"]),
        ([],),
        ([AT],),
        ([AT, 1],),
        ([AT, [[1]]],),
        ([AT, ["one"]],),
        ([AT, [1, 0]],),
        ([AT, [1]], 2),
        ([AT, [1]], ["yesterday", [2]]),
        ([[AT], [1]],),
        ({"run": 1}, AT),
    ],
    ids=repr,
)
def test_nonsense_is_dropped_with_one_line(
    caplog: pytest.LogCaptureFixture, arguments: tuple[Any, ...]
) -> None:
    """Redelivery wouldn't help, and none of its runs is executed."""
    celery_tasks._execute(SimpleNamespace(app=None, request=Message()), arguments)
    [said] = caplog.records
    assert said.levelname == "ERROR"
    assert said.getMessage().startswith("Invalid message with (")
    assert said.exc_info is None


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("record_start", [True, False])
def test_a_message_from_another_queue_executes_nothing(
    receive: Callable[..., None],
    queue_runs: QueueRuns,
    rows: Rows,
    record_start: bool,
    number: int,
) -> None:
    """Access to one queue doesn't allow executing other workers' jobs."""
    called: list[int] = []
    ids = queue_runs(lambda: called.append(1), number, record_start=record_start, queue="special")
    receive(FIRST, [AT, ids])
    assert {run.state for run in rows()} == {RunState.QUEUED}
    assert called == []
    receive(Message(queue="special"), [AT, ids])
    assert {run.state for run in rows()} == {RunState.SUCCEEDED}
    assert len(called) == number


def test_which_queues_a_message_may_have_come_from(celery: Celery) -> None:
    """By exchange and routing key; without them, the worker's queues and the key itself."""
    everything = set(celery.amqp.queues.consume_from)
    for given, expected in (
        ({"exchange": "", "routing_key": "taskadmin.runs"}, {"taskadmin.runs"}),
        ({"exchange": "taskadmin.runs", "routing_key": "taskadmin.runs"}, {"taskadmin.runs"}),
        ({"exchange": "elsewhere", "routing_key": "new"}, {*everything, "new"}),
    ):
        assert set(queues.queues_of(celery, given)) == expected


# Number of deliveries


@pytest.mark.parametrize(
    ("message", "is_shared_out"),
    [(FIRST, False), (SECOND, False), (THIRD, True), (UNCOUNTED, True)],
    ids=["first", "second", "third", "uncounted"],
)
@pytest.mark.parametrize("record_start", [True, False])
def test_a_message_that_comes_for_the_third_time_is_shared_out(
    receive: Callable[..., None],
    celery: Celery,
    queue_runs: QueueRuns,
    rows: Rows,
    record_start: bool,
    message: Message,
    is_shared_out: bool,
) -> None:
    """One of its runs may kill workers, so each is sent alone."""
    called: list[int] = []
    ids = queue_runs(lambda: called.append(1), 3, record_start=record_start)

    receive(message, [AT, ids])

    if not is_shared_out:
        assert (len(called), arguments_in(celery)) == (3, [])
        return
    assert called == []
    assert arguments_in(celery) == [[run_id, AT] for run_id in ids]
    assert {(run.state, run.attempts, run.not_before) for run in rows()} == {
        (RunState.QUEUED, 0, None)
    }
    for run_id in ids:
        receive(FIRST, run_id, AT)
    assert len(called) == 3
    assert {(run.state, run.attempts) for run in rows()} == {(RunState.SUCCEEDED, 1)}


def test_a_message_that_is_shared_out_without_a_broker_is_left_to_the_launcher(
    session: Session,
    receive: Callable[..., None],
    queue_runs: QueueRuns,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The received message is acknowledged."""

    def away(*_: Any, **__: Any) -> None:
        raise BrokerUnavailable("gone")

    monkeypatch.setattr(Publisher, "start", away)
    ids = queue_runs(lambda: 1, 3)
    receive(THIRD, [AT, ids])
    assert [run.id for run in recovery.waiting_runs(session)] == ids


def test_one_run_that_comes_for_the_third_time_is_executed(
    receive: Callable[..., None], celery: Celery, queue_runs: QueueRuns, rows: Rows
) -> None:
    """Its attempts are counted by claims."""
    [run_id] = queue_runs(lambda: 1, record_start=False)
    receive(THIRD, run_id, AT)
    assert (rows()[0].state, arguments_in(celery)) == (RunState.SUCCEEDED, [])


# Requeued messages


def failing(code: str) -> Callable[..., None]:
    """Fail with this SQLSTATE."""
    statement = f"DO $$ BEGIN RAISE EXCEPTION 'as arranged' USING ERRCODE = '{code}'; END $$"

    def fail(session: Session, *_: Any) -> None:
        try:
            session.execute(text(statement))
        finally:
            session.rollback()

    return fail


@pytest.mark.databases("postgresql")
def test_a_missing_privilege_is_logged_once(
    receive: Callable[..., None],
    queue_runs: QueueRuns,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each message is requeued, without a traceback."""
    rights.log_once.cache_clear()
    ids = queue_runs(lambda: 1, 2, record_start=False)
    monkeypatch.setattr(open_runs, "read_open", failing("42501"))
    for arguments in ((ids[0], AT), (ids[1], AT), ([AT, ids],)):
        with pytest.raises(GivenBack):
            receive(FIRST, *arguments)
    [said] = [one.getMessage() for one in caplog.records]
    assert said == (
        "Messages of runs are requeued: the database refuses: as arranged."
        " Grant this worker's role the right."
    )
    assert caplog.records[0].exc_info is None


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize(
    ("message", "goes_back"),
    [(FIRST, True), (FOURTH, True), (FIFTH, False), (UNCOUNTED, False)],
    ids=["first", "fourth", "fifth", "uncounted"],
)
@pytest.mark.parametrize("code", ["42501", "XX000"])
def test_a_message_is_given_back_so_often(
    receive: Callable[..., None],
    queue_runs: QueueRuns,
    monkeypatch: pytest.MonkeyPatch,
    message: Message,
    goes_back: bool,
    code: str,
) -> None:
    """Then its run is left to the reconciler."""
    [run_id] = queue_runs(lambda: 1, record_start=False)
    monkeypatch.setattr(open_runs, "read_open", failing(code))
    if goes_back:
        with pytest.raises(GivenBack):
            receive(message, run_id, AT)
    else:
        receive(message, run_id, AT)


@pytest.mark.parametrize("told", [None, "a job's last words", SystemExit(-241)])
def test_a_pool_process_exits_with_the_requested_code(
    receive: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    told: str | SystemExit | None,
) -> None:
    """A signal's code stays; a job's is removed, since billiard stores each ``sys.exit``."""
    noted: list[object] = []
    leave = sys.exit

    def note(status: Any = None) -> None:
        noted.append(status)
        leave(status)

    def execute(*_: Any) -> None:
        with contextlib.suppress(SystemExit):  # the job's, which fails the run
            if isinstance(told, str):
                sys.exit(told)
        if isinstance(told, SystemExit):
            sys.exit(told.code)  # like billiard's SIGTERM handler

    monkeypatch.setattr(sys, "exit", note)
    monkeypatch.setattr(celery_tasks, "execute", execute)
    with contextlib.suppress(SystemExit):
        receive(FIRST, 1, AT)

    assert noted[-1:] == [told.code if isinstance(told, SystemExit) else None]
