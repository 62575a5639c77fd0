"""Exact numbers and durations in every language."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from babel import Locale, localedata, numbers

from taskadmin.translation.amounts import duration, grouped, rounded, written
from taskadmin.translation.languages import LANGUAGES

#: Languages of the catalogues, and others with different digit groups.
LOCALES = (*LANGUAGES, "ar", "bn", "fa", "hi", "hy", "it", "pl", "pt_PT", "zh_Hant")
SECONDS = (
    *(0, 0.0004, 0.003, 0.9994, 0.9996, 1, 5.2, 59.94, 59.96, 60, 65, 3599, 3600, 3661, 86400),
    *(90061, 86400 * 3 + 300, 86400 * 366, 86400 * 365 * 40, 86400 * 999_999_999, -0.5, -65),
)

#: Durations in each language, with ordinary spaces.
DURATIONS = {
    "en": ["0 ms", "3 ms", "1 sec", "5.2 sec", "1 min", "1 min, 5 sec", "1 day, 1 hr", "366 days"],
    "de": [
        "0 ms",
        "3 ms",
        "1 Sek.",
        "5,2 Sek.",
        "1 Min.",
        "1 Min., 5 Sek.",
        "1 Tg., 1 Std.",
        "366 Tg.",
    ],
    "es": ["0 ms", "3 ms", "1 s", "5,2 s", "1 min", "1 min, 5 s", "1 d, 1 h", "366 d"],
    "fr": ["0 ms", "3 ms", "1 s", "5,2 s", "1 min", "1 min et 5 s", "1 j et 1 h", "366 j"],
    "pt_BR": ["0 ms", "3 ms", "1 s", "5,2 s", "1 min", "1 min e 5 s", "1 dia e 1 h", "366 dias"],
    "uk": ["0 мс", "3 мс", "1 с", "5,2 с", "1 хв", "1 хв і 5 с", "1 дн. і 1 год", "366 дн."],
    "zh_Hans_CN": ["0毫秒", "3毫秒", "1秒", "5.2秒", "1分钟", "1分钟5秒", "1天1小时", "366天"],
}


def plain(text: str) -> str:
    """Return *text* with ordinary spaces."""
    return text.replace("\u00a0", " ").replace("\u202f", " ")


@pytest.mark.parametrize("name", LANGUAGES)
def test_durations_read_as_the_language_writes_them(name: str) -> None:
    """In one or two units, with the language's abbreviations and plural forms."""
    seconds = (0, 0.003, 0.9996, 5.2, 59.96, 65, 90061, 86400 * 366)
    texts = [duration(timedelta(seconds=one), Locale.parse(name)) for one in seconds]
    # In CLDR 44 (Babel up to 2.15), Spanish lists of units end with a word.
    found = [plain(text).replace(" min y 5 s", " min, 5 s") for text in texts]
    assert [text.replace(" d y 1 h", " d, 1 h") for text in found] == DURATIONS[name]


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_duration_between_two_clocks_may_be_negative(name: str) -> None:
    """With a minus before the positive duration."""
    language = Locale.parse(name)
    for seconds in (0.5, 65, 90061):
        length = timedelta(seconds=seconds)
        assert duration(-length, language) == f"−{duration(length, language)}"


@pytest.mark.parametrize(
    "name", sorted({one.split("_")[0] for one in localedata.locale_identifiers()})
)
def test_every_language_that_a_host_may_choose_has_durations(name: str) -> None:
    """Also if Babel has only some of the patterns."""
    language = Locale.parse(name)
    for seconds in SECONDS:
        assert duration(timedelta(seconds=seconds), language).strip("− ")


@pytest.mark.parametrize("name", LOCALES)
def test_numbers_are_grouped_as_babel_does_it(name: str) -> None:
    """Up to 25 digits, which Babel supports."""
    language = Locale.parse(name)
    for value in (0, 7, 999, 1234, 12345, 1234567, -1234, 10**15, 10**24, -(10**24) - 1):
        text = numbers.format_decimal(value, locale=language, decimal_quantization=False)
        assert grouped(written(value), language) == text.replace("-", "−")
    for number in (0.1, 1234.5, -98765.4321, 0.0001):
        text = numbers.format_decimal(number, locale=language, decimal_quantization=False)
        assert grouped(written(number), language) == text.replace("-", "−")


@pytest.mark.parametrize("name", LOCALES)
def test_numbers_of_any_size_keep_all_of_their_digits(name: str) -> None:
    """Parsed again, they are equal."""
    language = Locale.parse(name)
    for value in (10**25, 10**27, 10**28 + 7, -(10**40) - 1, 10**399, 10**4299):
        text = grouped(written(value), language)
        digits = text.replace(numbers.get_group_symbol(language), "").replace("−", "-")
        assert int(digits) == value
        assert len(text) - len(digits) >= (len(digits) - 3) // 3


@pytest.mark.parametrize(
    ("value", "text", "short"),
    [
        (-0.0, "−0", "−0"),
        (0.0, "0", "0"),
        (True, "True", "1"),
        (1e15, "1.000.000.000.000.000", "1e+15"),
        (2.0**53, "9.007.199.254.740.992", "9,0072e+15"),
        (1e16, "1e+16", "1e+16"),
        (1.7976931348623157e308, "1,7976931348623157e+308", "1,79769e+308"),
        (-1e308, "−1e+308", "−1e+308"),
        (5e-324, "5e−324", "4,94066e−324"),
        (0.1 + 0.2, "0,30000000000000004", "0,3"),
        (math.inf, "inf", "inf"),
        (-math.inf, "−inf", "−inf"),
        (math.nan, "nan", "nan"),
        (10**399, "1" + ".000" * 133, "1e+399"),
        (123456789 * 10**399, "123.456.789" + ".000" * 133, "1,23457e+407"),
    ],
    ids=lambda part: str(part)[:24],
)
def test_the_ends_of_the_scale_are_written(value: float, text: str, short: str) -> None:
    """The largest and smallest floats, larger integers, infinity and NaN."""
    language = Locale("de")
    assert grouped(written(value), language) == text
    assert grouped(rounded(value, 6), language) == short


def test_integers_that_python_does_not_write_are_rounded() -> None:
    """Beyond Python's limit of 4,300 digits, to 15 digits."""
    for value, text in ((10**5000, "1e+5000"), (-(2**20000), "−3.9802768403379666e+6020")):
        assert grouped(written(value), Locale("en"))[:15] == text[:15]
        assert grouped(written(value), Locale("en"))[-6:] == text[-6:]
