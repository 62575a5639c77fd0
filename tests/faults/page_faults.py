"""A person's "Run now" while the broker is away: answered soon, and sent when it is back."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from services.browser import Browser
from taskadmin import TaskAdmin
from taskadmin.accounts.passwords import hash_password
from taskadmin.state import get_state
from taskadmin.store import users

from . import host  # noqa: F401 - the page has to know the suite's jobs
from .catalogue import fault
from .stage import Stage

AREA = "broker"
#: What the issue of the ledger promises for the page's answer.
SECONDS = 2.0
PASSWORD = "a password for the suite"


@fault("run now while the broker is down", area=AREA, long=True)
def down(stage: Stage) -> Iterator[None]:
    """Its port refuses; pages answer, the run is queued, and sent after the restart."""
    _begin(stage)
    with _site(stage) as browser:
        stage.rabbitmq.kill()
        _run_now(stage, browser)
    stage.rabbitmq.start()
    yield
    _one_by_hand(stage)


@fault("run now while the broker never answers", area=AREA, long=True)
def silent(stage: Stage) -> Iterator[None]:
    """Something accepts the web process's connection and says nothing; the launcher sends the run."""
    _begin(stage)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        broker = f"amqp://guest:guest@127.0.0.1:{listener.getsockname()[1]}//"
        with _site(stage, broker) as browser:
            _run_now(stage, browser)
    yield
    _one_by_hand(stage)


@fault("run now in a memory alarm", area=AREA, long=True)
def alarm(stage: Stage) -> Iterator[None]:
    """The broker takes the message and doesn't confirm it."""
    _begin(stage)
    stage.on_close(stage.rabbitmq.end_memory_alarm)
    with _site(stage) as browser:
        stage.rabbitmq.memory_alarm()
        _run_now(stage, browser)
    stage.rabbitmq.end_memory_alarm()
    yield
    _one_by_hand(stage)


@fault("run now while the broker answers slowly", area=AREA, long=True)
def slow(stage: Stage) -> Iterator[None]:
    """Each of its answers takes 0.3 s: the page doesn't wait for all of them."""
    _begin(stage)
    proxy = stage.proxy_broker()
    proxy.slow(0.15)  # each way
    with _site(stage, stage.rabbitmq.url(stage.vhost, proxy.port)) as browser:
        _run_now(stage, browser, or_said="1 run is queued and sent to the workers.")
    yield
    _one_by_hand(stage)


def _begin(stage: Stage) -> None:
    """Everything runs, and the slot's launch is over."""
    stage.load(4, seconds=0.1)
    stage.start_all()
    stage.wait(
        lambda: stage.value("SELECT true FROM taskadmin_launch WHERE state = 'closed'"),
        "the slot's launch",
        seconds=45,
    )


@contextmanager
def _site(stage: Stage, broker: str | None = None) -> Iterator[Browser]:
    """A web process's application in this one, with a superuser signed in."""
    app = Flask("faults_web")
    config: dict[str, Any] = {**stage.config(), "SECRET_KEY": "only for faults", "TESTING": True}
    if broker:
        config["CELERY"] = {**config["CELERY"], "broker_url": broker}
    app.config.update(config)
    db = SQLAlchemy(app)
    TaskAdmin().init_app(app, db=db)
    with app.app_context():
        users.create_user(
            get_state().session, "chief", password_hash=hash_password(PASSWORD), is_superuser=True
        )
    browser = Browser(app)
    browser.submit("/taskadmin/login", username="chief", password=PASSWORD)
    try:
        yield browser
    finally:
        with app.app_context():
            db.engine.dispose()


def _run_now(stage: Stage, browser: Browser, or_said: str = "") -> None:
    """Look at the pages and start a task, each within the promised time."""
    task_id = stage.value("SELECT min(id) FROM taskadmin_task")
    for path in ("tasks/", "runs/", f"tasks/details/?id={task_id}"):
        _timed(stage, path, lambda path=path: browser.get(f"/taskadmin/{path}"))
    _timed(stage, "run now", lambda: browser.post("/taskadmin/tasks/action/", action="run_now"))
    said = browser.messages()
    stage.expect(
        said in (["1 run is queued and will be sent when the broker is back."], [or_said]),
        f"it said {said}",
    )


def _timed(stage: Stage, what: str, do: Any) -> None:
    begun = time.monotonic()
    answer = do()
    seconds = time.monotonic() - begun
    stage.expect(answer.status_code == 200, f"{what} answered {answer.status_code}")
    stage.expect(seconds < SECONDS, f"{what} took {seconds:.2f} s")


def _one_by_hand(stage: Stage) -> None:
    by_hand = stage.value(
        "SELECT count(*) FROM taskadmin_task_result r JOIN taskadmin_launch l ON l.id = r.launch_id"
        " WHERE l.kind = 'manual' AND r.state = 'succeeded'"
    )
    stage.expect(by_hand == 1, f"{by_hand} runs of the person's launch succeeded")
