"""Charts: pygal's SVG without its styles, scripts and tooltips; our stylesheet colours it.

Each chart is drawn twice, for wide and for narrow screens, because the text of an SVG shrinks
with it and would be illegible at 375 px. The stylesheet shows the one that fits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any, NamedTuple

from markupsafe import Markup

from ...translation import i18n
from .time_axis import ticks

#: Width and height in pixels, and how many labels fit below.
CHART_SIZES = {"wide": (760, 230, 8), "narrow": (330, 210, 4)}


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a chart."""

    #: CSS class: a run state, or "value".
    kind: str
    label: str
    #: One per position on the axis; None where there is no value.
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Points:
    """A line of a chart: (position on the axis, value) pairs."""

    kind: str
    label: str
    values: Sequence[tuple[float, float]]


class Spot(NamedTuple):
    """Where a position of a chart leads, and what it says there."""

    url: str
    text: str


def stacked_bars(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    number: Callable[[float], str],
    spots: Sequence[Spot | None] = (),
) -> Markup:
    """Return a stacked bar chart.

    Args:
        title: Text alternative.
        labels: One per position on the axis, empty for none; some are left out if there are too
            many.
        number: Formats a number of the axis in the reader's language.
        spots: One per position, None for no link; or none at all.
    """
    values = tuple(Series(one.kind, one.label, tuple(one.values)) for one in series)
    return _bars(title, tuple(labels), values, number, tuple(spots), str(i18n.locale()))


@lru_cache(maxsize=64)
def _bars(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    number: Callable[[float], str],
    spots: Sequence[Spot | None],
    _language: str,
) -> Markup:
    # Cached: the dashboard polls every few seconds, its bars change once a minute, and drawing
    # them takes as long as all of its queries.
    def make(fitting: int, **options: object) -> Any:
        chart = _pygal().StackedBar(
            spacing=6,
            show_minor_x_labels=False,
            formatter=lambda value: number(value) if value is not None else "",
            **options,
        )
        # pygal identifies labels by their text, and two positions may have the same one.
        chart.x_labels = _fitting(labels, fitting)
        chart.x_labels_major = [label for label in chart.x_labels if label]
        return chart

    return _both(title, series, make, number, spots)


def lines_over_time(
    title: str,
    moments: Sequence[datetime],
    series: Sequence[Series],
    *,
    number: Callable[[float], str],
    from_zero: bool = False,
    spots: Sequence[Spot | None] = (),
) -> Markup:
    """Return a line chart with a dot for each value, spaced by time.

    Args:
        title: Text alternative.
        moments: Time of each value, in ascending order; at least one.
        number: Formats a number of the axis in the reader's language; pass the same function each
            time, because it is a key of the cache.
        from_zero: Whether the axis starts at 0 instead of the smallest value.
        spots: One per value of the last series, or none.
    """
    values = tuple(Series(one.kind, one.label, tuple(one.values)) for one in series)
    # The labels are times in the reader's zone.
    reader = (str(i18n.locale()), i18n.zone_name())
    return _lines(title, tuple(moments), values, number, from_zero, tuple(spots), reader)


@lru_cache(maxsize=64)
def _lines(
    title: str,
    moments: Sequence[datetime],
    series: Sequence[Series],
    number: Callable[[float], str],
    from_zero: bool,
    spots: Sequence[Spot | None],
    _reader: tuple[str, str],
) -> Markup:
    # Cached: the page polls every few seconds, its task runs less often, and drawing takes three
    # times as long as the rest of the page.
    begin, end = moments[0], moments[-1]
    if begin == end:  # pygal's scale needs a range
        begin, end = begin - timedelta(seconds=1), end + timedelta(seconds=1)
    points = [
        Points(
            one.kind,
            one.label,
            [
                (moment.timestamp(), value)
                for moment, value in zip(moments, one.values, strict=True)
                if value is not None
            ],
        )
        for one in series
    ]

    def make(fitting: int, **options: object) -> Any:
        chart = _pygal().XY(
            dots_size=2,
            include_x_axis=from_zero,
            xrange=(begin.timestamp(), end.timestamp()),
            formatter=lambda point: number(point[1]),
            x_value_formatter=lambda value: datetime.fromtimestamp(value, UTC).isoformat(),
            **options,
        )
        chart.x_labels = [
            {"value": tick.moment.timestamp(), "label": tick.label}
            for tick in ticks(moments[0], moments[-1], most=fitting)
        ]
        return chart

    return _both(title, points, make, number, spots)


@cache
def _pygal() -> Any:
    """Import pygal when the first chart is drawn: it takes 0.15 s, and most processes draw none."""
    import pygal

    return pygal


def _both(
    title: str,
    series: Sequence[Series | Points],
    make: Callable[..., Any],
    number: Callable[[float], str],
    spots: Sequence[Spot | None],
) -> Markup:
    drawn = []
    for name, (width, height, fitting) in CHART_SIZES.items():
        chart = make(
            fitting,
            css=[],
            js=[],
            no_prefix=True,
            disable_xml_declaration=True,
            show_legend=False,
            title=None,  # the page's heading already says it
            width=width,
            height=height,
            margin=6,
            margin_right=20,
            max_scale=6,
            min_scale=2,
            truncate_label=-1,
            value_formatter=number,
            print_values=False,
            no_data_text="",
            classes=("chart", name),
        )
        for one in series:
            chart.add(one.label, list(one.values))
        kinds = {f"serie-{index}": one.kind for index, one in enumerate(series)}
        chart.add_xml_filter(lambda root: _with_spots(root, spots))
        chart.add_xml_filter(lambda root, kinds=kinds: _plain(root, title, kinds))
        drawn.append(chart.render(is_unicode=True))
    return Markup("".join(drawn))  # noqa: S704 - pygal escapes what it writes


def _fitting(labels: Sequence[str], most: int) -> list[str]:
    """Return every n-th label so that at most *most* are left; the others become empty."""
    places = [place for place, label in enumerate(labels) if label]
    shown = set(places[:: max(1, -(-len(places) // most))])
    return [label if place in shown else "" for place, label in enumerate(labels)]


def _with_spots(root: Any, spots: Sequence[Spot | None]) -> Any:
    """Lay a link over each position: as high as the chart over bars, larger than a dot over dots."""
    if not spots:
        return root
    svg = root.tag.rpartition("}")[0] + "}" if "}" in root.tag else ""
    plots = [node for node in root.iter() if "plot" in str(node.get("class") or "").split()]
    height = next(node for node in plots[0] if node.get("class") == "background").get("height")
    bars = [node for node in plots[0].iter() if "rect" in str(node.get("class") or "").split()]
    dots = [node for node in root.iter() if _is_dot(node)]
    marks = bars[: len(spots)] or dots[-len(spots) :]
    layer = root.makeelement(f"{svg}g", dict(plots[0].attrib))
    for mark, spot in zip(marks, spots, strict=True):
        if spot is None:
            continue
        link = root.makeelement(f"{svg}a", {"href": spot.url, "aria-label": spot.text})
        if len(layer):  # one tab stop; arrow keys lead to the others
            link.set("tabindex", "-1")
        if bars:
            place = {name: str(mark.get(name)) for name in ("x", "width")}
            area = root.makeelement(f"{svg}rect", {**place, "y": "0", "height": height})
        else:
            place = {name: str(mark.get(name)) for name in ("cx", "cy")}
            area = root.makeelement(f"{svg}circle", {**place, "r": "9"})
        area.set("class", "spot")
        link.append(area)
        layer.append(link)
    del layer.attrib["class"]
    next(node for node in root.iter() if plots[0] in list(node)).append(layer)
    return root


def _plain(root: Any, title: str, kinds: Mapping[str, str]) -> Any:
    """Remove what a Content-Security-Policy refuses, and invisible elements."""
    for parent in list(root.iter()):
        for child in list(parent):
            if _is_dropped(child):
                parent.remove(child)
    for node in root.iter():
        node.attrib.pop("style", None)
        classes = str(node.get("class") or "").split()
        for name in classes:
            if name in kinds:
                node.set("class", f"series {kinds[name]}")
    root.attrib.pop("id", None)
    # An image has no links in it for screen readers.
    is_linked = any(node.get("class") == "spot" for node in root.iter())
    root.set("role", "group" if is_linked else "img")
    root.set("aria-label", title)
    for node in root:
        if node.tag.rpartition("}")[2] == "title":
            node.text = title
    return root


def _is_dot(node: Any) -> bool:
    return str(node.tag).rpartition("}")[2] == "circle"


def _is_dropped(node: Any) -> bool:
    if not isinstance(node.tag, str):
        return True  # a comment
    name = node.tag.rpartition("}")[2]
    classes = str(node.get("class") or "").split()
    return (
        name in ("defs", "desc", "script", "style")
        or (name == "title" and "axis" not in classes and node.text == "")
        or ("overlay" in classes and not any(_is_dot(one) for one in node.iter()))
        or "text-overlay" in classes
        or "tooltip-overlay" in classes
        or (name == "rect" and "background" in classes)
        or (name == "rect" and "rect" in classes and float(node.get("height") or 0) < 0.01)
    )
