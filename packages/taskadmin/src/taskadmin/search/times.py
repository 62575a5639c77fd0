"""Times in searches and addresses: ``since:``, ``until:``, ``at:`` and ``between:``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from ..translation.texts import gettext
from .language import searchable

TIME_QUALIFIERS = ("since", "until", "at", "between")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO = re.compile(r"(\d{1,7}) ?([smhdw])")
_CLOCK = re.compile(r"\d\d?:\d\d(:\d\d)?")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d?:\d\d(?::\d\d)?))?(Z|[+-]\d\d:\d\d)?", re.I)


class BadTerm(ValueError):
    """A qualifier's value is invalid; the message is shown to the user."""


class Viewer(NamedTuple):
    """Whose times are read: in which zone, and what time it is now."""

    zone: tzinfo
    #: Only called for times relative to now: it may ask the database.
    now: Callable[[], datetime]


class Span(NamedTuple):
    """A span of time; None for an open end. ``until`` isn't part of it."""

    since: datetime | None = None
    until: datetime | None = None

    def within(self, other: Span) -> Span:
        """Return what both have in common."""
        begins = [moment for moment in (self.since, other.since) if moment is not None]
        ends = [moment for moment in (self.until, other.until) if moment is not None]
        return Span(max(begins, default=None), min(ends, default=None))


class Times(NamedTuple):
    """The times of an address's arguments."""

    span: Span
    #: The arguments, for links and forms.
    given: Mapping[str, str]
    #: Error in one of them, as a sentence.
    problem: str | None


def read_times(values: Mapping[str, str], viewer: Viewer) -> Times:
    """Parse the arguments of *values* that are named as the qualifiers."""
    span, problem = Span(), None
    given: dict[str, str] = {}
    for name in TIME_QUALIFIERS:
        text = searchable(values.get(name))
        if text is not None:
            given[name] = text
            try:
                span = span.within(read_span(name, text, viewer))
            except BadTerm as error:
                problem = problem or str(error)
    return Times(span, given, problem)


def read_span(name: str, text: str, viewer: Viewer) -> Span:
    """Return the span of a qualifier and its value.

    A day, a minute and a second are spans themselves: ``at:`` means all of it, ``since:`` its
    begin. ``until:`` includes a day, and ends at the begin of anything else.

    Raises:
        BadTerm: If *text* is no time.
    """
    if name == "between":
        begin, dots, end = text.partition("..")
        if not dots:
            raise BadTerm(
                gettext("Enter two times after “between:”, such as between:09:00..10:30.")
            )
        return read_span("since", begin, viewer).within(read_span("until", end, viewer))
    try:
        begun, ended, is_day = _read(text.strip(), viewer)
    except (ValueError, OverflowError):
        raise BadTerm(
            gettext(
                "“%(value)s” is not a time. Times are such as %(examples)s.",
                value=text,
                examples="09:00, 2026-11-30, 2026-11-30T09:00, today, yesterday, 2h",
            )
        ) from None
    if name == "since":
        return Span(since=begun)
    if name == "until":
        return Span(until=ended if is_day else begun)
    return Span(begun, ended)


def _read(text: str, viewer: Viewer) -> tuple[datetime, datetime, bool]:
    """Return begin and end in UTC, and whether they are a day's."""
    ago = _AGO.fullmatch(text.lower())
    if ago is not None:
        begin = viewer.now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return begin, begin + timedelta(minutes=1), False
    zone = viewer.zone
    if text.lower() in ("today", "yesterday") or _CLOCK.fullmatch(text):
        today = viewer.now().astimezone(zone).date()
        if text.lower() == "yesterday":
            today -= timedelta(days=1)
        day, clock = today, text if ":" in text else None
    else:
        found = _MOMENT.fullmatch(text)
        if found is None:
            raise ValueError
        day, clock = date.fromisoformat(found[1]), found[2]
        if found[3] is not None:
            zone = datetime.fromisoformat(f"{day}T00:00{found[3].upper()}").tzinfo or UTC
    length = timedelta(days=1)
    if clock is not None:
        length = timedelta(seconds=1) if clock.count(":") > 1 else timedelta(minutes=1)
    hour, *rest = (clock or "0:00").split(":")
    begin = datetime.combine(day, time.fromisoformat(":".join([hour.zfill(2), *rest])))
    # The wall's time passes, so that a day has 23 or 25 hours when clocks change.
    in_utc = [moment.replace(tzinfo=zone).astimezone(UTC) for moment in (begin, begin + length)]
    return in_utc[0], in_utc[1], clock is None
