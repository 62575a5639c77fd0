"""Import tasks with ``taskadmin.service``; ``tests/unit/cli`` tests the files' format."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeTask, MakeUser
from taskadmin import service
from taskadmin.models import AuditEntry, Task

DICE = {
    "name": "Dice",
    "job": "generate_random_number",
    "arguments": {"lower_limit": 1, "upper_limit": 6},
}


def test_tasks_are_imported(
    context: Flask, session: Session, make_task: MakeTask, make_user: MakeUser
) -> None:
    """The result describes deleted tasks, too; the actor is the application."""
    make_user("ana"), make_task(name="Other")
    document = {"tasks": [DICE]}

    planned = service.import_tasks(document, author="ana", delete_others=True, dry_run=True)
    assert (planned.is_done, [task.label for task in planned.created]) == (False, ["Dice"])
    assert session.scalars(select(Task.name)).all() == ["Other"]

    done = service.import_tasks(document, author="ana", delete_others=True)
    assert done.is_done
    assert [(task.label, task.name) for task in done.others] == [("Other", "Other")]
    assert [task.name for task in service.find_tasks()] == ["Dice"]
    entries = session.execute(select(AuditEntry.actor, AuditEntry.action)).all()
    assert sorted(map(tuple, entries)) == [("host", "created"), ("host", "deleted")]


def test_a_file_with_a_problem_changes_nothing(
    context: Flask, session: Session, make_user: MakeUser
) -> None:
    """An unknown job and all missing arguments are reported at once."""
    make_user("ana")
    document = {"tasks": [DICE, {**DICE, "job": "gone"}, {"name": "Mail", "job": "mail"}]}

    done = service.import_tasks(document, author="ana")

    assert (done.is_done, len(done.problems)) == (False, 3)
    assert service.find_tasks() == []
