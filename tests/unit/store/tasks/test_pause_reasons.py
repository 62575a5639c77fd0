"""Reasons of pauses as sentences."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from fixture_types import MakeTask, MakeUser
from taskadmin.store.people.audit import TASKADMIN, Actor
from taskadmin.store.tasks.pause_reasons import pause_reasons
from taskadmin.store.tasks.pauses import pause_tasks


@pytest.mark.parametrize(
    ("by_person", "note", "reason"),
    [
        (True, None, "Paused by ada."),
        (True, "The disk is full.", "Paused by ada: The disk is full."),
        (False, "It failed 3 times.", "It failed 3 times."),
    ],
)
def test_a_pause_has_its_user_and_reason(
    session: Session,
    make_user: MakeUser,
    make_task: MakeTask,
    by_person: bool,
    note: str | None,
    reason: str,
) -> None:
    """taskadmin's notes are complete sentences; tasks that aren't paused need no query."""
    task = make_task().id
    actor = Actor(make_user("ada").id, "ada", "192.0.2.1") if by_person else TASKADMIN
    pause_tasks(session, [task], actor=actor, note=note)
    assert pause_reasons(session, [task, 99]) == {task: reason, 99: "Paused."}
    assert pause_reasons(session, []) == {}
