"""R5: close launches whose runs have finished."""

from __future__ import annotations

from ....store.launches import closing
from ..turn_context import TurnContext


def close_launches(turn: TurnContext) -> None:
    """Close published launches without open runs."""
    turn.report.closed = closing.close_finished(turn.session)
