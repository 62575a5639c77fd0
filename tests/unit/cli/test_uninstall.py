"""``flask taskadmin uninstall``."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows import runs
from taskadmin import migrations
from taskadmin.cli import taskadmin_cli
from taskadmin.migrations import VERSION_TABLE
from taskadmin.models import Process

AWAY = {"broker_url": "amqp://guest:s3cret-word@127.0.0.1:1//", "result_backend": "disabled://"}


def tables(session: Session) -> set[str]:
    """Return the names of the tables, in a new transaction."""
    session.rollback()
    found = {*inspect(session.connection()).get_table_names()}
    session.rollback()
    return found


def uninstall(app: Flask, *arguments: str, answer: str | None = None) -> tuple[int, str]:
    """Return the command's exit code and output."""
    done = app.test_cli_runner().invoke(taskadmin_cli, ["uninstall", *arguments], input=answer)
    return done.exit_code, done.output


def test_it_lists_asks_and_removes(app: Flask, session: Session, make_task: MakeTask) -> None:
    """The host's tables stay, and a second call finds nothing."""
    make_task()
    session.execute(text("CREATE TABLE invoice (id INTEGER)"))
    session.commit()

    code, output = uninstall(app, answer="n\n")

    assert code == 1
    assert "  table taskadmin_task: 1 row\n" in output
    assert "  table taskadmin_task_result: 0 rows\n" in output
    assert f"  table {VERSION_TABLE}: 1 row\n" in output
    assert "Remove all of this? It can't be undone. [y/N]: n" in output
    assert VERSION_TABLE in tables(session)

    code, output = uninstall(app, answer="y\n")

    assert code == 0, output
    assert tables(session) == {"invoice"}
    assert uninstall(app) == (0, "Nothing of taskadmin is left.\n")
    assert migrations.current_revision(app) is None


def test_it_refuses_while_processes_run(app: Flask, session: Session) -> None:
    """With their names; processes that were silent for a lease don't matter."""
    process_id = runs.register(session)

    code, output = uninstall(app, "--yes")

    assert code == 1
    assert "stop them first, or, if they were killed, wait 30 seconds:" in output
    assert "  child w1@host (pid 1), seen 0 s ago" in output
    assert "taskadmin_task" in tables(session)

    process = session.get_one(Process, process_id)
    process.seen_at -= timedelta(seconds=31)
    session.commit()
    assert uninstall(app, "--yes")[0] == 0
    assert tables(session) == set()


@pytest.mark.settings(CELERY=AWAY)
def test_an_unreachable_broker_is_no_obstacle(app: Flask, session: Session) -> None:
    """The tables are dropped; the output says what may be left, and how to remove it."""
    code, output = uninstall(app, "--yes")

    assert code == 0
    assert tables(session) == set()
    assert "The broker can't be reached: its queues, if there are any, will stay.\n" in output
    assert "run flask taskadmin uninstall again later, or delete these queues" in output
    assert "taskadmin.launch, taskadmin.runs, taskadmin.dead, taskadmin.default; and" in output
    assert "celery_delayed_0 to celery_delayed_27, if no other application" in output
    assert "s3cret-word" not in output


def test_the_schema_must_be_of_this_version(app: Flask, session: Session) -> None:
    """Another version has other tables."""
    newest = migrations.newest_revision()

    for revision, fix in (
        ("0001", "run flask taskadmin db upgrade first."),
        ("9999", "uninstall with the version of taskadmin that it was upgraded for."),
    ):
        session.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'"))
        session.commit()
        assert uninstall(app, "--yes") == (
            1,
            f"Error: The database is at revision {revision}, this version's is {newest}: {fix}\n",
        )


def test_a_host_table_that_refers_to_ours_keeps_everything(app: Flask, session: Session) -> None:
    """The foreign key has to be dropped first; nothing is removed."""
    session.execute(
        text("CREATE TABLE report (task_id integer REFERENCES taskadmin_task_result (id))")
    )
    session.commit()

    code, output = uninstall(app, "--yes")

    assert code == 1
    assert output.endswith(
        "Error: Your table report has a foreign key to taskadmin_task_result: drop it first.\n"
    )
    assert {VERSION_TABLE, "taskadmin_user", "taskadmin_task_result"} <= tables(session)


@pytest.mark.databases("sqlite")
def test_the_lock_beside_the_database_goes(app: Flask, tmp_path: Path) -> None:
    """Migrations leave a file there."""
    migrations.upgrade(app)
    lock = tmp_path / "taskadmin.sqlite.migration.lock"
    lock.touch()

    assert uninstall(app, "--yes")[0] == 0

    assert not lock.exists()
