"""Names of time zones, and local times in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from taskadmin.schedules import InvalidSchedule
from taskadmin.schedules.zones import end_of_gap, get_zone, instant, offsets, wall_time

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("berlin", "did you mean Europe/Berlin?"),
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("New York", "did you mean America/New_York?"),
        ("GMT+2", "did you mean "),
        ("Mars", "expected a name such as Europe/Berlin."),
        ("localtime", "expected a name such as Europe/Berlin."),
        ("", "expected a name such as Europe/Berlin."),
        ("x" * 5000, "expected a name such as Europe/Berlin."),
    ],
)
def test_a_name_that_is_none_gets_the_nearest(name: str, nearest: str) -> None:
    """A city is enough; the machine's own zone name isn't accepted."""
    with pytest.raises(InvalidSchedule) as refused:
        get_zone(name)
    assert nearest in str(refused.value)
    assert name[:64] in str(refused.value)


def test_clocks_that_change() -> None:
    """A repeated, a skipped and an ordinary local time."""
    berlin = get_zone("Europe/Berlin")
    twice, never, plain = (
        datetime(2026, 10, 25, 2, 30),  # noqa: DTZ001
        datetime(2026, 3, 29, 2, 30),  # noqa: DTZ001
        datetime(2026, 6, 1, 2, 30),  # noqa: DTZ001
    )
    assert offsets(twice, berlin) == (2 * HOUR, HOUR)
    assert offsets(never, berlin) == (HOUR, 2 * HOUR)
    assert offsets(plain, berlin) == (2 * HOUR, 2 * HOUR)
    for offset in offsets(twice, berlin):
        assert wall_time(instant(twice, offset), berlin).replace(fold=0) == twice
    assert end_of_gap(never, berlin) == datetime(2026, 3, 29, 1, tzinfo=UTC)
