"""Charts of a task's page: what its runs returned over time, and how long they took."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from markupsafe import Markup

from ..i18n import duration, short, zone_name
from ..store.task_lists import ListedRun
from ..texts import gettext
from .charts import Series, lines_over_time

#: Numbers beyond these, and numbers that are one and the same to so many digits, are too much
#: for pygal's scale: it divides by 0, overflows, or counts in steps that change nothing.
_LARGEST, _SMALLEST, _CLOSEST = 1e100, 1e-100, 1e-12


class Facts(NamedTuple):
    """What is to be said of some numbers."""

    least: float
    average: float
    most: float
    last: float


@dataclass(frozen=True, slots=True)
class TaskCharts:
    """The charts of some runs, the oldest first."""

    runs: Sequence[ListedRun]

    @property
    def zone(self) -> str:
        """The time zone of the labels: the reader's, if one was chosen."""
        return zone_name() or "UTC"

    @property
    def results(self) -> Sequence[float]:
        """Those that are numbers."""
        found = (run.result for run in self.runs)
        return [value for value in found if value is not None and math.isfinite(value)]

    @property
    def is_drawable(self) -> bool:
        """Whether a line can be drawn through the results."""
        if not self.results:
            return False
        facts = self.result_facts
        largest, span = max(abs(facts.least), abs(facts.most)), facts.most - facts.least
        if largest == 0:
            return True
        is_apart = span == 0 or span > largest * _CLOSEST
        return _SMALLEST < largest < _LARGEST and is_apart

    @property
    def result_facts(self) -> Facts:
        """The least, average, largest and last result."""
        return _facts(self.results)

    @property
    def result(self) -> Markup:
        """The results between two lines for the least and the most."""
        shown = [run for run in self.runs if run.result is not None and math.isfinite(run.result)]
        facts = self.result_facts
        return lines_over_time(
            gettext("Results of the last runs"),
            [run.due_at for run in shown],
            [
                Series("least", gettext("least"), _level(facts.least, len(shown))),
                Series("most", gettext("most"), _level(facts.most, len(shown))),
                Series("value", gettext("result"), [run.result for run in shown]),
            ],
            number=short,
        )

    @property
    def durations(self) -> Sequence[timedelta]:
        """How long they took."""
        return [run.took for run in self.runs if run.took is not None]

    @property
    def duration_facts(self) -> Facts:
        """The shortest, average, longest and last duration, in seconds."""
        return _facts([took.total_seconds() for took in self.durations])

    @property
    def duration(self) -> Markup:
        """How long each took."""
        shown = [run for run in self.runs if run.took is not None]
        seconds = [run.took.total_seconds() for run in shown if run.took is not None]
        return lines_over_time(
            gettext("Durations of the last runs"),
            [run.due_at for run in shown],
            [Series("value", gettext("duration"), seconds)],
            number=_seconds_in_words,
            from_zero=True,
        )


def _seconds_in_words(value: float) -> str:
    return duration(timedelta(seconds=value))


def _facts(values: Sequence[float]) -> Facts:
    return Facts(min(values), math.fsum(values) / len(values), max(values), values[-1])


def _level(value: float, length: int) -> Sequence[float | None]:
    """A line from end to end, with dots there only."""
    return [value] if length == 1 else [value, *([None] * (length - 2)), value]
