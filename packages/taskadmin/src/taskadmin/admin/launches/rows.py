"""The runs of a launch as shares of a bar, with the same in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from ...models import Launch, LaunchState, RunState
from ...store.reports.launch_pages import MAX_COUNTED_RUNS, LaunchProgress
from ...translation.i18n import grouped
from ...translation.texts import gettext, ngettext

#: Order in the bar, from left to right: finished, running, queued.
STATE_ORDER = (
    RunState.SUCCEEDED,
    RunState.FAILED,
    RunState.SKIPPED,
    RunState.CANCELLED,
    RunState.RUNNING,
    RunState.QUEUED,
)
#: Minimum width in percent, so that every part stays visible.
_MIN_WIDTH_PERCENT = 1.5


class BarSegment(NamedTuple):
    """One part of the bar and its label."""

    #: A run state, "others" for finished runs counted together, or "gone" for deleted ones.
    name: str
    number: int
    words: str
    #: Position and width in percent.
    x: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRow:
    """A launch as lists and its page show it."""

    launch: Launch
    #: None for a missed slot.
    progress: LaunchProgress | None
    parts: tuple[BarSegment, ...]
    #: From opening to closing, or until now.
    lasted: timedelta

    @property
    def is_missed(self) -> bool:
        """Whether nothing was launched."""
        return self.launch.state == LaunchState.MISSED

    @property
    def is_over(self) -> bool:
        """Whether the launch is closed or missed."""
        return self.launch.state in (LaunchState.MISSED, LaunchState.CLOSED)

    @property
    def total(self) -> int:
        """How many runs it created."""
        return self.progress.total if self.progress is not None else 0


def row_of(launch: Launch, progress: LaunchProgress | None, moment: datetime) -> LaunchRow:
    """Build the row of a launch; *moment* is the database's time."""
    return LaunchRow(
        launch=launch,
        progress=progress,
        parts=_parts(launch, progress) if progress is not None else (),
        lasted=max((launch.closed_at or moment) - launch.opened_at, timedelta(0)),
    )


def _parts(launch: Launch, progress: LaunchProgress) -> tuple[BarSegment, ...]:
    numbers: list[tuple[str, int]] = [
        (state, progress.counts.get(state, 0)) for state in STATE_ORDER
    ]
    numbers.insert(1, ("others", progress.others))
    numbers.append(("gone", progress.gone))
    present = [(name, number) for name, number in numbers if number]
    whole = sum(number for _, number in present)
    widths = [max(100 * number / whole, _MIN_WIDTH_PERCENT) for _, number in present]
    scale = 100 / sum(widths) if widths else 1.0
    parts, x = [], 0.0
    for (name, number), width in zip(present, widths, strict=True):
        words = _in_words(name, number, launch, progress)
        parts.append(BarSegment(name, number, words, round(x, 2), round(width * scale, 2)))
        x += width * scale
    return tuple(parts)


def _in_words(name: str, number: int, launch: Launch, progress: LaunchProgress) -> str:
    most = grouped(MAX_COUNTED_RUNS)
    match name:
        case RunState.SUCCEEDED:
            return ngettext("%(num)s succeeded", "%(num)s succeeded", number)
        case RunState.FAILED if progress.failed_is_capped:
            return gettext("at least %(number)s failed", number=grouped(number))
        case RunState.FAILED:
            return ngettext("%(num)s failed", "%(num)s failed", number)
        case RunState.SKIPPED:
            return ngettext("%(num)s skipped", "%(num)s skipped", number)
        case RunState.CANCELLED:
            return ngettext("%(num)s cancelled", "%(num)s cancelled", number)
        case RunState.RUNNING:
            return ngettext("%(num)s running", "%(num)s running", number)
        case RunState.QUEUED if progress.open_is_capped:
            return gettext("more than %(number)s still open", number=most)
        case RunState.QUEUED:
            return ngettext("%(num)s queued", "%(num)s queued", number)
        case "others" if progress.open_is_capped:
            # It is an estimate: two digits.
            about = round(number, 2 - len(str(number)))
            return gettext("about %(number)s finished without failing", number=grouped(about))
        case "others" if launch.state == LaunchState.CLOSED:
            return ngettext(
                "%(num)s finished without failing, or deleted since",
                "%(num)s finished without failing, or deleted since",
                number,
            )
        case "others":
            return ngettext(
                "%(num)s finished without failing", "%(num)s finished without failing", number
            )
        case _:
            return ngettext("%(num)s deleted since", "%(num)s deleted since", number)
