"""Numbers and times in each language."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from fixture_types import MakeUser
from services.browser import sign_in
from services.reading import Reading
from taskadmin.store.people import users
from taskadmin.translation import i18n

pytestmark = pytest.mark.databases("sqlite")

#: In winter, when no zone below has summer time.
MOMENT = datetime(2026, 1, 31, 23, 4, 5, tzinfo=UTC)


# Numbers


@pytest.mark.parametrize(
    ("browser", "values"),
    [
        ("en", ["1,234,567.25", "−0.5", "0", "1e+300", "–"]),
        ("de", ["1.234.567,25", "−0,5", "0", "1e+300", "–"]),
        ("uk", ["1\u00a0234\u00a0567,25", "−0,5", "0", "1e+300", "–"]),
        ("zh", ["1,234,567.25", "−0.5", "0", "1e+300", "–"]),
    ],
)
def test_numbers_have_the_languages_groups_and_point(
    reading: Reading, browser: str, values: list[str]
) -> None:
    """Without rounding."""
    with reading(browser):
        assert [i18n.number(value) for value in (1234567.25, -0.5, 0, 1e300, None)] == values


@pytest.mark.parametrize(
    ("browser", "shown", "share"),
    [("en", "1,234.57", "99.4%"), ("de", "1.234,57", "99,4\u00a0%"), ("zh", "1,234.57", "99.4%")],
)
def test_columns_have_six_digits_and_shares_one(
    reading: Reading, browser: str, shown: str, share: str
) -> None:
    """Rounded, for tables."""
    with reading(browser):
        assert i18n.short(1234.56789) == shown
        assert i18n.percent(0.994) == share
        assert i18n.percent(1).startswith("100")


# Times


@pytest.mark.parametrize(
    ("browser", "lengths"),
    [
        ("en", ["3 ms", "5.2 sec", "2 min, 5 sec", "1 hr", "3 days, 4 hr"]),
        ("de", ["3 ms", "5,2 Sek.", "2 Min., 5 Sek.", "1 Std.", "3 Tg., 4 Std."]),
        ("uk", ["3 мс", "5,2 с", "2 хв і 5 с", "1 год", "3 дн. і 4 год"]),
        ("zh", ["3毫秒", "5.2秒", "2分钟5秒", "1小时", "3天4小时"]),
    ],
)
def test_durations_have_a_fitting_unit_or_two(
    reading: Reading, browser: str, lengths: list[str]
) -> None:
    """With the language's abbreviations."""
    seconds = (0.003, 5.2, 125, 3600, 3 * 86400 + 4 * 3600 + 59 * 60)
    with reading(browser):
        found = [i18n.duration(timedelta(seconds=one)) for one in seconds]
    assert [text.replace("\u00a0", " ") for text in found] == lengths


@pytest.mark.parametrize(
    ("browser", "past", "future"),
    [
        ("en", "3 days ago", "in 2 hours"),
        ("de", "vor 3 Tagen", "in 2 Stunden"),
        ("uk", "3 дні тому", "через 2 години"),
        ("zh", "3天前", "2小时后"),
    ],
)
def test_times_are_relative_to_now(reading: Reading, browser: str, past: str, future: str) -> None:
    """In whole units."""
    now = datetime.now(UTC)
    with reading(browser):
        assert i18n.ago(now - timedelta(days=3)) == past
        assert i18n.ago(now + timedelta(hours=2, seconds=5)) == future
        assert i18n.coming(now + timedelta(hours=2, seconds=5)) == future


def test_what_comes_is_never_past(reading: Reading) -> None:
    """The database's clock, which says that it comes, may be behind."""
    with reading("en"):
        assert i18n.coming(datetime.now(UTC) - timedelta(seconds=2)) == "in 1 second"


@pytest.mark.parametrize(
    ("browser", "zone", "absolute", "clock"),
    [
        ("en", None, "Jan 31, 2026, 11:04:05 PM UTC", "11:04 PM"),
        ("de", "Europe/Berlin", "01.02.2026, 00:04:05 CET", "00:04"),
        ("uk", "Europe/Kyiv", "1 лют. 2026 р., 01:04:05 EET", "01:04"),
        ("zh", "Asia/Shanghai", "2026年2月1日 07:04:05 CST", "07:04"),
        ("en", "No/Such_Place", "Jan 31, 2026, 11:04:05 PM UTC", "11:04 PM"),
    ],
)
def test_times_are_those_of_the_readers_zone(
    session: Session,
    app: Flask,
    make_user: MakeUser,
    browser: str,
    zone: str | None,
    absolute: str,
    clock: str,
) -> None:
    """UTC without a known zone."""
    user = make_user("ana")
    users.set_preferences(session, user, language=None, zone=zone)
    shown: list[str] = []

    def show() -> str:
        shown.extend(
            text.replace("\u202f", " ") for text in (i18n.absolute(MOMENT), i18n.clock_time(MOMENT))
        )
        return i18n.utc(MOMENT)

    app.add_url_rule("/times", "taskadmin_times", show)
    client = sign_in(app.test_client(), user)

    answer = client.get("/times", headers={"Accept-Language": browser})

    assert answer.text == "2026-01-31 23:04:05 UTC"
    assert shown == [absolute, clock]


def test_wall_times_have_their_weekday(reading: Reading) -> None:
    """In English in ISO format, so that they sort."""
    local = datetime(2026, 1, 31, 2, 30)  # noqa: DTZ001 - what clocks show
    found = []
    for browser in ("en", "de", "zh"):
        with reading(browser):
            found.append(i18n.wall_time(local))
    assert found == ["Sat 2026-01-31 02:30", "Sa., 31. Jan. 2026 02:30", "2026年1月31日周六 02:30"]


@pytest.mark.parametrize(
    ("told", "chosen", "absolute"),
    [
        ("Asia/Tokyo", None, "Feb 1, 2026, 8:04:05 AM JST"),
        ("Etc/GMT+2", None, "Jan 31, 2026, 9:04:05 PM -02"),
        ("Asia/Tokyo", "Europe/Berlin", "Feb 1, 2026, 12:04:05 AM CET"),
        *((odd, None, None) for odd in ("UTC", "Europe", "+02:00", "../../etc/passwd", "a" * 999)),
    ],
)
def test_the_browsers_zone_is_used_if_none_is_chosen(
    session: Session,
    app: Flask,
    make_user: MakeUser,
    told: str,
    chosen: str | None,
    absolute: str | None,
) -> None:
    """Its script tells it by a cookie; a zone that doesn't exist is UTC. Tooltips have UTC, too."""
    user = make_user("ana")
    users.set_preferences(session, user, language=None, zone=chosen)
    app.add_url_rule("/times", "taskadmin_times", lambda: i18n.full(MOMENT))
    client = sign_in(app.test_client(), user)
    client.set_cookie("taskadmin_zone", told)

    shown = client.get("/times").text.replace("\u202f", " ")

    in_utc = "2026-01-31 23:04:05 UTC"
    assert shown == (in_utc if absolute is None else f"{absolute} · {in_utc}")
