"""Zones by their IANA names, and what their clocks show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from ..texts import gettext
from .invalid import InvalidSchedule

_SECOND = timedelta(seconds=1)

# Names whose meaning depends on the machine, or that mean "nobody has set this".
_NOT_A_PLACE = {"Factory", "localtime"}


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """All names that a schedule may use; finding them takes some 20 ms, once."""
    return frozenset(available_timezones() - _NOT_A_PLACE)


@lru_cache(maxsize=1024)
def get_zone(name: str) -> ZoneInfo:
    """The zone of an IANA name.

    Raises:
        InvalidSchedule: If there is none; the nearest known name is in the message.
    """
    # The set decides, not the file system: on some machines files are found in any case.
    if name in zone_names():
        return ZoneInfo(name)
    nearest = _nearest(name)
    if nearest is None:
        raise InvalidSchedule(
            "zone",
            gettext(
                "There is no time zone “%(name)s”; expected one like Europe/Berlin.", name=name[:64]
            ),
        )
    raise InvalidSchedule(
        "zone",
        gettext(
            "There is no time zone “%(name)s”; the nearest known one is %(nearest)s.",
            name=name[:64],
            nearest=nearest,
        ),
    )


def _nearest(name: str) -> str | None:
    """The known name that was probably meant, also where only its city was given."""
    by_spelling: dict[str, str] = {}
    for known in sorted(zone_names()):
        # Not by its last part: Etc/GMT+2 is two hours *behind* UTC.
        if not known.startswith("Etc/"):
            by_spelling.setdefault(known.rsplit("/", 1)[-1].lower(), known)
    by_spelling |= {known.lower(): known for known in zone_names()}
    wanted = name.strip().lower().replace(" ", "_")[:64]
    found = get_close_matches(wanted, by_spelling, n=1, cutoff=0.7)
    return by_spelling[found[0]] if found else None


def wall_time(moment: datetime, zone: ZoneInfo) -> datetime:
    """What clocks in *zone* show at *moment*, without a zone; ``fold`` is 1 in the second pass."""
    return moment.astimezone(zone).replace(tzinfo=None)


def offsets(wall: datetime, zone: ZoneInfo) -> tuple[timedelta, timedelta]:
    """The UTC offsets of a wall time: equal, or those before and after a change.

    They differ where the wall time is shown twice (the first is larger) or never (the
    second is larger): PEP 495.
    """
    aware = wall.replace(tzinfo=zone, fold=0)
    first, second = aware.utcoffset(), aware.replace(fold=1).utcoffset()
    assert first is not None and second is not None
    return first, second


def instant(wall: datetime, offset: timedelta) -> datetime:
    """The UTC moment at which clocks that are *offset* ahead of UTC show *wall*."""
    return (wall - offset).replace(tzinfo=UTC, fold=0)


def end_of_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """The moment of the change that skips *wall*: the first instant after the gap."""
    before, after = offsets(wall, zone)
    # Read with the later offset, a skipped time lies before the change, and the other way round.
    low, high = instant(wall, after), instant(wall, before)
    while high - low > _SECOND:
        middle = low + (high - low) // (2 * _SECOND) * _SECOND
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high
