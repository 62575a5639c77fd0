"""``flask taskadmin audit``."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.models import AuditEntry

Run = Callable[..., Result]


@pytest.mark.parametrize("name", ["=1+1", "\uff1d1+1"])
def test_the_trail_is_exported(run: Run, session: Session, make_task: MakeTask, name: str) -> None:
    """As JSON lines, and as CSV without formulas, also full-width ones."""
    task = make_task(name=name)
    run("tasks", "pause", str(task.id))
    [_, line] = run("audit", "export").output.splitlines()
    assert json.loads(line)["action"] == "paused"
    assert f"'{name}" in run("audit", "export", "--csv").output


@pytest.mark.parametrize(
    ("command", "subject"),
    [
        ("audit export", "audit.jsonl"),
        ("audit export --csv", "audit.csv"),
        ("tasks export", "tasks.yaml"),
    ],
)
def test_exports_are_in_the_trail(run: Run, session: Session, command: str, subject: str) -> None:
    """Like exports of pages, with the command's user."""
    run(*command.split())
    entry = session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.subject, entry.source) == ("exported", subject, "command line")
