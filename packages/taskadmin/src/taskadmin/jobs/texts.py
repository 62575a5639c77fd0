"""Convert arguments from and to text, for forms and the command line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from ..errors import Unstorable
from ..translation.texts import gettext, marked
from ..values.storable import MAX_JSON_DEPTH, check_text, check_value, is_deeper
from .fields import ArgumentField, Kind, text_of_choice

_Read = TypeVar("_Read")


class _UseDefault:
    """A marker for an argument that is left out, so that the job's default applies."""

    def __repr__(self) -> str:
        return "USE_DEFAULT"


#: Result of an empty text for a field with a default.
USE_DEFAULT: Final = _UseDefault()

# Numbers as Python, JSON and databases write them: ASCII digits, a point, an exponent.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_DATETIME = re.compile(rf"{_DATE.pattern}[T ]{_TIME.pattern}", re.ASCII)
_CLOCK = re.compile(r"(\d{1,6}):([0-5]\d)(?::([0-5]\d(?:\.\d{1,6})?))?", re.ASCII)
_WITH_UNITS = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([a-z]*)\s*", re.ASCII)
_UNIT_SECONDS: Mapping[str, float] = {
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1),
    "ms": 0.001,
}
_SHORT_UNITS = (("d", 86_400), ("h", 3600), ("min", 60))
# Maximum length of a number: a float has 17 significant digits, the rest is the exponent's.
_LONGEST_NUMBER = 400
_DURATION: TypeAdapter[timedelta] = TypeAdapter(timedelta)

#: Kinds that may contain any character; the others have their own format.
_FREE: frozenset[Kind] = frozenset({"text", "multiline", "url", "choice", "json"})
_EMPTY: Mapping[Kind, str] = {
    "text": marked("Enter text."),
    "multiline": marked("Enter text."),
    "number": marked("Enter a number."),
    "integer": marked("Enter a whole number."),
    "choice": marked("Choose one."),
    "date": marked("Enter a date."),
    "time": marked("Enter a time."),
    "datetime": marked("Enter a date and a time."),
    "duration": marked("Enter a duration."),
    "json": marked("Enter JSON."),
    "secret": marked("Enter the secret."),
    "url": marked("Enter an address."),
}


def parse_text(field: ArgumentField, text: str) -> object:
    """Parse *text* into a value for the job's model.

    Returns:
        A value that the model still has to validate; None for empty text of an optional field;
        ``USE_DEFAULT`` for empty text of a field with a default: leave it out.

    Raises:
        ValueError: With a message for the person who typed it.
    """
    if field.content in _FREE:
        check_text(text)
    if field.content == "multiline":
        text = text.replace("\r\n", "\n")  # browsers submit CRLF
    if field.content not in ("text", "multiline"):
        text = text.strip()
    if not text and field.content != "switch":
        if field.optional:
            return None
        if not field.required:
            return USE_DEFAULT
        what = "secret" if field.kind == "secret" else field.content
        raise ValueError(gettext(_EMPTY[what]))
    return _PARSERS[field.content](field, text)


def show_text(field: ArgumentField, value: object) -> str:
    """Format a stored JSON value as text that ``parse_text`` reads back.

    A value that doesn't fit the field any more is shown as stored.
    """
    if value is None or field.kind == "secret":
        return ""
    try:
        return _SHOWN.get(field.content, _show_plain)(field, value)
    except (ValueError, TypeError, OverflowError):
        return _show_plain(field, value)


def _number(field: ArgumentField, text: str) -> float | Decimal:
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise ValueError(gettext("Enter a number such as -0.5, 10 or 1.5e6."))
    if field.exact:
        return Decimal(text)
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(gettext("This number is too large: the largest is about 1.79e308."))
    return number


def _integer(_field: ArgumentField, text: str) -> int:
    if len(text) > _LONGEST_NUMBER or not _INTEGER.fullmatch(text):
        raise ValueError(gettext("Enter a whole number such as -5, 10 or 1500."))
    return int(text)


def _switch(_field: ArgumentField, text: str) -> bool:
    word = text.lower()
    if word in ("y", "yes", "on", "true", "1"):
        return True
    if word in ("", "n", "no", "off", "false", "0"):
        return False
    raise ValueError(gettext("Enter true or false."))


def _choice(field: ArgumentField, text: str) -> object:
    for value, _label in field.choices:
        if text_of_choice(value) == text:
            return value
    known = ", ".join(text_of_choice(value) for value, _label in field.choices[:10])
    raise ValueError(
        gettext(
            "“%(choice)s” is not a valid choice; expected one of %(known)s.",
            choice=text[:40],
            known=known,
        )
    )


def _date(_field: ArgumentField, text: str) -> date:
    if not _DATE.fullmatch(text):
        raise ValueError(gettext("Enter a date such as 2026-01-31."))
    return _from_calendar(date.fromisoformat, text)


def _time(_field: ArgumentField, text: str) -> time:
    if not _TIME.fullmatch(text):
        raise ValueError(gettext("Enter a time such as 14:30."))
    return _from_calendar(time.fromisoformat, text)


def _datetime(field: ArgumentField, text: str) -> datetime:
    if not _DATETIME.fullmatch(text):
        raise ValueError(gettext("Enter a date and a time such as 2026-01-31 14:30."))
    moment = _from_calendar(datetime.fromisoformat, text)
    if moment.tzinfo is None and not field.naive:
        moment = moment.replace(tzinfo=UTC)
    return moment


def _from_calendar(read: Callable[[str], _Read], text: str) -> _Read:
    try:
        return read(text)
    except ValueError:
        raise ValueError(
            gettext("%(moment)s does not exist. Check the day and the time.", moment=text)
        ) from None


def _duration(_field: ArgumentField, text: str) -> timedelta:
    sentence = gettext("Enter a duration such as 90 s, 1 h 30 min, 0:45 or PT90S.")
    sign, unsigned = (-1, text[1:].lstrip()) if text.startswith("-") else (1, text)
    try:
        if clock := _CLOCK.fullmatch(unsigned):
            hours, minutes, seconds = clock.groups()
            return sign * timedelta(
                hours=int(hours), minutes=int(minutes), seconds=float(seconds or 0)
            )
        if unsigned[:1] in ("P", "p"):
            return sign * _DURATION.validate_python(unsigned)
        parts = _WITH_UNITS.findall(unsigned.lower())
        if not parts or _WITH_UNITS.sub("", unsigned.lower()):
            raise ValueError(sentence)
        return sign * sum(
            (timedelta(seconds=float(number) * _UNIT_SECONDS[unit]) for number, unit in parts),
            timedelta(),
        )
    except (ValueError, KeyError, ValidationError):
        raise ValueError(sentence) from None
    except OverflowError:
        raise ValueError(gettext("This duration is too long.")) from None


def _json(_field: ArgumentField, text: str) -> object:
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ValueError(
            gettext(
                "Not valid JSON: %(problem)s at line %(line)s, column %(column)s.",
                problem=f"{error.msg[0].lower()}{error.msg[1:]}",
                line=error.lineno,
                column=error.colno,
            )
        ) from None
    except RecursionError:
        raise ValueError(gettext("This JSON is nested too deeply.")) from None
    except _NoConstant as error:
        raise ValueError(gettext("JSON doesn't allow %(name)s.", name=error)) from None
    except ValueError:  # int() of more than 4300 digits
        raise ValueError(gettext("This JSON contains a number that is too long.")) from None
    return _storable(value)


class _NoConstant(ValueError):
    """NaN or Infinity, which Python's json reads and databases don't."""


def _no_constant(name: str) -> object:
    raise _NoConstant(name)


def _storable(value: object) -> object:
    """Return *value*, unless it has an escape for a character that databases refuse.

    1e400 is also refused: it is valid JSON, but read as infinity.
    """
    try:
        check_value(value)
    except Unstorable:
        if is_deeper(value, MAX_JSON_DEPTH):
            raise ValueError(gettext("This JSON is nested too deeply.")) from None
        raise ValueError(gettext("This JSON contains a character that can't be stored.")) from None
    except ValueError:
        raise ValueError(gettext("This JSON contains a number that is too large.")) from None
    return value


def _plain(_field: ArgumentField, text: str) -> str:
    return text


_PARSERS: Mapping[Kind, Callable[[ArgumentField, str], object]] = {
    "text": _plain,
    "multiline": _plain,
    "url": _plain,
    "number": _number,
    "integer": _integer,
    "switch": _switch,
    "choice": _choice,
    "date": _date,
    "time": _time,
    "datetime": _datetime,
    "duration": _duration,
    "json": _json,
}


def _show_plain(_field: ArgumentField, value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _show_datetime(field: ArgumentField, value: Any) -> str:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    seconds = "auto" if moment.second or moment.microsecond else "minutes"
    return moment.isoformat(timespec=seconds)


def _show_duration(_field: ArgumentField, value: object) -> str:
    length = _DURATION.validate_python(value)
    sign, length = ("-", -length) if length < timedelta(0) else ("", length)
    # In whole microseconds: a float would lose precision for long durations.
    left, parts = length, []
    for unit, seconds in _SHORT_UNITS:
        count, left = divmod(left, timedelta(seconds=seconds))
        parts += [f"{count} {unit}"] if count else []
    if left or not parts:
        whole = f"{left.seconds}.{left.microseconds:06d}".rstrip("0").rstrip(".")
        parts.append(f"{whole} s")
    return sign + " ".join(parts)


def _show_json(_field: ArgumentField, value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _show_switch(_field: ArgumentField, value: object) -> str:
    return "y" if value is True else ""


_SHOWN: Mapping[Kind, Callable[[ArgumentField, object], str]] = {
    "switch": _show_switch,
    "choice": lambda _field, value: text_of_choice(value),
    "datetime": _show_datetime,
    "duration": _show_duration,
    "json": _show_json,
}
