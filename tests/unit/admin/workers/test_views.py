"""The page of workers and queues."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.pages import messages, row_of
from services.rows.launches import add_launch
from taskadmin.errors import BrokerUnavailable
from taskadmin.models import RunState
from taskadmin.state import Echo, QueueState, get_state

pytestmark = pytest.mark.databases("sqlite")

WORKERS = "/taskadmin/workers/"


def _answer(app: Flask, states: Sequence[QueueState] | None) -> None:
    get_state(app).inspect = lambda: states


def test_without_any_process_the_page_says_how_to_start_each(superuser: FlaskClient) -> None:
    """As ``flask taskadmin doctor`` does."""
    page = unescape(superuser.get(WORKERS).text)

    assert "No beat is running, so nothing is launched." in page
    assert "celery -A <your module> beat" in page
    assert "No launcher has run yet." in page
    assert "celery -A <your module> worker -Q taskadmin.launch -P solo" in page
    assert "No worker is running." in page
    assert "celery -A <your module> worker -Q taskadmin.runs" in page
    assert "No processes" in page


def test_queues_show_their_consumers_and_waiting_runs(
    app: Flask, session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """From the broker and the ledger; the dead letter queue needs no worker."""
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

    assert row_of(page, "taskadmin.runs")[1:4] == ["2 consumers", "12some are copies", "0"]
    assert "Workers drop the copies." in page
    reports = row_of(page, "reports")
    assert "celery -A <your module> worker -Q reports" in reports[0]
    assert reports[1:4] == ["no consumer", "3", "3"]
    assert reports[4] != "–"
    assert row_of(page, "away")[1:3] == ["doesn't exist", "–"]
    dead = row_of(page, "taskadmin.dead")
    assert "celery" not in dead[0]
    assert dead[1:4] == ["–", "4", "–"]


def test_a_broker_that_is_away_leaves_the_ledgers_numbers(
    app: Flask, session: Session, superuser: FlaskClient, make_task: MakeTask
) -> None:
    """The page says so instead of showing zeros."""

    def inspect() -> Sequence[QueueState]:
        raise BrokerUnavailable("ConnectionRefusedError: nobody <there>")

    add_launch(session, make_task().id, {RunState.QUEUED: 3})
    get_state(app).inspect = inspect

    page = superuser.get(WORKERS).text

    assert "The broker can&#39;t be reached, so messages and consumers are unknown" in page
    assert "nobody &lt;there&gt;" in page
    assert "<th>Consumers</th>" not in page
    assert row_of(page, "taskadmin.runs")[1] == "3"


@pytest.mark.settings(CELERY={"broker_url": "amqp://guest:secret@127.0.0.1:1//"})
def test_a_real_broker_that_is_away_is_noticed_soon(superuser: FlaskClient) -> None:
    """Nothing listens on this port; its password isn't shown."""
    page = superuser.get(WORKERS).text

    assert "The broker can&#39;t be reached" in page
    assert "secret" not in page


def test_a_broker_that_cant_tell_is_named(superuser: FlaskClient) -> None:
    """The tests' broker is in memory."""
    page = superuser.get(WORKERS).text

    assert "This broker isn&#39;t RabbitMQ" in page
    assert row_of(page, "taskadmin.runs")[1] == "0"


def test_without_a_task_queue_the_page_says_that(app: Flask, superuser: FlaskClient) -> None:
    """It has no button to ask workers."""
    state = get_state(app)
    state.inspect = state.ping = None

    page = superuser.get(WORKERS).text

    assert "This application has no task queue, so the runs it launches stay queued." in page
    assert "Ping workers" not in page
    assert row_of(page, "taskadmin.runs")[1] == "0"
    assert superuser.post(f"{WORKERS}ask/").status_code == 404


@pytest.mark.parametrize(
    ("echo", "words"),
    [
        (Echo("worker@one", timedelta(milliseconds=12)), "worker@one answered after 12 ms."),
        (Echo(None, timedelta(seconds=3)), "No worker answered within 3 sec."),
        (
            Echo(None, timedelta(0), is_possible=False),
            (
                "Workers can&#39;t answer because Celery&#39;s result backend is disabled."
                " Set result_backend to “rpc://”."
            ),
        ),
        (None, "The broker can&#39;t be reached, so no worker was asked."),
    ],
)
def test_a_check_of_workers_reports_its_result(
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
    """The page doesn't wait for replies."""
    answer = superuser.post(f"{WORKERS}ask/", follow_redirects=True)

    assert "result backend is disabled" in answer.text
