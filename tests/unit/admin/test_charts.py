"""Charts as SVG that a content security policy lets through."""

from __future__ import annotations

import re

import pytest

from taskadmin.admin.charts import Series, lines, stacked_bars


def drawn(labels: list[str]) -> dict[str, list[str]]:
    """The labels below a chart that has these, by the width of the screen."""
    values = Series("succeeded", "succeeded", [1.0] * len(labels))
    chart = stacked_bars("A chart", labels, [values], number=str)
    found: dict[str, list[str]] = {}
    for svg in chart.split("</svg>")[:2]:
        name = svg.partition('class="chart ')[2].partition('"')[0]
        axis = svg.partition("axis x")[2].partition("series")[0]
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", axis)
        found[name] = [text for text in texts if text]
    return found


def test_places_without_a_label_get_none() -> None:
    """Two places may have the same one."""
    assert drawn(["", "Mon", "", "", "Mon", "", "Tue"]) == {
        "wide": ["Mon", "Mon", "Tue"],
        "narrow": ["Mon", "Mon", "Tue"],
    }


def test_of_many_labels_as_many_are_shown_as_fit() -> None:
    """At equal distances, fewer on narrow screens."""
    found = drawn([str(number) for number in range(24)])

    assert found["wide"] == ["0", "3", "6", "9", "12", "15", "18", "21"]
    assert found["narrow"] == ["0", "6", "12", "18"]


@pytest.mark.parametrize("draw", [stacked_bars, lines])
def test_a_chart_has_words_and_nothing_that_a_policy_refuses(draw: object) -> None:
    """No style, no script, nothing from elsewhere; what it shows is escaped."""
    chart = draw(  # type: ignore[operator]
        "Runs <b>", ["<i>", "b"], [Series("failed", "x", [1.0, None])], number=str
    )

    assert chart.count('role="img" aria-label="Runs &lt;b&gt;"') == 2
    assert 'class="series failed"' in chart
    assert not re.search(r"<style|<script|style=|on\w+=|xlink|<i>|<b>", chart)
