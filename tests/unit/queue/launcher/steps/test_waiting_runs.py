"""R2: runs whose wait is over are sent."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.models import (
    TaskResult,
)
from taskadmin.queue.launcher import turns


def test_a_turn_that_is_over_sends_nothing_again(
    session: Session, turn: Any, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting runs are left to the next turn."""
    make_task()
    turn()
    session.execute(update(TaskResult).values(not_before=TaskResult.queued_at))
    session.commit()
    with monkeypatch.context() as patch:
        patch.setattr(turns, "TURN_SECONDS", 0)
        assert turn().republished == 0
    assert turn().republished == 1
