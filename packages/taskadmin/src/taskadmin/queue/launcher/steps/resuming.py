"""Resume paused tasks, and release waiting runs."""

from __future__ import annotations

from ....store.runs.overlap import release_waiting
from ....store.tasks.pauses import resume_due
from ..turn_context import TurnContext


def resume(turn: TurnContext) -> None:
    """Resume tasks whose pause has ended, and release runs whose predecessor has finished."""
    resume_due(turn.session)
    release_waiting(turn.session)
