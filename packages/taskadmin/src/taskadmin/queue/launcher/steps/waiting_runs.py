"""R2: send runs whose ``not_before`` has passed."""

from __future__ import annotations

from collections.abc import Sequence

from ....store.launches.launches import MAX_UNRECORDED_RUNS
from ....store.runs.results import UnsentRun
from ....store.upkeep import recovery
from ...publishing import sending
from ...publishing.chunk_sizes import chunk_sizes
from ..turn_context import TurnContext


def send_waiting(turn: TurnContext) -> None:
    """Send each in its own message."""
    send_again(turn, recovery.waiting_runs(turn.session))


def send_again(turn: TurnContext, runs: Sequence[UnsentRun], *, alone: bool = True) -> None:
    """Send runs again while there is time; the next turn continues.

    Args:
        alone: Whether each gets its own message.

    Raises:
        BrokerUnavailable: If the broker is unreachable.
    """
    for first in range(0, len(runs), MAX_UNRECORDED_RUNS):
        if not turn.has_time():
            return
        batch = runs[first : first + MAX_UNRECORDED_RUNS]
        sizes = {} if alone else chunk_sizes(turn.session, batch)
        turn.report.republished += sending.send_again(turn.session, turn.publisher, batch, sizes)
