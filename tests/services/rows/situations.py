"""Runs in every situation in which a change can find them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.rows.runs import DUE
from taskadmin.models import RunState

MINE, OTHERS, NEW = UUID(int=1), UUID(int=2), UUID(int=3)


LATER = datetime(2999, 1, 1, tzinfo=UTC)


RUNNING = {"state": RunState.RUNNING, "attempts": 1, "started_at": DUE}


#: Rows of a run by situation. The process of MINE is gone, another one lives.
SITUATIONS: dict[str, dict[str, Any]] = {
    "queued": {},
    "sent again": {"publishes": 1},
    "not due": {"not_before": LATER},
    "tried": {"token": MINE, "attempts": 1, "not_before": DUE},
    "to be tried later": {"token": MINE, "attempts": 1, "not_before": LATER},
    "tried by another": {"token": OTHERS, "attempts": 1, "not_before": DUE},
    "running": {**RUNNING, "token": MINE},
    "another's": {**RUNNING, "token": OTHERS},
    "succeeded": {"state": RunState.SUCCEEDED, "finished_at": DUE, "token": OTHERS},
    "failed": {"state": RunState.FAILED, "finished_at": DUE},
    "cancelled": {"state": RunState.CANCELLED, "finished_at": DUE, "token": MINE},
}
