"""Constraints of the table of schedules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.models import TaskSchedule

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"kind": "weekly"}, "kind"),
        ({"kind": "interval"}, "definition_of_kind"),
        ({"kind": "cron", "cron": "* * * * *", "every_seconds": 60}, "definition_of_kind"),
        ({"kind": "once"}, "definition_of_kind"),
        ({"kind": "slot", "once_at": MOMENT}, "definition_of_kind"),
        ({"kind": "interval", "every_seconds": 0}, "every_s"),
        ({"starts_at": MOMENT, "ends_at": MOMENT - timedelta(seconds=1)}, "ends_after_start"),
        ({"max_runs": 0}, "max_runs"),
        ({"missed_runs": "never"}, "missed_runs"),
        ({"overlap": "queue_two"}, "overlap"),
        ({"grace_seconds": -1}, "not_negative"),
        ({"jitter_seconds": -1}, "not_negative"),
        ({"pause_after": 0}, "pause_after"),
    ],
)
def test_a_schedule_makes_sense(
    session: Session, make_task: MakeTask, values: dict[str, Any], constraint: str
) -> None:
    """Each kind has its own definition only, and policies are within their limits."""
    row = {"task_id": make_task().id, "kind": "slot", **values}
    with pytest.raises(IntegrityError, match=f"taskadmin_schedule_{constraint}_check"):
        session.execute(insert(TaskSchedule), [row])
