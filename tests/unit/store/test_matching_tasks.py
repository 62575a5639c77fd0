"""Which tasks match a filter."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.errors import TooManyTasks
from taskadmin.store.matching_tasks import MatchingTasks, matching_tasks
from taskadmin.store.tasks import delete_tasks


def test_all_that_match_are_found_by_words_and_by_state(
    session: Session, make_task: MakeTask
) -> None:
    """Each word is a part of the name, as it is written; deleted tasks never match."""
    dice = make_task(name="Roll the DICE").id
    share = make_task(name="100% of dice", enabled=False).id
    unnamed = make_task().id
    delete_tasks(session, [make_task(name="Gone dice").id])

    def found(text: str | None = None, enabled: bool | None = None) -> list[int]:
        return list(matching_tasks(session, MatchingTasks(text=text, enabled=enabled)))

    assert found() == [dice, share, unnamed]
    assert found(text="dice") == [dice, share]
    assert found(text=" dice roll ") == [dice]
    assert found(text="100%") == [share]
    assert found(text="1_0") == []
    assert found(text="dice", enabled=False) == [share]
    assert found(enabled=True) == [dice, unnamed]


def test_more_tasks_than_one_action_may_change_are_refused(
    session: Session, make_task: MakeTask
) -> None:
    """With a sentence that says what to do."""
    for _ in range(3):
        make_task()

    assert len(matching_tasks(session, MatchingTasks(), most=3)) == 3
    with pytest.raises(TooManyTasks, match="More than 2 tasks match; nothing was done"):
        matching_tasks(session, MatchingTasks(), most=2)
