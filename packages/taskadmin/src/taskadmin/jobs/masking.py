"""Arguments that nobody may read: how they are shown, and how they are kept out of texts."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

#: What stands in place of a value.
DOTS = "••••••"

#: Keys that the ledger keeps beside a job's arguments: whose task it is, and which arguments
#: were secrets when they were stored.
AUTHOR_ID = "author_id"
MASKED = "_masked"
LEDGER_KEYS = frozenset({AUTHOR_ID, MASKED})

#: Shorter texts are left alone: they are in every word, and dots there would give them away.
_SHORTEST = 4
_SHORTEST_LINE = 8


def own_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments without the ledger's own keys."""
    return {name: value for name, value in arguments.items() if name not in LEDGER_KEYS}


def masked_names(arguments: Mapping[str, Any], masked: Collection[str] = ()) -> frozenset[str]:
    """The names that must not be shown: *masked*, and those that were stored with the arguments."""
    stored = arguments.get(MASKED)
    names = stored if isinstance(stored, list | tuple | set | frozenset) else ()
    return frozenset(masked) | {name for name in names if isinstance(name, str)}


def shown(arguments: Mapping[str, Any], masked: Collection[str] = ()) -> dict[str, Any]:
    """The arguments as people may see them, also when their job is gone.

    Args:
        arguments: As stored, with or without the ledger's own keys.
        masked: Names of secrets besides those that the arguments name themselves.
    """
    hidden = masked_names(arguments, masked)
    return {
        name: DOTS if name in hidden else value for name, value in own_arguments(arguments).items()
    }


def redact(text: str, arguments: Mapping[str, Any], masked: Collection[str] = ()) -> str:
    """*text* with dots wherever a masked argument's value stands.

    Found are values of four characters or more, nested ones too, also as ``repr``, JSON and
    addresses write them. What a job computed from a secret isn't.
    """
    forms: set[str] = set()
    for name in masked_names(arguments, masked) & arguments.keys():
        for value in _leaves(arguments[name]):
            forms.update(_forms(value))
    return _cover(text, forms)


def _leaves(value: Any) -> Iterator[str]:
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    if isinstance(value, BaseModel):
        value = dict(value)
    if value is None or isinstance(value, bool):
        return  # "None" and "True" are no secrets, and stand in every traceback
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
        repr(f'{value}"')[1:-2],  # within a longer text, which may have both kinds of quotes
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        urllib.parse.quote(value, safe="", errors="replace"),
        urllib.parse.quote(value, errors="replace"),
        urllib.parse.quote_plus(value, errors="replace"),
    )
    yield from (form for form in written if len(form) >= _SHORTEST)
    # A key of several lines is often printed line by line.
    lines = (line.strip() for line in value.splitlines())
    yield from (line for line in lines if len(line) >= _SHORTEST_LINE)


def _cover(text: str, forms: Collection[str]) -> str:
    spans = sorted(span for form in forms for span in _places(text, form))
    pieces: list[str] = []
    end = 0
    for start, stop in spans:
        # Values may overlap; what hangs over belongs to the same dots.
        if start >= end or not pieces:
            pieces += [text[end:start], DOTS]
        end = max(end, stop)
    return "".join([*pieces, text[end:]])


def _places(text: str, form: str) -> Iterator[tuple[int, int]]:
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)
