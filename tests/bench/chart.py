"""The chart of docs/performance.md: ``python tests/bench/chart.py FIGURES.json PICTURE.svg``.

It draws what ``run.py --json`` has written: microseconds for each task, against their number.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pygal
from pygal.style import Style

#: What is measured at several numbers of tasks, with how it is called, and its figure.
_LINES = {
    "django-celery-beat": ("django-celery-beat, which stores no rows", "per second"),
    "own schedules": ("schedules of their own", "per second"),
    "launching": ("the common slot", "launched runs/s"),
}
_SIZES = (1_000, 10_000, 100_000, 1_000_000)


def main(source: str, target: str) -> None:
    """Draw the lines that there are figures of."""
    figures: dict[str, float] = json.loads(Path(source).read_text())["figures"]
    chart = pygal.Line(
        x_title="tasks that are due",
        y_title="µs for each, row and message",
        y_labels=(10, 100, 1_000, 10_000, 100_000),
        logarithmic=True,
        legend_at_bottom=True,
        legend_at_bottom_columns=1,
        print_values=True,
        margin_right=60,
        formatter=lambda value: f"{value:,.0f}",
        js=[],  # a picture asks nobody for scripts
        width=720,
        height=460,
        style=Style(
            background="white",
            plot_background="white",
            font_family="sans-serif",
            colors=("#b45309", "#2563eb", "#15803d"),
            value_font_size=11,
            title_font_size=12,
        ),
    )
    chart.x_labels = [f"{size:,}" for size in _SIZES]
    for name, (label, what) in _LINES.items():
        rates = [figures.get(f"{name} {size:,}: {what}") for size in _SIZES]
        chart.add(label, [1e6 / rate if rate else None for rate in rates])
    chart.render_to_file(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
