"""The last runs of a task as a row of bars: one path for each state, small enough for every row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from ..models import RunState
from ..texts import gettext, ngettext

#: Most bars of a line; 2 units of its width each.
BARS = 60
_HEIGHT = 22


class Bar(NamedTuple):
    """One run."""

    state: RunState
    #: How long its job ran; None if it didn't, or hasn't finished.
    took: timedelta | None


@dataclass(frozen=True, slots=True)
class Sparkline:
    """Bars whose heights are durations, on a scale of its own for each task."""

    #: The oldest first.
    bars: Sequence[Bar]

    @property
    def paths(self) -> Mapping[str, str]:
        """An SVG path for each state."""
        lengths = [bar.took.total_seconds() if bar.took is not None else 0.0 for bar in self.bars]
        longest = max(lengths, default=0.0)
        found: dict[str, list[str]] = {}
        for index, (bar, length) in enumerate(zip(self.bars, lengths, strict=True)):
            # Roots, so that one slow run doesn't press all others flat.
            share = math.sqrt(length / longest) if longest else 0.0
            height = round(4 + (_HEIGHT - 5) * share) if bar.took is not None else 4
            found.setdefault(bar.state, []).append(f"M{2 * index + 1} {_HEIGHT}v-{height}")
        return {state: "".join(moves) for state, moves in found.items()}

    @property
    def words(self) -> str:
        """What the picture shows."""
        failed = sum(bar.state == RunState.FAILED for bar in self.bars)
        runs = ngettext("the last run", "the last %(num)s runs", len(self.bars))
        return gettext("%(runs)s, %(failed)s failed", runs=runs, failed=failed)
