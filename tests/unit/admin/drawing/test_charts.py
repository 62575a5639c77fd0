"""Charts as SVG that works under a content security policy."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from taskadmin.admin.drawing.charts import Series, Spot, lines_over_time, stacked_bars

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def drawn(labels: list[str]) -> dict[str, list[str]]:
    """Return a chart's labels, by width of the screen."""
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
    """Labels may repeat."""
    assert drawn(["", "Mon", "", "", "Mon", "", "Tue"]) == {
        "wide": ["Mon", "Mon", "Tue"],
        "narrow": ["Mon", "Mon", "Tue"],
    }


def test_of_many_labels_as_many_are_shown_as_fit() -> None:
    """At equal distances, fewer on narrow screens."""
    found = drawn([str(number) for number in range(24)])

    assert found["wide"] == ["0", "3", "6", "9", "12", "15", "18", "21"]
    assert found["narrow"] == ["0", "6", "12", "18"]


def bars_of_one(labels: list[str], series: Series) -> str:
    """Return bars with a title to escape."""
    return stacked_bars("Runs <b>", labels, [series], number=str)


def lines_of_one(labels: list[str], series: Series) -> str:
    """Return lines with a title to escape."""
    moments = [NOON + timedelta(minutes=place) for place, _ in enumerate(labels)]
    return lines_over_time("Runs <b>", moments, [series], number=str)


@pytest.mark.parametrize("draw", [bars_of_one, lines_of_one])
def test_a_chart_has_texts_and_works_under_the_content_security_policy(
    draw: Callable[[list[str], Series], str], app: Flask
) -> None:
    """No styles, scripts or external parts; texts are escaped."""
    with app.test_request_context():
        chart = draw(["<i>", "b"], Series("failed", "x", [1.0, None]))

    assert chart.count('role="img" aria-label="Runs &lt;b&gt;"') == 2
    assert 'class="series failed"' in chart
    assert not re.search(r"<style|<script|style=|on\w+=|xlink|<i>|<b>", chart)


def test_a_line_is_as_far_apart_as_its_runs_are(app: Flask) -> None:
    """Of three runs in two minutes and one an hour later, the gap is visible."""
    moments = [NOON, NOON + timedelta(minutes=1), NOON + timedelta(hours=1)]
    with app.test_request_context():
        chart = lines_over_time("x", moments, [Series("value", "x", [1, 2, 3])], number=str)

    wide = chart.split("</svg>")[0]
    first, second, third = (float(x) for x in re.findall(r'<circle cx="([\d.]+)"', wide))
    assert (third - second) / (second - first) == pytest.approx(59, rel=0.01)


@pytest.mark.parametrize("draw", ["bars", "lines"])
def test_places_lead_somewhere(draw: str) -> None:
    """A link over each bar or dot, with a text; one tab stop for all, at both sizes."""
    values = Series("value", "runs", [2.0, 0.0, 3.0])
    spots = [Spot("/a?x=1&y=2", "two <b>"), None, Spot("/c", "three")]
    if draw == "bars":
        chart = stacked_bars("Runs", ["", "", ""], [values], number=str, spots=spots)
    else:
        moments = [NOON + timedelta(minutes=place) for place in range(3)]
        chart = lines_over_time("Runs", moments, [values], number=str, spots=spots)

    shape = "rect" if draw == "bars" else "circle"
    for svg in chart.split("</svg>")[:2]:
        links = re.findall(rf'<a ([^>]*)><{shape} ([^>]*class="spot"[^>]*)/></a>', svg)
        assert [link for link, _ in links] == [
            'href="/a?x=1&amp;y=2" aria-label="two &lt;b&gt;"',
            'href="/c" aria-label="three" tabindex="-1"',
        ]
        x = "x" if draw == "bars" else "cx"
        first, last = (float(re.findall(rf'\b{x}="([^"]*)"', area)[0]) for _, area in links)
        assert first < last
        assert 'role="group"' in svg


def test_without_places_a_chart_is_an_image() -> None:
    """Screen readers read its title."""
    chart = stacked_bars("Runs", [""], [Series("value", "runs", [1.0])], number=str)
    assert 'role="img"' in chart and "<a " not in chart
