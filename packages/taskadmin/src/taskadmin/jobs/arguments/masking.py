"""Mask secret arguments, and redact their values in text."""

from __future__ import annotations

import itertools
import json
import re
import urllib.parse
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

#: Replacement for a masked value.
DOTS = "••••••"

#: The password of a URL such as ``https://user:password@host/``. The last @ ends it.
_PASSWORD = re.compile(r"(://[^\s/?#@:]*:)([^\s/?#]+)(?=@)")

#: Keys that taskadmin stores with a job's arguments: the task's author, and the names of arguments
#: that were secret when they were stored.
AUTHOR_ID = "author_id"
MASKED = "_masked"
LEDGER_KEYS = frozenset({AUTHOR_ID, MASKED})

#: Minimum length to redact: shorter values occur in every word, and dots there would reveal them.
_MIN_REDACTED_CHARACTERS = 4
_SHORTEST_LINE = 8
_ELLIPSES = ("...", "…")


def own_arguments(arguments: Mapping[str, object]) -> dict[str, object]:
    """Return the arguments without the keys that taskadmin adds."""
    return {name: value for name, value in arguments.items() if name not in LEDGER_KEYS}


def masked_names(arguments: Mapping[str, object], masked: Collection[str] = ()) -> frozenset[str]:
    """Return the names to mask: *masked*, and those that were stored with the arguments."""
    if MASKED not in arguments:
        return frozenset(masked)
    stored = arguments[MASKED]
    names = stored if isinstance(stored, list | tuple | set | frozenset) else ()
    return frozenset(masked) | {name for name in names if isinstance(name, str)}


def mask_secrets(arguments: Mapping[str, object], masked: Collection[str] = ()) -> dict[str, Any]:
    """Return the arguments with secrets masked; works without the job.

    Args:
        arguments: As stored, with or without the keys that taskadmin adds.
        masked: Names of secrets besides those stored with the arguments.
    """
    hidden = masked_names(arguments, masked)
    return {
        name: DOTS if name in hidden else without_passwords(value)
        for name, value in own_arguments(arguments).items()
    }


def has_password(value: object) -> bool:
    """Whether a URL in *value* has a password."""
    return bool(without_passwords(value) != value)


def without_passwords(value: Any) -> Any:
    """Return a JSON value with the passwords of URLs masked."""
    if isinstance(value, str):
        return _PASSWORD.sub(rf"\1{DOTS}", value) if "://" in value else value
    if isinstance(value, dict):
        return {name: without_passwords(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_passwords(item) for item in value]
    return value


def redact(text: str, arguments: Mapping[str, object], masked: Collection[str] = ()) -> str:
    """Replace values of masked arguments in *text* by dots; see ``Redaction``."""
    return Redaction(arguments, masked)(text)


class Redaction:
    """Replaces values of masked arguments, and passwords in URLs, by dots.

    Values of at least four characters are found, nested or not, also as ``repr``, JSON and URLs
    write them, and parts of values that were truncated with "...". Values that a job computed from
    a secret aren't found.

    The values are copied at once, since a job may change its arguments.
    """

    def __init__(self, arguments: Mapping[str, object], masked: Collection[str] = ()) -> None:
        self._names = masked_names(arguments, masked)
        self._forms: set[str] = set()
        self.learn(arguments)

    def learn(self, arguments: Mapping[str, object]) -> None:
        """Redact these values of masked arguments too: defaults, and validated values."""
        for name in self._names & arguments.keys():
            for value in _leaves(arguments[name]):
                self._forms.update(_forms(value))
        for name in own_arguments(arguments).keys() - self._names:
            for value in _leaves(arguments[name]):
                for found in _PASSWORD.finditer(value):
                    self._forms.update(_forms(found[2]))
                    self._forms.update(_forms(urllib.parse.unquote(found[2])))

    def __call__(self, text: str) -> str:
        """Return *text* with masked values replaced by dots."""
        return _cover(text, self._forms) if self._forms else text

    def of(self, value: Any) -> Any:
        """Redact the text in a JSON value; numbers stay."""
        if not self._forms:
            return value
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {
                self(name) if isinstance(name, str) else name: self.of(item)
                for name, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.of(item) for item in value]
        return value


def _leaves(value: object) -> Iterator[str]:
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    if isinstance(value, BaseModel):
        value = dict(value)
    if value is None or isinstance(value, bool):
        return  # "None" and "True" aren't secrets, and occur in every traceback
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes | bytearray):
        yield value.decode("utf-8", "replace")
        yield repr(bytes(value))[2:-1]
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _leaves(item)
    else:
        yield str(value)


def _forms(value: str) -> Iterator[str]:
    written = (
        value,
        value.strip(),
        repr(value)[1:-1],
        repr(f'{value}"')[1:-2],  # within longer text, which may contain both kinds of quotes
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        urllib.parse.quote(value, safe="", errors="replace"),
        urllib.parse.quote(value, errors="replace"),
        urllib.parse.quote_plus(value, errors="replace"),
    )
    yield from (form for form in written if len(form) >= _MIN_REDACTED_CHARACTERS)
    # A multi-line key is often printed line by line.
    lines = (line.strip() for line in value.splitlines())
    yield from (line for line in lines if len(line) >= _SHORTEST_LINE)


def _cover(text: str, forms: Collection[str]) -> str:
    spans = sorted(span for form in forms for span in (*_places(text, form), *_cut(text, form)))
    pieces: list[str] = []
    end = 0
    for start, stop in spans:
        # Overlapping values share the same dots.
        if start >= end or not pieces:
            pieces += [text[end:start], DOTS]
        end = max(end, stop)
    return "".join([*pieces, text[end:]])


def _places(text: str, form: str) -> Iterator[tuple[int, int]]:
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)


def _cut(text: str, form: str) -> Iterator[tuple[int, int]]:
    """Yield parts of *form* next to an ellipsis, as pydantic and reprlib truncate long values."""
    for start, _ in _places(text, form[:_MIN_REDACTED_CHARACTERS]):
        length = _in_common(form, text[start : start + len(form)])
        if text.startswith(_ELLIPSES, start + length):
            yield start, start + length
    for _, stop in _places(text, form[-_MIN_REDACTED_CHARACTERS:]):
        behind = text[max(0, stop - len(form)) : stop]
        length = _in_common(form[::-1], behind[::-1])
        if text.endswith(_ELLIPSES, 0, stop - length):
            yield stop - length, stop


def _in_common(one: str, other: str) -> int:
    """Return the length of the common prefix."""
    return sum(1 for _ in itertools.takewhile(bool, map(str.__eq__, one, other)))
