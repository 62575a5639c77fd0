"""``flask taskadmin tasks list``, ``show``, ``run``, ``pause`` and ``resume``, and ``jobs``."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.models import AuditEntry, RunState, Task, TaskPause, TaskResult

Run = Callable[..., Result]


def test_tasks_by_job_and_state(run: Run, make_task: MakeTask) -> None:
    """Including orphaned and invalid ones."""
    make_task(name="Dice")
    make_task(name="Off", enabled=False)
    make_task(name="Gone", job="nobody", params={"a": 1})
    make_task(name="Wrong", job="mail", params={"to": "ana"})
    states = {
        one["name"]: one["state"] for one in json.loads(run("tasks", "list", "--json").output)
    }
    assert states == {"Dice": "active", "Off": "paused", "Gone": "orphaned", "Wrong": "invalid"}
    only = json.loads(run("tasks", "list", "--state", "orphaned", "--json").output)
    assert [one["name"] for one in only] == ["Gone"]
    assert "Wrong" in run("tasks", "list", "--job", "mail").output


def test_a_secret_is_never_printed(run: Run, make_task: MakeTask) -> None:
    """Neither by show nor by export."""
    task = make_task(name="Mail", job="mail", params={"to": "ana", "password": "hunter22"})
    for arguments, mark in (
        (("show", str(task.id)), "••••••"),
        (("show", str(task.id), "--json"), "••••••"),
        (("export",), "<stored>"),
    ):
        printed = run("tasks", *arguments).output
        assert "hunter22" not in printed
        assert mark in printed


def test_run_with_other_arguments(run: Run, session: Session, make_task: MakeTask) -> None:
    """Parsed by the job's types; the task keeps its own, and the audit trail has no secret."""
    task = make_task(job="mail", params={"to": "ana", "password": "hunter22"})
    done = run(
        *("tasks", "run", str(task.id), "--arg", "copies=3", "--arg", "password=swordfish"),
        "--json",
    )
    assert json.loads(done.output)["runs"][0]["state"] == RunState.QUEUED
    queued = session.scalars(select(TaskResult)).one()
    assert queued.task_params["copies"] == 3
    assert queued.task_params["password"] == "swordfish"
    assert session.get_one(Task, task.id).params == {"to": "ana", "password": "hunter22"}
    entry = session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.source) == ("started", "command line")
    assert "swordfish" not in str(entry.after)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("copies=many", "whole number"),
        ("cc=bob", "takes no cc"),
        ("copies", "has no value"),
    ],
)
def test_arguments_that_do_not_fit(
    run: Run, session: Session, make_task: MakeTask, given: str, told: str
) -> None:
    """No run starts."""
    task = make_task(job="mail", params={"to": "ana", "password": "hunter22"})
    assert told in run("tasks", "run", str(task.id), "--arg", given, fails=True).output
    assert session.scalars(select(TaskResult)).all() == []


@pytest.mark.parametrize("unknown", ["999", str(2**63)])
@pytest.mark.parametrize("command", ["run", "pause", "resume", "show"])
def test_an_unknown_id_changes_nothing(
    run: Run, session: Session, make_task: MakeTask, command: str, unknown: str
) -> None:
    """Not even the other tasks."""
    ids = [unknown] if command == "show" else [str(make_task().id), unknown]
    assert f"There is no task {unknown}" in run("tasks", command, *ids, fails=True).output
    assert session.scalars(select(TaskResult)).all() == []
    assert session.scalars(select(TaskPause)).all() == []


def test_pause_and_resume(run: Run, session: Session, make_task: MakeTask) -> None:
    """With a note and a date, shown by ``show``."""
    task = make_task()
    run("tasks", "pause", str(task.id), "--note", "Not now.", "--until", "2100-01-01T00:00:00Z")
    assert "Not now." in run("tasks", "show", str(task.id)).output
    for until in ("yesterday", "2020-01-01T00:00:00Z", "2100-01-01T00:00:00"):
        run("tasks", "pause", str(task.id), "--until", until, fails=True)
    run("tasks", "resume", str(task.id))
    session.expire_all()
    assert session.get(TaskPause, task.id) is None
    assert session.get_one(Task, task.id).enabled
