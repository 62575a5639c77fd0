"""Charts of a task's page: results and durations over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from flask import url_for
from markupsafe import Markup

from ...store.runs.lists import ListedRun
from ...translation.i18n import absolute, duration, short, zone_name
from ...translation.texts import gettext
from ..drawing.charts import Series, Spot, lines_over_time

#: pygal's scale divides by 0, overflows or loops on numbers beyond these, and on numbers that are
#: equal to that many digits.
_LARGEST, _SMALLEST, _CLOSEST = 1e100, 1e-100, 1e-12


class Facts(NamedTuple):
    """Statistics of a series."""

    least: float
    average: float
    most: float
    last: float


@dataclass(frozen=True, slots=True)
class TaskCharts:
    """The charts of some runs, oldest first."""

    runs: Sequence[ListedRun]

    @property
    def zone(self) -> str:
        """The time zone of the labels: the reader's own, or UTC."""
        return zone_name()

    @property
    def results(self) -> Sequence[float]:
        """The results that are finite numbers."""
        found = (run.result for run in self.runs)
        return [value for value in found if value is not None and math.isfinite(value)]

    @property
    def is_drawable(self) -> bool:
        """Whether pygal can draw the results."""
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
        """Minimum, average, maximum and latest result."""
        return _facts(self.results)

    @property
    def result(self) -> Markup:
        """The chart of results, between lines for the minimum and the maximum."""
        shown = [run for run in self.runs if run.result is not None and math.isfinite(run.result)]
        facts = self.result_facts
        return lines_over_time(
            gettext("Results of the last runs"),
            [run.due_at for run in shown],
            [
                Series("least", gettext("minimum"), _level(facts.least, len(shown))),
                Series("most", gettext("maximum"), _level(facts.most, len(shown))),
                Series("value", gettext("result"), [run.result for run in shown]),
            ],
            number=short,
            spots=[_spot(run, short(run.result or 0)) for run in shown],
        )

    @property
    def durations(self) -> Sequence[timedelta]:
        """Durations of the runs, in seconds."""
        return [run.took for run in self.runs if run.took is not None]

    @property
    def duration_facts(self) -> Facts:
        """Shortest, average, longest and latest duration, in seconds."""
        return _facts([took.total_seconds() for took in self.durations])

    @property
    def duration(self) -> Markup:
        """The chart of durations."""
        shown = [run for run in self.runs if run.took is not None]
        seconds = [run.took.total_seconds() for run in shown if run.took is not None]
        return lines_over_time(
            gettext("Durations of the last runs"),
            [run.due_at for run in shown],
            [Series("value", gettext("duration"), seconds)],
            number=_seconds_in_words,
            from_zero=True,
            spots=[_spot(run, duration(run.took or timedelta())) for run in shown],
        )


def _spot(run: ListedRun, value: str) -> Spot:
    """Return the link to a dot's run."""
    url = url_for("taskadmin_runs.details_view", id=run.id)
    return Spot(url, f"{absolute(run.due_at)}: {value}")


def _seconds_in_words(value: float) -> str:
    return duration(timedelta(seconds=value))


def _facts(values: Sequence[float]) -> Facts:
    # Divided first: the sum of large numbers may overflow.
    average = math.fsum(value / len(values) for value in values)
    return Facts(min(values), average, max(values), values[-1])


def _level(value: float, length: int) -> Sequence[float | None]:
    """Return a horizontal line with dots at its ends."""
    return [value] if length == 1 else [value, *([None] * (length - 2)), value]
