"""``flask taskadmin doctor``."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from sqlalchemy import delete, text
from sqlalchemy.orm import Session

from services.doctor import examined
from taskadmin.cli import taskadmin_cli
from taskadmin.health import Status
from taskadmin.models import Process


def test_all_is_well(all_well: Flask) -> None:
    """One line per check, a summary, and exit code 0."""
    done = all_well.test_cli_runner().invoke(taskadmin_cli, ["doctor"])

    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert [line[:17] for line in lines[:-2]] == [
        "✓ SECRET_KEY     ",
        "✓ database       ",
        "✓ pooler         ",
        "✓ clock skew     ",
        "✓ migrations     ",
        "✓ rights         ",
        "✓ room           ",
        "✓ include_object ",
        "✓ broker         ",
        "✓ queues         ",
        "✓ settings       ",
        "✓ beat           ",
        "✓ launcher       ",
        "✓ workers        ",
        "✓ held messages  ",
        "✓ one stack      ",
        "✓ missed slots   ",
        "✓ stuck runs     ",
        "✓ retention      ",
        "✓ table growth   ",
    ]
    assert lines[-2:] == ["", "All is well."]


def test_problems_end_with_one_and_have_a_fix_below(rabbit_app: Flask) -> None:
    """Nothing was started; each problem has a fix."""
    done = rabbit_app.test_cli_runner().invoke(taskadmin_cli, ["doctor"])

    assert done.exit_code == 1
    assert (
        "✗ queues          taskadmin.launch doesn't exist; taskadmin.runs doesn't exist.\n"
        "                  celery -A <your module> worker -Q taskadmin.launch\n"
        "                  celery -A <your module> worker -Q taskadmin.runs\n"
    ) in done.output
    assert (
        "✗ beat            No beat is running, so nothing is launched.\n                 "
        " celery -A <your module> beat\n! launcher        Not checked: see beat.\n✗ workers      "
        "   No worker is running.\n"
    ) in done.output
    assert done.output.endswith("\n3 problems, 2 warnings.\n")


def test_json_is_for_programs(all_well: Flask, session: Session) -> None:
    """An object with the same content; the exit code is the same."""
    runner = all_well.test_cli_runner()
    done = runner.invoke(taskadmin_cli, ["doctor", "--json"])

    assert done.exit_code == 0
    answer = json.loads(done.output)
    assert answer["healthy"] is True
    assert len(answer["checks"]) == 20
    assert answer["checks"][7] == {
        "name": "include_object",
        "status": "ok",
        "found": "The application doesn't use Flask-Migrate.",
        "fix": None,
    }
    session.execute(delete(Process))
    session.commit()
    done = runner.invoke(taskadmin_cli, ["doctor", "--json"])
    assert done.exit_code == 1
    assert json.loads(done.output)["healthy"] is False


def test_without_taskadmin_it_names_the_missing_call() -> None:
    """One sentence, like all commands."""
    done = Flask("shop").test_cli_runner().invoke(taskadmin_cli, ["doctor"])

    assert done.exit_code == 1
    assert done.output.startswith("Error: taskadmin isn't initialized on 'shop'")


def test_a_check_that_fails_stops_no_other(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its exception is a finding."""
    session.execute(text("DROP TABLE taskadmin_process"))
    session.commit()

    found = examined(app)

    assert found["workers"].status == Status.PROBLEM
    assert found["workers"].found.startswith("The check failed: ")
    assert "taskadmin_process" in found["workers"].found
    assert found["table growth"].status == Status.OK
