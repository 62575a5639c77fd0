"""Sparkline of a task's latest runs: one path per state, small enough for every table row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from ...models import RunState
from ...translation.texts import gettext, ngettext

_HEIGHT_PIXELS = 22


class Bar(NamedTuple):
    """One run."""

    state: RunState
    #: Duration of the job; None if it didn't run or hasn't finished.
    took: timedelta | None


@dataclass(frozen=True, slots=True)
class Sparkline:
    """Bars whose heights are durations, scaled for each task."""

    #: Oldest first.
    bars: Sequence[Bar]

    @property
    def paths(self) -> Mapping[str, str]:
        """An SVG path for each state."""
        lengths = [bar.took.total_seconds() if bar.took is not None else 0.0 for bar in self.bars]
        longest = max(lengths, default=0.0)
        found: dict[str, list[str]] = {}
        for index, (bar, length) in enumerate(zip(self.bars, lengths, strict=True)):
            # Square roots, so that one slow run doesn't flatten all others.
            share = math.sqrt(length / longest) if longest else 0.0
            height = round(4 + (_HEIGHT_PIXELS - 5) * share) if bar.took is not None else 4
            found.setdefault(bar.state, []).append(f"M{2 * index + 1} {_HEIGHT_PIXELS}v-{height}")
        return {state: "".join(moves) for state, moves in found.items()}

    @property
    def words(self) -> str:
        """The text alternative."""
        failed = sum(bar.state == RunState.FAILED for bar in self.bars)
        runs = ngettext("the last run", "the last %(num)s runs", len(self.bars))
        return gettext("%(runs)s, %(failed)s failed", runs=runs, failed=failed)
