"""A launch's runs as shares of a whole: a bar, and the same in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from ..i18n import grouped
from ..models import Launch, LaunchState, RunState
from ..store.launch_pages import MOST, Progress
from ..texts import gettext, ngettext

#: In the bar from left to right: what is done, then what is under way, then what waits.
ORDER = (
    RunState.SUCCEEDED,
    RunState.FAILED,
    RunState.SKIPPED,
    RunState.CANCELLED,
    RunState.RUNNING,
    RunState.QUEUED,
)
#: Of a hundred: what is there at all can be seen.
_NARROWEST = 1.5


class Part(NamedTuple):
    """A share of the bar, and its words."""

    #: A state of runs; "others" for finished runs that aren't told apart, "gone".
    name: str
    number: int
    words: str
    #: Where it begins, and how wide it is, of a hundred.
    x: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A launch as lists and its page show it."""

    launch: Launch
    #: None for a slot in which nothing was launched.
    progress: Progress | None
    parts: tuple[Part, ...]
    #: From its opening until it was over, or until now.
    lasted: timedelta

    @property
    def is_missed(self) -> bool:
        """Whether nothing was launched."""
        return self.launch.state == LaunchState.MISSED

    @property
    def is_over(self) -> bool:
        """Whether nothing of it changes any more."""
        return self.launch.state in (LaunchState.MISSED, LaunchState.CLOSED)

    @property
    def total(self) -> int:
        """Runs that it wrote."""
        return self.progress.total if self.progress is not None else 0


def row_of(launch: Launch, progress: Progress | None, moment: datetime) -> Row:
    """Put together what is shown; *moment* is the database's time."""
    return Row(
        launch=launch,
        progress=progress,
        parts=_parts(launch, progress) if progress is not None else (),
        lasted=max((launch.closed_at or moment) - launch.opened_at, timedelta(0)),
    )


def _parts(launch: Launch, progress: Progress) -> tuple[Part, ...]:
    numbers: list[tuple[str, int]] = [(state, progress.counts.get(state, 0)) for state in ORDER]
    numbers.insert(1, ("others", progress.others))
    numbers.append(("gone", progress.gone))
    present = [(name, number) for name, number in numbers if number]
    whole = sum(number for _, number in present)
    widths = [max(100 * number / whole, _NARROWEST) for _, number in present]
    scale = 100 / sum(widths) if widths else 1.0
    parts, x = [], 0.0
    for (name, number), width in zip(present, widths, strict=True):
        words = _in_words(name, number, launch, progress)
        parts.append(Part(name, number, words, round(x, 2), round(width * scale, 2)))
        x += width * scale
    return tuple(parts)


def _in_words(name: str, number: int, launch: Launch, progress: Progress) -> str:
    most = grouped(MOST)
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
            # Two digits: it is an estimate.
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
            return ngettext(
                "%(num)s not on record any more", "%(num)s not on record any more", number
            )
