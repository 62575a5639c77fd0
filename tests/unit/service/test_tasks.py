"""Tasks with ``taskadmin.service``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeTask, MakeUser
from taskadmin import service
from taskadmin.errors import (
    EditConflict,
    InvalidArguments,
    UnknownJob,
    UnknownUser,
    Unstorable,
)
from taskadmin.models import AuditEntry, RunState, Task, TaskPause, TaskResult, TaskSchedule
from taskadmin.schedules import InvalidSchedule, ScheduleKind
from taskadmin.service import ScheduleInput

README = (Path(__file__).parents[3] / "README.md").read_text()


def test_a_task_is_paused_and_resumed_by_name(context: Flask, session: Session, mail: int) -> None:
    """The end must be in the future, and a time that can be stored in UTC."""
    until = datetime(2100, 1, 1, tzinfo=UTC)
    service.pause_task("Mail", note="Not now.", resume_at=until)

    pause = session.scalars(select(TaskPause)).one()
    assert (pause.note, pause.resume_at) == ("Not now.", until)
    for wrong, told in (
        (until.replace(tzinfo=None), "no zone"),
        (until.replace(2020), "has passed"),
        (until.replace(3000), "after the year 2999"),
        (datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))), "after the year 2999"),
    ):
        with pytest.raises(ValueError, match=told):
            service.pause_task("Mail", resume_at=wrong)
    assert [service.resume_task("Mail").enabled, service.resume_task("Mail").enabled] == [
        True,
        True,
    ]
    actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["paused", "resumed"]


def test_a_task_is_created_edited_cloned_and_deleted(
    context: Flask, session: Session, make_user: MakeUser
) -> None:
    """Only given values change; the audit trail has each step, without secrets."""
    ana = make_user("ana").id
    arguments = {"to": "ana", "password": "hunter22"}
    hourly = ScheduleInput(kind=ScheduleKind.INTERVAL, every_seconds=3600)

    task = service.create_task(
        job="mail", arguments=arguments, author="Ana", name=" Mail ", schedule=hourly
    )
    assert (task.name, task.created_by, task.masked) == ("Mail", ana, ["password"])
    assert task.arguments == {**arguments, "copies": 1}
    edited = service.edit_task("Mail", arguments={**task.arguments, "copies": 2})
    assert (edited.name, edited.enabled, edited.arguments["copies"]) == ("Mail", True, 2)
    assert service.edit_task(task.id, name="", enabled=False).name is None
    row = session.scalars(select(TaskSchedule)).one()
    assert (row.task_id, row.every_seconds) == (task.id, 3600)
    copy = service.clone_task(task.id)
    assert (copy.arguments, copy.created_by, copy.enabled) == (task.arguments, ana, False)
    found = service.find_tasks(job="mail", author="ana")
    assert [one.id for one in found] == [task.id, copy.id]
    assert service.find_tasks(name="of copy") == [copy]
    assert service.delete_tasks([task.id, copy.id]).tasks == 2
    assert service.find_tasks() == []
    entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    actions = ["created", "changed", "changed", "cloned", "deleted", "deleted"]
    assert [entry.action for entry in entries] == actions
    assert "hunter22" not in str([(entry.before, entry.after) for entry in entries])


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        ({"name": "x" * 201}, Unstorable, "at most 200"),
        ({"name": "a\tb"}, Unstorable, "printable"),
        ({"job": "gone"}, UnknownJob, "No job named gone is registered."),
        ({"arguments": {"to": "x"}}, InvalidArguments, "password: This argument is required."),
        ({"schedule": ScheduleInput(kind=ScheduleKind.CRON, cron="x")}, InvalidSchedule, "x"),
        ({"author": "nobody"}, UnknownUser, "name a user"),
        ({"author": 999}, UnknownUser, "name a user"),
        ({"version": 7}, EditConflict, "Someone else"),
    ],
)
def test_rules_hold_for_programs(
    context: Flask,
    session: Session,
    mail: int,
    wrong: dict[str, Any],
    error: type[Exception],
    told: str,
) -> None:
    """For new and edited tasks; nothing is changed."""
    whole = {"job": "mail", "arguments": {"to": "a", "password": "b"}, "author": "author"}
    if "version" not in wrong:
        with pytest.raises(error, match=told):
            service.create_task(**{**whole, **wrong})
    if "author" not in wrong:
        with pytest.raises(error, match=told):
            service.edit_task(mail, **wrong)
    assert session.scalars(select(Task.version)).all() == [1]


def test_unchanged_values_are_not_validated_again(
    context: Flask, session: Session, make_task: MakeTask
) -> None:
    """A task with an unknown job can be renamed."""
    task_id = make_task(name="Old", job="gone", params={"a": 1}).id

    assert service.edit_task("Old", name="New").arguments == {"a": 1}

    renamed = service.find_task("New")
    assert renamed is not None and renamed.id == task_id
    with pytest.raises(UnknownJob):
        service.edit_task("New", arguments={"a": 2})


def test_the_example_of_the_readme(app: Flask, session: Session, make_user: MakeUser) -> None:
    """It works as described."""
    make_user("ana")
    section = README.split("### From your code\n")[1].split("\n### ")[0]
    example = re.findall(r"```python\n(.*?)```", section, re.DOTALL)[0]

    exec(example, {"app": app})  # noqa: S102 - our own README

    run = session.scalars(select(TaskResult)).one()
    assert (run.state, run.task_params["upper_limit"]) == (RunState.CANCELLED, 20)
    assert session.scalars(select(TaskPause.note)).one() == "Until the table is clean."
    for name in re.findall(r"`(\w+_(?:tasks?|runs?|user|password))`", section):
        assert name in service.__all__
