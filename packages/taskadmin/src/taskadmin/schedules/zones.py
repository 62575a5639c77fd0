"""Time zones by IANA name, and their wall times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from ..translation.texts import gettext
from .invalid import InvalidSchedule

_SECOND = timedelta(seconds=1)

# Names that depend on the machine, or mean "not configured".
_NOT_A_PLACE = {"Factory", "localtime"}


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return all names that a schedule may use; cached, since it takes some 20 ms."""
    return frozenset(available_timezones() - _NOT_A_PLACE)


@lru_cache(maxsize=1024)
def get_zone(name: str) -> ZoneInfo:
    """Return the zone with this IANA name.

    Raises:
        InvalidSchedule: If it doesn't exist; the message has the nearest name.
    """
    # Compare with the set, not the file system, which is case-insensitive on some machines.
    if name in zone_names():
        return ZoneInfo(name)
    nearest = _nearest(name)
    if nearest is None:
        raise InvalidSchedule(
            "zone",
            gettext(
                "Unknown time zone “%(name)s”; expected a name such as Europe/Berlin.",
                name=name[:64],
            ),
        )
    raise InvalidSchedule(
        "zone",
        gettext(
            "Unknown time zone “%(name)s”; did you mean %(nearest)s?",
            name=name[:64],
            nearest=nearest,
        ),
    )


def _nearest(name: str) -> str | None:
    """Return the name that was probably meant, even if only the city was given."""
    by_spelling: dict[str, str] = {}
    for known in sorted(zone_names()):
        # Not by the last part: Etc/GMT+2 is two hours *behind* UTC.
        if not known.startswith("Etc/"):
            by_spelling.setdefault(known.rsplit("/", 1)[-1].lower(), known)
    by_spelling |= {known.lower(): known for known in zone_names()}
    normalized = name.strip().lower().replace(" ", "_")[:64]
    matches = get_close_matches(normalized, by_spelling, n=1, cutoff=0.7)
    return by_spelling[matches[0]] if matches else None


def wall_time(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return the wall time in *zone* without a zone; ``fold`` is 1 in the second pass."""
    return moment.astimezone(zone).replace(tzinfo=None)


def offsets(wall: datetime, zone: ZoneInfo) -> tuple[timedelta, timedelta]:
    """Return the UTC offsets of a wall time: equal, or those before and after a change.

    They differ if the wall time occurs twice (the first is larger) or never (the second is larger),
    see PEP 495.
    """
    aware = wall.replace(tzinfo=zone, fold=0)
    first, second = aware.utcoffset(), aware.replace(fold=1).utcoffset()
    assert first is not None and second is not None
    return first, second


def instant(wall: datetime, offset: timedelta) -> datetime:
    """Return the UTC time of *wall* at this UTC offset."""
    return (wall - offset).replace(tzinfo=UTC, fold=0)


def end_of_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the time of the change that skips *wall*: the first instant after the gap."""
    before, after = offsets(wall, zone)
    # With the later offset, a skipped time is before the change; with the earlier one, after it.
    low, high = instant(wall, after), instant(wall, before)
    while high - low > _SECOND:
        middle = low + (high - low) // (2 * _SECOND) * _SECOND
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high
