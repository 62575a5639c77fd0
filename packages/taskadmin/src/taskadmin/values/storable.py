"""Decide which values may be stored, by one rule for all inputs.

Values (arguments, outputs) and names are refused if some reader couldn't show them. Free text
(errors, log lines, notes, reasons, the audit trail) is never refused: unstorable characters in it
are escaped.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from ..errors import Unstorable
from ..translation.texts import gettext, number

#: Maximum nesting of lists and mappings. All readers are recursive: pydantic gives up at 255
#: levels, Python at 1,000, PostgreSQL when its stack is full.
MAX_JSON_DEPTH = 100
#: Maximum nesting when reading: the audit trail nests arguments deeper, and earlier releases had no
#: limit.
MAX_DEPTH_READ = 200

_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class Unreadable(str):
    """Placeholder for stored JSON that can't be read; pages show it as such."""

    __slots__ = ()


#: In English, for exports.
UNREADABLE: Final = Unreadable("can't be shown")


class Beginning(str):
    """The beginning of stored JSON that is too long for a list."""

    __slots__ = ()


class UnreadableNumber(int):
    """Placeholder for a stored number that can't be read: 0 in calculations, a text on pages."""

    __slots__ = ()

    def __str__(self) -> str:
        return gettext("can't be shown")

    def __format__(self, _: str) -> str:
        return str(self)


UNREADABLE_NUMBER: Final = UnreadableNumber()


def check_value(value: object) -> None:
    """Check that every reader can show *value*, whatever made it.

    Raises:
        Unstorable: With a message for the person who entered it.
        TypeError: If it contains a type that JSON doesn't have.
        ValueError: If it is recursive, or has a number that isn't finite or has too many digits.
    """
    inside = value.values() if isinstance(value, dict) else [value]
    if any(isinstance(one, Unreadable) for one in inside):
        raise Unstorable(gettext("These arguments can't be stored as JSON."))
    # First: if a job has raised Python's recursion limit, a recursive function would crash the
    # process.
    if is_deeper(value, MAX_JSON_DEPTH):
        raise Unstorable(
            gettext(
                "This value is nested more than %(most)s levels deep.", most=number(MAX_JSON_DEPTH)
            )
        )
    written = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if _NUL.search(written) or _is_broken(written):
        raise _odd_character()


def check_text(text: str) -> None:
    """Check that a name can be stored and shown.

    Raises:
        Unstorable: With a message for the person who entered it.
    """
    if "\0" in text or _is_broken(text):
        raise _odd_character()


def is_storable(value: object) -> bool:
    """Whether ``check_value`` accepts *value*."""
    try:
        check_value(value)
    except (TypeError, ValueError):
        return False
    return True


def escaped_text(text: str) -> str:
    r"""Escape what would change how a page or a terminal shows the rest of *text*.

    These are control characters other than tabs and line breaks, such as ``\x1b``; overrides of
    the writing direction, such as ``\u202e`` (Unicode Technical Report 36, 3.4); and halves of
    surrogate pairs, which no encoding can write.
    """
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


def read_json(text: str) -> object:
    """Parse *text*; ``UNREADABLE`` if it isn't JSON, is nested too deeply or has a huge number."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return UNREADABLE
    if text.count("[") + text.count("{") > MAX_DEPTH_READ and is_deeper(value, MAX_DEPTH_READ):
        return UNREADABLE
    return value


def is_deeper(value: object, most: int) -> bool:
    """Whether lists and mappings are nested more than *most* levels deep; not recursive."""
    level = _containers([value])
    for _ in range(most):
        if not level:
            return False
        level = _containers(
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        )
    return bool(level)


def _containers(values: Any) -> list[Any]:
    # Each only once: a list that is referenced twice would double on every level.
    unique = {id(value): value for value in values if isinstance(value, list | tuple | dict)}
    return list(unique.values())


def _odd_character() -> Unstorable:
    return Unstorable(gettext("This text contains a character that can't be stored."))


def _is_broken(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
