"""Export tasks; plan and apply imports."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask, MakeUser
from taskadmin.errors import EditConflict
from taskadmin.jobs import all_jobs
from taskadmin.models import NOTIFY_JOB, AuditEntry, Task
from taskadmin.store.database.clock import now
from taskadmin.store.people.audit import Actor
from taskadmin.store.tasks.as_code import importing
from taskadmin.store.tasks.as_code.importing import ImportPlan, apply_import, export_tasks

ANA = Actor(None, "ana", "192.0.2.1")
DICE = {
    "name": "Dice",
    "job": "generate_random_number",
    "arguments": {"lower_limit": 1.0, "upper_limit": 6.0},
}


def plan(session: Session, document: object) -> ImportPlan:
    """Plan an import whose new tasks belong to ana."""
    return importing.plan_import(
        session,
        document,
        jobs=all_jobs(),
        default_author="ana",
        moment=now(session),
        slot_interval_seconds=300,
    )


def apply(session: Session, planned: ImportPlan, *, delete_others: bool = False) -> None:
    """Apply a plan, and commit."""
    apply_import(
        session, planned, actor=ANA, slot_interval_seconds=300, delete_others=delete_others
    )
    session.commit()


def stored(session: Session) -> list[tuple[str | None, float | None, bool]]:
    """Return name, upper limit and whether it is enabled, per task."""
    session.expire_all()
    found = select(Task).where(Task.deleted_at.is_(None)).order_by(Task.id)
    return [(task.name, task.upper_limit, task.enabled) for task in session.scalars(found)]


def test_an_export_changes_nothing_when_it_is_imported(
    session: Session, make_task: MakeTask
) -> None:
    """Tasks are sorted by name; those without a unique name have their id. Own tasks aren't in it."""
    make_task(name="Messages", job=NOTIFY_JOB, params={})
    for name in ("Dice", "Coin", "Coin", None):
        make_task(name=name)

    exported = export_tasks(session, jobs=all_jobs())

    assert [(one.get("id"), one.get("name")) for one in exported] == [
        (5, None),
        (3, "Coin"),
        (4, "Coin"),
        (None, "Dice"),
    ]
    planned = plan(session, {"tasks": exported})
    assert (planned.problems, planned.same, planned.others) == ([], 4, [])


def test_a_plan_creates_changes_and_keeps(
    session: Session, make_task: MakeTask, make_user: MakeUser
) -> None:
    """Tasks that aren't in the file stay, unless they should be deleted."""
    make_user("ana")
    make_task(None, 1, 2, name="Dice"), make_task(name="Other")
    document = {"tasks": [DICE, {**DICE, "name": "New", "paused": True}]}

    planned = plan(session, document)

    assert [one.place for one in planned.created] == ["New"]
    assert [dict(one.after) for one in planned.changed] == [{"arguments.upper_limit": 6.0}]
    assert [task.name for task in planned.others] == ["Other"]
    apply(session, planned)
    assert stored(session) == [("Dice", 6, True), ("Other", 1, True), ("New", 6, False)]
    actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["changed", "created", "paused"]

    apply(session, plan(session, document), delete_others=True)
    assert stored(session) == [("Dice", 6, True), ("New", 6, False)]


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "The file has no list called tasks."),
        ({"tasks": {}}, "The file has no list called tasks."),
        ({"tasks": [], "task": []}, "task is unknown; a file has only tasks."),
        ({"tasks": [None] * 3}, "The file has more than 2 tasks."),
        ({"tasks": [DICE, DICE]}, "Dice: This task is in the file twice."),
    ],
)
def test_a_file_with_a_problem_has_no_plan(
    session: Session,
    make_user: MakeUser,
    monkeypatch: pytest.MonkeyPatch,
    document: Any,
    problem: str,
) -> None:
    """A file of the wrong structure isn't read further."""
    make_user("ana")
    monkeypatch.setattr(importing, "MAX_FILE_TASKS", 2)

    assert [str(one) for one in plan(session, document).problems] == [problem]


@pytest.mark.parametrize("changed", [{"version": 2}, {"deleted_at": datetime.now(UTC)}])
def test_a_task_that_changed_meanwhile_is_not_overwritten(
    session: Session, make_task: MakeTask, changed: dict[str, object]
) -> None:
    """The whole import is refused."""
    make_task(None, 1, 2, name="Dice")
    planned = plan(session, {"tasks": [DICE]})
    assert len(planned.changed) == 1
    # Not through the plan's object, like another transaction.
    session.execute(
        update(Task).values(**changed), execution_options={"synchronize_session": False}
    )

    with pytest.raises(EditConflict, match="Someone else changed task 1 in the meantime"):
        apply(session, planned)
