""" "Run now" while the broker is unavailable: a quick response, and the run is sent later."""

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
from taskadmin.state import get_state
from taskadmin.store.people import users
from taskadmin.store.people.passwords import hash_password

from ..catalogue import fault
from ..stages import host  # noqa: F401 - registers the suite's jobs
from ..stages.stage import Stage

AREA = "broker"
#: Maximum seconds of a page's response.
SECONDS = 2.0
PASSWORD = "a password for the suite"


@fault("run now while the broker is down", area=AREA, long=True)
def down(stage: Stage) -> Iterator[None]:
    """The broker is stopped: the page responds, and the queued run is sent after the restart."""
    _begin(stage)
    with _site(stage) as browser:
        stage.broker.kill()
        _run_now(stage, browser)
    stage.restart_broker()
    yield
    _one_by_hand(stage)


@fault("run now while the broker never answers", area=AREA, long=True)
def silent(stage: Stage) -> Iterator[None]:
    """The web process's connection is accepted but never answered; the launcher sends the run."""
    _begin(stage)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        broker = stage.broker.url(stage.vhost, listener.getsockname()[1])
        with _site(stage, broker) as browser:
            _run_now(stage, browser)
    yield
    _one_by_hand(stage)


@fault("run now in a memory alarm", area=AREA, long=True)
def alarm(stage: Stage) -> Iterator[None]:
    """The broker receives the message and doesn't confirm it."""
    _begin(stage)
    stage.on_close(stage.broker.end_memory_alarm)
    with _site(stage) as browser:
        stage.broker.memory_alarm()
        _run_now(stage, browser)
    stage.broker.end_memory_alarm()
    stage.supervise_on_redis()
    yield
    _one_by_hand(stage)


@fault("run now while the broker answers slowly", area=AREA, long=True)
def slow(stage: Stage) -> Iterator[None]:
    """Each of its responses takes 0.3 s; the page doesn't wait for all of them."""
    _begin(stage)
    proxy = stage.proxy_broker()
    proxy.slow(0.15)  # each way
    with _site(stage, stage.broker.url(stage.vhost, proxy.port)) as browser:
        _run_now(stage, browser, or_said="1 run queued and sent to the workers.")
    yield
    _one_by_hand(stage)


def _begin(stage: Stage) -> None:
    """Start everything, and wait for the end of the slot's launch."""
    stage.load(4, seconds=0.1)
    stage.start_all()
    stage.wait(
        lambda: stage.value("SELECT true FROM taskadmin_launch WHERE state = 'closed'"),
        "the slot's launch",
        seconds=45,
    )


@contextmanager
def _site(stage: Stage, broker: str | None = None) -> Iterator[Browser]:
    """Create the web application in this process, with a superuser logged in."""
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
    """Open pages and press "Run now", each within the time limit."""
    task_id = stage.value("SELECT min(id) FROM taskadmin_task")
    for path in ("tasks/", "runs/", f"tasks/details/?id={task_id}"):
        _timed(stage, path, lambda path=path: browser.get(f"/taskadmin/{path}"))
    _timed(stage, "run now", lambda: browser.post("/taskadmin/tasks/action/", action="run_now"))
    said = browser.messages()
    stage.expect(
        said in (["1 run queued; it will be sent when the broker is back."], [or_said]),
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
    stage.expect(by_hand == 1, f"{by_hand} runs started by the user succeeded")
