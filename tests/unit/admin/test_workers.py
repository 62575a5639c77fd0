"""The page of workers and queues."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.launches import add_launch, run_row
from services.pages import cells, messages
from taskadmin.errors import BrokerUnavailable
from taskadmin.models import LedgerState, Process, ProcessEnd, ProcessKind, RunState, TaskResult
from taskadmin.state import Echo, QueueState, get_state
from taskadmin.store import clock

pytestmark = pytest.mark.databases("sqlite")
WORKERS = "/taskadmin/workers/"
AddProcess = Callable[..., UUID]


@pytest.fixture
def add_process(session: Session) -> AddProcess:
    """Processes, seen so many seconds ago."""

    def add(kind: ProcessKind, name: str, *, silent: float = 0, **columns: Any) -> UUID:
        moment = clock.now(session)
        process = Process(
            id=uuid4(),
            kind=kind,
            name=name,
            started_at=moment - timedelta(hours=1),
            seen_at=moment - timedelta(seconds=silent),
            **{"host": "host", "pid": 7, **columns},
        )
        session.add(process)
        session.commit()
        return process.id

    return add


def _answer(app: Flask, states: Sequence[QueueState] | None) -> None:
    get_state(app).inspect = lambda: states


def _row(page: str, name: str) -> list[str]:
    (row,) = [row for row in cells(page) if row[0].startswith(name)]
    return row


def test_without_any_process_the_page_says_how_to_start_each(superuser: FlaskClient) -> None:
    """In the words of ``flask taskadmin doctor``."""
    page = unescape(superuser.get(WORKERS).text)

    assert "No beat runs, so nothing is launched." in page
    assert "celery -A <your module> beat" in page
    assert "No launcher has ever looked for due slots." in page
    assert "celery -A <your module> worker -Q taskadmin.launch -P solo" in page
    assert "No worker executes runs." in page
    assert "celery -A <your module> worker -Q taskadmin.runs" in page
    assert "No process is there" in page


def test_who_is_well_needs_no_attention(
    session: Session, superuser: FlaskClient, add_process: AddProcess
) -> None:
    """Beat, launcher and worker are there, and the launcher ticked."""
    add_process(ProcessKind.BEAT, "beat@one")
    add_process(ProcessKind.LAUNCHER, "launcher@one", queues="taskadmin.launch")
    add_process(ProcessKind.WORKER, "worker@one", queues="taskadmin.runs,reports")
    session.execute(update(LedgerState).values(ticked_at=clock.now(session)))
    session.commit()

    page = superuser.get(WORKERS).text

    assert "Needs attention" not in page
    assert [row[0].split()[0] for row in cells(page) if "@" in row[0]] == [
        "beat@one",
        "launcher@one",
        "worker@one",
    ]
    assert _row(page, "worker@one")[1:3] == ["taskadmin.runsreports", "nothing"]


@pytest.mark.settings(TASKADMIN_LEASE_SECONDS=3600)
@pytest.mark.parametrize(
    ("silent", "sign", "words"),
    [
        (1000, "good", "16 min, 40 sec ago"),
        (2000, "late", "late:"),
        (3700, "stopped", "silent for"),
    ],
)
def test_a_heartbeat_is_judged_by_the_lease(
    superuser: FlaskClient, add_process: AddProcess, silent: float, sign: str, words: str
) -> None:
    """With a sign and a word: after half of it, and after the whole."""
    add_process(ProcessKind.WORKER, "worker@one", silent=silent)

    page = superuser.get(WORKERS).text

    assert _row(page, "worker@one")[3].startswith(words)
    assert f'class="beat {sign}"' in page.split("worker@one")[-1]


def test_a_silent_beat_and_worker_are_named(
    session: Session, superuser: FlaskClient, add_process: AddProcess
) -> None:
    """With how long they have been silent, and the launcher's last tick."""
    add_process(ProcessKind.BEAT, "beat@one", silent=600, pid=41)
    add_process(ProcessKind.WORKER, "worker@one", silent=600)
    ticked_at = clock.now(session) - timedelta(minutes=10)
    session.execute(update(LedgerState).values(ticked_at=ticked_at))
    session.commit()

    page = superuser.get(WORKERS).text

    assert "beat@one (pid 41) sends no ticks: last seen 10 min" in page
    assert "No worker executes runs: worker@one was last seen 10 min" in page
    assert "No launcher looks for due slots: the last one did so 10 min" in page


def test_two_beats_are_one_too_many(superuser: FlaskClient, add_process: AddProcess) -> None:
    """Though nothing is launched twice."""
    add_process(ProcessKind.BEAT, "beat@one")
    add_process(ProcessKind.BEAT, "beat@two")

    page = superuser.get(WORKERS).text

    assert "2 beats run. Nothing is launched twice, but one is enough." in page


def test_what_a_pools_children_execute_is_their_workers(
    session: Session, superuser: FlaskClient, add_process: AddProcess, make_task: MakeTask
) -> None:
    """A child of another boot with the same pid is another worker's."""
    boot, task = uuid4(), make_task(name="Dice")
    add_process(ProcessKind.WORKER, "worker@one", pid=20, boot=boot)
    child = add_process(ProcessKind.CHILD, "worker@one", pid=21, parent_pid=20, boot=boot)
    add_process(ProcessKind.CHILD, "worker@other", pid=22, parent_pid=20, boot=uuid4())
    rows = [run_row(task.id, 1, number, RunState.RUNNING, process_id=child) for number in range(7)]
    session.execute(insert(TaskResult), rows)
    session.commit()

    page = superuser.get(WORKERS).text

    worker = _row(page, "worker@one")
    assert "1 child process" in worker[0]
    assert worker[2].count("Dice") == 5
    assert "and 2 more runs" in worker[2]
    assert "child" in _row(page, "worker@other")[0]


def test_who_went_is_listed_with_how_and_why(
    session: Session, superuser: FlaskClient, add_process: AddProcess
) -> None:
    """For an hour."""
    gone = {"gone_at": clock.now(session), "ending": ProcessEnd.LOST, "reason": "Silent <b>."}
    add_process(ProcessKind.WORKER, "worker@gone", **gone)

    page = superuser.get(WORKERS).text

    assert "Gone within the last hour" in page
    assert _row(page, "worker@gone")[1] == "LostSilent <b>."
    assert "No worker executes runs." in page


def test_queues_say_who_reads_them_and_what_waits(
    app: Flask, session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """By the broker and by the ledger; nobody has to read the dead ones."""
    add_launch(session, make_task().id, {RunState.QUEUED: 3}, run={"queue": "reports"})
    _answer(
        app,
        [
            QueueState("taskadmin.launch", 0, 1),
            QueueState("taskadmin.runs", 12, 2),
            QueueState("reports", 3, 0),
            QueueState("away", None, None),
            QueueState("taskadmin.dead", 4, 0),
        ],
    )

    page = superuser.get(WORKERS).text

    assert _row(page, "taskadmin.runs")[1:4] == ["2 consumers", "12", "0"]
    reports = _row(page, "reports")
    assert "celery -A <your module> worker -Q reports" in reports[0]
    assert reports[1:4] == ["no consumer", "3", "3"]
    assert reports[4] != "–"
    assert _row(page, "away")[1:3] == ["isn't there", "–"]
    dead = _row(page, "taskadmin.dead")
    assert "celery" not in dead[0]
    assert dead[1:4] == ["–", "4", "–"]


def test_a_broker_that_is_away_leaves_the_ledgers_numbers(
    app: Flask, session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """The page says so instead of showing nothing, or zeros."""

    def inspect() -> Sequence[QueueState]:
        raise BrokerUnavailable("ConnectionRefusedError: nobody <there>")

    add_launch(session, make_task().id, {RunState.QUEUED: 3})
    get_state(app).inspect = inspect

    page = superuser.get(WORKERS).text

    assert "The broker can&#39;t be reached, so nobody knows" in page
    assert "nobody &lt;there&gt;" in page
    assert "<th>Consumers</th>" not in page
    assert _row(page, "taskadmin.runs")[1] == "3"


@pytest.mark.settings(CELERY={"broker_url": "amqp://guest:secret@127.0.0.1:1//"})
def test_a_real_broker_that_is_away_is_noticed_soon(superuser: FlaskClient) -> None:
    """Nobody listens on this port; its password is on no page."""
    page = superuser.get(WORKERS).text

    assert "The broker can&#39;t be reached" in page
    assert "secret" not in page


def test_a_broker_that_cant_tell_is_named(superuser: FlaskClient) -> None:
    """The tests' is in memory."""
    page = superuser.get(WORKERS).text

    assert "This broker isn&#39;t RabbitMQ" in page
    assert _row(page, "taskadmin.runs")[1] == "0"


def test_without_a_task_queue_the_page_says_that(app: Flask, superuser: FlaskClient) -> None:
    """There is nobody to ask, and no button to do so."""
    state = get_state(app)
    state.inspect = state.ping = None

    page = superuser.get(WORKERS).text

    assert "This application has no task queue: the runs it launches stay queued." in page
    assert "Ask the workers" not in page
    assert _row(page, "taskadmin.runs")[1] == "0"
    assert superuser.post(f"{WORKERS}ask/").status_code == 404


@pytest.mark.parametrize(
    ("echo", "words"),
    [
        (Echo("worker@one", timedelta(milliseconds=12)), "worker@one answered after 12 ms."),
        (Echo(None, timedelta(seconds=3)), "No worker answered within 3 sec."),
        (
            Echo(None, timedelta(0), is_possible=False),
            (
                "Workers can&#39;t answer, because Celery&#39;s result backend is switched off:"
                " set result_backend to “rpc://”."
            ),
        ),
        (None, "The broker can&#39;t be reached, so no worker was asked."),
    ],
)
def test_workers_are_asked_and_what_came_of_it_is_said(
    app: Flask, superuser: FlaskClient, echo: Echo | None, words: str
) -> None:
    """In one sentence."""

    def ping() -> Echo:
        if echo is None:
            raise BrokerUnavailable
        return echo

    get_state(app).ping = ping

    answer = superuser.post(f"{WORKERS}ask/", follow_redirects=True)

    assert messages(answer.text)[0] == words


def test_workers_of_a_switched_off_backend_cant_answer(superuser: FlaskClient) -> None:
    """Nobody waits for them; the tests' is."""
    answer = superuser.post(f"{WORKERS}ask/", follow_redirects=True)

    assert "result backend is switched off" in answer.text


@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_nobody_is_asked_without_a_token(superuser: FlaskClient) -> None:
    """It sends a message."""
    assert superuser.post(f"{WORKERS}ask/").status_code == 400


def test_workers_are_for_superusers(reviewer: FlaskClient, plain: FlaskClient) -> None:
    """Nobody else sees them, or asks them."""
    for browser in (reviewer, plain):
        assert browser.get(WORKERS).status_code == 403
        assert browser.post(f"{WORKERS}ask/").status_code == 403
