"""``flask taskadmin tasks export`` and ``import``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.models import AuditEntry, Overlap, Task
from taskadmin.schedules import ScheduleKind
from taskadmin.store.tasks import tasks
from taskadmin.store.tasks.schedules import ScheduleInput, find_schedule, input_of

Run = Callable[..., Result]


NIGHTLY = ScheduleInput(
    kind=ScheduleKind.CRON, cron="30 2 * * *", zone="Europe/Berlin", overlap=Overlap.SKIP
)


@pytest.fixture
def some(session: Session, make_task: MakeTask) -> list[int]:
    """Three tasks: a plain one, one with a secret and a schedule, and one without a name."""
    author = make_task(name="Dice").created_by
    mail = tasks.create_task(
        session,
        author_id=author,
        name="Mail",
        job="mail",
        arguments={"to": "ana", "password": "hunter22", "copies": 1},
        masked=["password"],
        schedule=NIGHTLY,
    )
    return [1, mail.id, make_task(enabled=False).id]


def test_a_password_in_a_url_is_not_exported(
    run: Run, session: Session, make_task: MakeTask, tmp_path: Path
) -> None:
    """It stays as it is stored; without it, the address is written."""
    author = make_task(name="Dice").created_by
    for name, to in (("One", "smtp://ana:hun@ter22@example.org/"), ("Two", "smtp://example.org/")):
        tasks.create_task(
            session,
            author_id=author,
            name=name,
            job="mail",
            arguments={"to": to, "password": "hunter22", "copies": 1},
            masked=["password"],
        )
    file = tmp_path / "tasks.yaml"

    run("tasks", "export", str(file))

    entries = {entry["name"]: entry for entry in yaml.safe_load(file.read_text())["tasks"]}
    assert "ter22" not in file.read_text()
    assert entries["One"]["arguments"]["to"] == "<stored>"
    assert entries["Two"]["arguments"]["to"] == "smtp://example.org/"
    assert "0 changed, 3 unchanged." in run("tasks", "import", str(file)).output


def test_importing_an_export_changes_nothing(
    run: Run, session: Session, some: list[int], tmp_path: Path
) -> None:
    """Secrets stay, although the file doesn't contain them."""
    file = tmp_path / "tasks.yaml"
    run("tasks", "export", str(file))
    document = yaml.safe_load(file.read_text())
    assert [entry.get("name") for entry in document["tasks"]] == [None, "Dice", "Mail"]
    assert document["tasks"][2]["schedule"] == {
        "cron": "30 2 * * *",
        "zone": "Europe/Berlin",
        "overlap": "skip",
    }
    done = run("tasks", "import", str(file))
    assert "0 created, 0 changed, 3 unchanged." in done.output
    session.expire_all()
    assert session.get_one(Task, some[1]).arguments["password"] == "hunter22"
    assert session.scalars(select(AuditEntry.action)).all() == ["exported"]


def test_import_creates_changes_and_reports(
    run: Run, session: Session, some: list[int], tmp_path: Path
) -> None:
    """First reported, then applied; other tasks stay unless they should be deleted."""
    text = """
tasks:
- name: Mail
  job: mail
  arguments: {to: bob, password: <stored>, copies: 2}
  schedule: {every: 5m}
- name: New
  job: generate_random_number
  arguments: {lower_limit: 1, upper_limit: 2}
  author: author
  paused: true
"""
    said = run("tasks", "import", "-", "--dry-run", text=text).output
    for line in (
        "~ Mail",
        "arguments.to: ana → bob",
        "schedule.every: (none) → 5 minutes",
        "schedule.cron: 30 2 * * * → (none)",
        "+ New",
        "? Dice isn't in the file",
        "Nothing was changed: 1 to create, 1 to change, 0 unchanged, 2 not in the file, kept.",
    ):
        assert line in said
    session.expire_all()
    assert session.get_one(Task, some[1]).arguments["to"] == "ana"

    run("tasks", "import", "-", text=text)
    session.expire_all()
    mail = session.get_one(Task, some[1])
    assert mail.arguments == {"to": "bob", "password": "hunter22", "copies": 2}
    assert input_of(find_schedule(session, mail.id)) == ScheduleInput(
        kind=ScheduleKind.INTERVAL, every_seconds=300
    )
    new = session.scalars(select(Task).where(Task.name == "New")).one()
    assert (new.enabled, new.lower_limit) == (False, 1.0)
    actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["changed", "created", "paused"]

    told = json.loads(run("tasks", "import", "-", "--delete-others", "--json", text=text).output)
    assert (told["same"], len(told["deleted"])) == (2, 2)
    session.expire_all()
    left = session.scalars(select(Task.name).where(Task.deleted_at.is_(None)).order_by(Task.name))
    assert left.all() == ["Mail", "New"]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("name: A", "line 6, A: It has no job."),
        ("name: A\n  job: nobody", "No job named nobody is registered"),
        (
            "name: A\n  job: generate_random_number\n  arguments: 5",
            "line 8, A: arguments: expected a mapping",
        ),
        (
            "name: A\n  jobb: mail\n  job: nobody\n  author: {}\n  schedule: {every: x}",
            (
                "line 7, A: jobb is unknown; did you mean job?\nline 8, A: No job named nobody"
                " is registered.\nline 9, A: author: expected a text.\nline 10, A: schedule:"
                ' every is "x"; expected a length such as'
            ),
        ),
        (
            "name: Dice\n  id: x\n  schedule: {cron: x}",
            'id is "x"; expected a whole number.\n1 pro',
        ),
        (
            "name: Dice\n  paused: {until: '2001-01-01T00:00:00+00:00'}",
            "line 7, Dice: paused: until has already passed.",
        ),
        ("[1, 2", "Not valid YAML"),
        ("&a {b: *a}", "aliases"),
    ],
)
def test_a_file_with_a_problem_changes_nothing(
    run: Run, session: Session, some: list[int], entry: str, told: str
) -> None:
    """All problems are listed with their places."""
    good = (
        "- name: Fine\n  job: generate_random_number\n"
        "  arguments: {lower_limit: 1, upper_limit: 2}\n  author: author\n"
    )
    done = run("tasks", "import", "-", fails=True, text=f"tasks:\n{good}- {entry}\n")
    assert told in done.output
    assert session.scalars(select(Task).where(Task.name == "Fine")).all() == []


@pytest.mark.parametrize("text", ["", "5", "tasks: 5", "tasks:\n- 5", "other: []"])
def test_a_file_of_another_kind(run: Run, some: list[int], text: str) -> None:
    """The error says what is missing."""
    assert "nothing was changed" in run("tasks", "import", "-", fails=True, text=text).output
