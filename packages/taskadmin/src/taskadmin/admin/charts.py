"""Charts: pygal's SVG without its own style, script and tooltips; our stylesheet colours it.

A chart is drawn twice, for wide and for narrow screens: text in an SVG shrinks with it, and at
375 px nobody could read it. The stylesheet shows the one that fits.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from markupsafe import Markup

#: Width and height of the drawing, and how many labels fit below it.
SIZES = {"wide": (760, 230, 8), "narrow": (330, 210, 4)}


@dataclass(frozen=True, slots=True)
class Series:
    """One of the values that a chart shows."""

    #: A class of the stylesheet: a state, or "value".
    kind: str
    label: str
    #: One for each place on the axis; None where there is nothing.
    values: Sequence[float | None]


def stacked_bars(
    title: str, labels: Sequence[str], series: Sequence[Series], *, number: Callable[[float], str]
) -> Markup:
    """Bars on top of each other, one for each label.

    Args:
        title: What it shows, in words: the text alternative.
        labels: One for each place on the axis, empty where there is none; of too many
            some are left out.
        number: Writes a number on the axis.
    """

    def make(**options: Any) -> Any:
        return _pygal().StackedBar(spacing=6, **options)

    return _both(title, labels, series, make, number)


def lines(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    number: Callable[[float], str],
    from_zero: bool = False,
) -> Markup:
    """Lines with a dot for each label.

    Args:
        number: Writes a number on the axis.
        from_zero: Whether the axis begins with 0, whatever the least value.
    """

    def make(**options: Any) -> Any:
        return _pygal().Line(dots_size=2, include_x_axis=from_zero, **options)

    return _both(title, labels, series, make, number)


@cache
def _pygal() -> Any:
    """pygal, imported when the first chart is drawn: it takes 0.15 s, and most processes draw none."""
    import pygal

    # It installs a finder for plugins, of which there are none here, that Python 3.11 warns of at
    # every import of something that isn't there.
    sys.meta_path[:] = [
        finder for finder in sys.meta_path if type(finder).__module__ != pygal.__name__
    ]
    return pygal


def _both(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    make: Callable[..., Any],
    number: Callable[[float], str],
) -> Markup:
    drawn = []
    for name, (width, height, fitting) in SIZES.items():
        chart = make(
            css=[],
            js=[],
            no_prefix=True,
            disable_xml_declaration=True,
            show_legend=False,
            title=None,  # drawn, it would say what the page's heading says
            width=width,
            height=height,
            margin=6,
            margin_right=20,
            max_scale=6,
            min_scale=2,
            truncate_label=-1,
            show_minor_x_labels=False,
            formatter=lambda value: number(value) if value is not None else "",
            value_formatter=number,
            print_values=False,
            no_data_text="",
            classes=("chart", name),
        )
        # pygal tells labels by their text, and two places may have the same one.
        chart.x_labels = _fitting(labels, fitting)
        chart.x_labels_major = [label for label in chart.x_labels if label]
        for one in series:
            chart.add(one.label, list(one.values))
        kinds = {f"serie-{index}": one.kind for index, one in enumerate(series)}
        chart.add_xml_filter(lambda root, kinds=kinds: _plain(root, title, kinds))
        drawn.append(chart.render(is_unicode=True))
    return Markup("".join(drawn))  # noqa: S704 - pygal escapes what it writes


def _fitting(labels: Sequence[str], most: int) -> list[str]:
    """Every label, every other one, … and nothing in the places between."""
    places = [place for place, label in enumerate(labels) if label]
    shown = set(places[:: max(1, -(-len(places) // most))])
    return [label if place in shown else "" for place, label in enumerate(labels)]


def _plain(root: Any, title: str, kinds: Mapping[str, str]) -> Any:
    """Take away what a content security policy refuses, and what nobody sees."""
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
    root.set("role", "img")
    root.set("aria-label", title)
    for node in root:
        if node.tag.rpartition("}")[2] == "title":
            node.text = title
    return root


def _is_dropped(node: Any) -> bool:
    if not isinstance(node.tag, str):
        return True  # a comment
    name = node.tag.rpartition("}")[2]
    classes = str(node.get("class") or "").split()
    return (
        name in ("defs", "desc", "script", "style")
        or (name == "title" and "axis" not in classes and node.text == "")
        or "overlay" in classes
        or "text-overlay" in classes
        or "tooltip-overlay" in classes
        or (name == "rect" and "background" in classes)
        or (name == "rect" and "rect" in classes and float(node.get("height") or 0) < 0.01)
    )
