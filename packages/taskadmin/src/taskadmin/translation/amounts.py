"""Format numbers of any size and durations in a language."""

from __future__ import annotations

from datetime import timedelta
from decimal import MAX_EMAX, Context
from functools import lru_cache

from babel import Locale, numbers
from babel.units import format_unit

Number = int | float

_TIME_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


# Cached: long lists contain the same few numbers, and Babel parses its patterns each time.


@lru_cache(maxsize=4096)
def duration(length: timedelta, language: Locale) -> str:
    """Format a duration with one or two units: ``3 ms``, ``5.2 s``, ``2 min, 5 s``."""
    if length < timedelta(0):  # due to differences between two machines' clocks
        return f"−{duration(-length, language)}"
    seconds = length.total_seconds()
    if round(seconds, 3) < 1:
        return _unit(round(seconds * 1000), "millisecond", language)
    if round(seconds, 1) < 60:
        return _unit(round(seconds, 1), "second", language)
    rest, parts = round(seconds), []
    for name, size in _TIME_UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(_unit(count, name, language))
        elif parts:
            break  # nonadjacent units would be too precise
        if len(parts) == 2:
            return _side_by_side(parts[0], parts[1], language)
    return parts[0]


@lru_cache(maxsize=4096, typed=True)  # 1 and 1.0 are written differently
def _unit(amount: float, unit: str, language: Locale) -> str:
    return str(format_unit(amount, f"duration-{unit}", "short", locale=language))


def _side_by_side(first: str, second: str, language: Locale) -> str:
    # Babel's format_list fails for languages with incomplete patterns, such as Spanish.
    patterns = language.list_patterns
    of_units = patterns.get("unit-short", {})
    pattern: str = of_units.get("2") or of_units.get("end") or patterns["standard"]["2"]
    return pattern.format(first, second)


def written(value: Number) -> str:
    """Format a number like Python, as short as possible without changing its value."""
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    try:
        return str(value)
    except ValueError:  # too many digits: sys.get_int_max_str_digits()
        return rounded(value, 15)


def rounded(value: Number, digits: int) -> str:
    """Format a number with this many significant digits, like Python."""
    try:
        return format(value, f".{digits}g")
    except OverflowError:  # format() converts it to a float, of which there are none beyond 1e308
        context = Context(prec=digits, Emax=MAX_EMAX)
        return format(context.create_decimal(value).normalize(context), "g")


@lru_cache(maxsize=4096)
def grouped(number: str, language: Locale) -> str:
    """Format a number's text with the language's grouping and decimal point.

    Babel's format_decimal uses decimals of 28 digits, and fails for more.
    """
    digits = number.removeprefix("-")
    mantissa, sign, exponent = digits.partition("e")
    whole, point, fraction = mantissa.partition(".")
    if not whole.isdigit():
        return number.replace("-", "−")  # not a finite number
    text = _in_groups(whole, language)
    if point:
        text += numbers.get_decimal_symbol(language) + fraction
    text += sign + exponent.replace("-", "−")
    return text if digits == number else f"−{text}"


def _in_groups(digits: str, language: Locale) -> str:
    last, others = language.decimal_formats[None].grouping
    groups, rest = [digits[-last:]], digits[:-last]
    while rest:
        groups.append(rest[-others:])
        rest = rest[:-others]
    return numbers.get_group_symbol(language).join(reversed(groups))
