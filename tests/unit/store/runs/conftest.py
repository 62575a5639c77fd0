"""Runs in every state and situation."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows.runs import queue, register, set_columns
from services.rows.situations import MINE, SITUATIONS
from taskadmin.models import ProcessEnd
from taskadmin.store.upkeep import processes


@pytest.fixture
def situations(session: Session, make_task: MakeTask, process_id: UUID) -> dict[int, str]:
    """A run in each situation, by its id."""
    gone = register(session, 2)
    processes.mark_gone(session, gone, ProcessEnd.LOST, "It was killed.")
    found = {queue(session, make_task().id): name for name in SITUATIONS}
    for run_id, name in found.items():
        columns = dict(SITUATIONS[name])
        if "started_at" in columns:
            columns["process_id"] = gone if columns["token"] == MINE else process_id
        if columns:
            set_columns(session, run_id, **columns)
    return found
