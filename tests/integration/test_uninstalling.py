"""Uninstalling: after real processes have used database and broker, and as the READMEs say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from flask import Flask
from sqlalchemy import URL, create_engine, inspect
from sqlalchemy.orm import Session

from fixture_types import MakeApp, MakeTask
from services.rows import runs
from services.servers.processes import CeleryProcesses
from services.servers.rabbitmq import rabbitmq_server
from taskadmin.cli import taskadmin_cli
from taskadmin.models import RunState
from taskadmin.queue import LAUNCH_QUEUE, RUNS_QUEUE

ROOT = Path(__file__).parents[2]
HOST = """
import os
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
{imports}
app = Flask(__name__)
app.config.update(
    SECRET_KEY="for tests",
    SQLALCHEMY_DATABASE_URI=os.environ["HOST_DATABASE_URI"],
    CELERY={{"broker_url": "memory://", "result_backend": "disabled://"}},
)
db = SQLAlchemy(app)

class Invoice(db.Model):
    id = db.Column(db.Integer, primary_key=True)

{setup}
"""
WITH = HOST.format(
    imports="import taskadmin",
    setup="Migrate(app, db, include_object=taskadmin.include_object)\n"
    "taskadmin.TaskAdmin().init_app(app, db=db)",
)
WITHOUT = HOST.format(imports="", setup="Migrate(app, db)")
#: Celery's own, which any application of Celery declares on the virtual host.
OF_CELERY = {"celeryev", "celery.pidbox", "reply.celery.pidbox"}


@pytest.fixture
def broker() -> Iterator[str]:
    """A virtual host with no queue."""
    with rabbitmq_server() as url:
        yield url


def listed(broker: str, what: str) -> set[str]:
    """Return the names of the queues or exchanges at the broker, without RabbitMQ's own."""
    host = unquote(urlsplit(broker).path[1:])
    done = subprocess.run(
        ["rabbitmqctl", "-q", f"list_{what}", "-p", host, "name"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {
        name
        for name in done.stdout.splitlines()[1:]
        if name and not name.startswith("amq.") and not name.endswith(".pidbox")
    } - OF_CELERY


@pytest.fixture
def config(database_url: URL, broker: str) -> dict[str, Any]:
    """Settings of a host with a Celery application created by taskadmin."""
    return {
        "SQLALCHEMY_DATABASE_URI": database_url.render_as_string(hide_password=False),
        "SECRET_KEY": "for tests",
        "CELERY": {"broker_url": broker, "result_backend": "rpc://"},
    }


@pytest.fixture
def processes(config: dict[str, Any], tmp_path: Path) -> Iterator[CeleryProcesses]:
    """A starter of the host's Celery processes."""
    processes = CeleryProcesses(tmp_path, config)
    yield processes
    processes.stop()


@pytest.fixture
def used_app(
    make_app: MakeApp,
    make_task: MakeTask,
    session: Session,
    config: dict[str, Any],
    processes: CeleryProcesses,
) -> Flask:
    """A host whose worker has executed a run and is still there."""
    app = make_app(**config)
    processes.worker("runs", f"{RUNS_QUEUE},{LAUNCH_QUEUE}", "-c", "1")
    run_id = runs.queue(session, make_task().id)
    runs.send(app.extensions["taskadmin"].celery, run_id)
    runs.wait_until(session, run_id, RunState.SUCCEEDED)
    session.rollback()
    return app


@pytest.mark.databases("postgresql")
def test_nothing_is_left(
    used_app: Flask, processes: CeleryProcesses, broker: str, session: Session
) -> None:
    """It refuses while a worker runs; then tables, queues and exchanges are gone, even Celery's."""
    runner = used_app.test_cli_runner()

    refused = runner.invoke(taskadmin_cli, ["uninstall", "--yes"])

    assert refused.exit_code == 1
    assert "These processes are running; stop them first" in refused.output
    assert "  worker runs@" in refused.output
    assert {LAUNCH_QUEUE, RUNS_QUEUE, "celery_delayed_27"} <= listed(broker, "queues")
    processes.stop()

    done = runner.invoke(taskadmin_cli, ["uninstall"], input="y\n")

    assert done.exit_code == 0, done.output
    assert "  table taskadmin_task_result: 1 row\n" in done.output
    assert f"  queue {RUNS_QUEUE}: 0 messages\n" in done.output
    assert "Kept" not in done.output
    assert inspect(session.connection()).get_table_names() == []
    assert listed(broker, "queues") == set()
    assert listed(broker, "exchanges") == set()
    again = runner.invoke(taskadmin_cli, ["uninstall"])
    assert (again.exit_code, again.output) == (0, "Nothing of taskadmin is left.\n")


class Shell:
    """Runs commands in the host's folder."""

    def __init__(self, folder: Path, url: URL) -> None:
        self.folder = folder
        self._environment = {
            **os.environ,
            "FLASK_APP": "shop",
            "HOST_DATABASE_URI": url.render_as_string(hide_password=False),
        }

    def run(self, command: str, *, answer: str = "") -> str:
        """Run a ``flask`` command, and return its output."""
        program, *arguments = command.split()
        assert program == "flask"
        done = subprocess.run(
            [sys.executable, "-m", "flask", *arguments],
            cwd=self.folder,
            env=self._environment,
            input=answer,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


def recipe(readme: str) -> list[str]:
    """Return the commands of the section on uninstalling."""
    [section] = re.findall(
        r"^#+ Uninstalling\n(.*?)(?=^#|\Z)", (ROOT / readme).read_text(), re.MULTILINE | re.DOTALL
    )
    return re.findall(r"^    (.+)$", section, re.MULTILINE)


def test_the_recipe_leaves_nothing_of_taskadmin(empty_database_url: URL, tmp_path: Path) -> None:
    """The host without taskadmin has no difference to migrate, and keeps its table."""
    commands = recipe("README.md")
    assert commands == recipe("packages/taskadmin/README.md") == ["flask taskadmin uninstall"]
    shell = Shell(tmp_path, empty_database_url)
    (tmp_path / "shop.py").write_text(WITH)
    for command in ("db init", "db migrate", "db upgrade", "taskadmin db upgrade"):
        shell.run(f"flask {command}")

    for command in commands:
        assert "  table taskadmin_task: 0 rows\n" in shell.run(command, answer="y\n")
    (tmp_path / "shop.py").write_text(WITHOUT)

    assert "No new upgrade operations detected." in shell.run("flask db check")
    engine = create_engine(empty_database_url)
    assert {*inspect(engine).get_table_names()} == {"invoice", "alembic_version"}
    engine.dispose()
