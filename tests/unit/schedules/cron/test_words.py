"""Translatable descriptions of cron expressions, unlike cronsim's."""

from __future__ import annotations

import pytest

from taskadmin.schedules import in_words, make_schedule
from taskadmin.schedules.cron.expression import parse_cron
from taskadmin.schedules.cron.words import cron_in_words


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("* * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("0/15 * * * *", "every 15 minutes"),
        ("0 * * * *", "every hour"),
        ("20 * * * *", "every hour at minute 20"),
        ("15,45 * * * *", "every hour at minutes 15 and 45"),
        ("0 */2 * * *", "every 2 hours"),
        ("30 */6 * * *", "every 6 hours at minute 30"),
        ("*/10 8-17 * * *", "every 10 minutes from 08:00 to 17:50"),
        ("15 7-18 * * MON-FRI", "every hour from 07:15 to 18:15 from Monday to Friday"),
        ("30 2 * * *", "at 02:30 every day"),
        ("0 9,17 * * *", "at 09:00 and 17:00 every day"),
        ("30 2 * * 0", "at 02:30 on Sundays"),
        ("30 2 * * 7", "at 02:30 on Sundays"),
        ("30 2 * * SUN,MON", "at 02:30 on Mondays and on Sundays"),
        ("30 2 * * 6,0", "at 02:30 on Saturdays and Sundays"),
        ("*/5 * * * SAT,SUN", "every 5 minutes on Saturdays and Sundays"),
        ("0 0 1 * *", "at 00:00 on the 1th of the month"),
        ("0 0 1,15 * *", "at 00:00 on the 1th and 15th of the month"),
        ("0 0 L * *", "at 00:00 on the last day of the month"),
        ("0 0 LW * *", "at 00:00 on the last day of the month that isn't a Saturday or Sunday"),
        ("0 0 * * 1#1", "at 00:00 on the first Monday of the month"),
        ("0 0 * * 5L", "at 00:00 on the last Friday of the month"),
        ("0 0 13 * 5", "at 00:00 on the 13th of the month or on Fridays"),
        ("0 0 1 1 *", "at 00:00 on January 1"),
        ("0 0 29 FEB *", "at 00:00 on February 29"),
        ("0 0 1 1,7 *", "at 00:00 on the 1th of the month in January and in July"),
        ("0 0 * 1 *", "at 00:00 every day in January"),
        ("*/5 * * 12 *", "every 5 minutes in December"),
        # Either of the two is enough.
        ("0 0 1-31 * 1", "at 00:00 every day"),
        ("0 0 5 * 0-6", "at 00:00 every day"),
        # With a star, both must match.
        ("0 0 */1 * 1", "at 00:00 on Mondays"),
        ("0 0 */2 * 1", "by the cron expression 0 0 */2 * 1"),
        ("0 0 * * 2#3", "by the cron expression 0 0 * * 2#3"),
        ("0 0 * * 1#1,5", "by the cron expression 0 0 * * 1#1,5"),
        ("7-23/3 1-20/4 * * *", "by the cron expression 7-23/3 1-20/4 * * *"),
    ],
)
def test_cron_in_words_that_can_be_translated(cron: str, words: str) -> None:
    """Usual expressions in words, others unchanged; in English."""
    assert cron_in_words(parse_cron(cron)) == words


@pytest.mark.usefixtures("elsewhere")
def test_a_schedule_in_another_language() -> None:
    """Everything except names and numbers."""
    schedule = make_schedule("cron", cron="30 2 29 FEB *", zone="Europe/Berlin")
    assert in_words(schedule, 300.0) == "AT 02:30 ON 29.2., IN Europe/Berlin"
    assert in_words(make_schedule("slot"), 300.0) == "IN THE COMMON SLOT, EVERY 5 MINUTES"
