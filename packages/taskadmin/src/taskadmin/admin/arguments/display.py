"""Arguments as pages show them: without secrets, in full or shortened."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from ...models import TaskResult
from ...store.tasks.arguments import arguments_of, without_secrets
from ...translation.i18n import number
from ...values.showable import showable
from ...values.storable import Beginning

#: Maximum length of one value, and of all of them together, in characters.
_MAX_VALUE_CHARACTERS = 40
_MAX_LINE_CHARACTERS = 80
#: A JSON string that may be cut off, up to its last complete escape.
_TEXT = re.compile(r'"((?:[^"\\]|\\u[0-9a-fA-F]{4}|\\["\\/bfnrt])*)')
_ESCAPED = re.compile(r"(?<!\\)(?:\\u[0-9a-fA-F]{4})+")


def listed_arguments(run: TaskResult) -> str:
    """Return the arguments of a listed run in one line.

    Arguments that were loaded in part become "…": secrets can't be told apart in them.
    """
    if isinstance(run.listed_params, Beginning):
        return "…"
    return in_short(without_secrets(run.job, run.listed_params))


def value_in_words(value: object) -> str:
    """Return one value as text: numbers grouped, strings unquoted, the rest as JSON."""
    if isinstance(value, Beginning):
        value = _begun(value.lstrip())
    match value := showable(value):
        case str():
            return value
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return number(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def in_short(arguments: Mapping[str, object]) -> str:
    """Return all arguments in one line for a table: a range alone, else name and value of each."""
    if arguments.keys() == {"lower_limit", "upper_limit"}:
        return " … ".join(
            value_in_words(arguments[name]) for name in ("lower_limit", "upper_limit")
        )
    texts = (
        f"{name}={_cut(value_in_words(value), _MAX_VALUE_CHARACTERS)}"
        for name, value in arguments.items()
    )
    return _cut(", ".join(texts), _MAX_LINE_CHARACTERS)


def _begun(text: str) -> str:
    """Return the text for *text*, the beginning of a value's JSON."""
    if found := _TEXT.match(text):
        return str(json.loads(f'"{found[1]}"', strict=False))
    return _ESCAPED.sub(lambda found: str(json.loads(f'"{found[0]}"')), text)


def _cut(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else f"{text[: length - 1]}…"


#: Functions for templates that show arguments.
OF_TEMPLATES: Mapping[str, Callable[..., object]] = {
    "arguments_of": arguments_of,
    "in_short": in_short,
    "in_words": value_in_words,
    "listed_arguments": listed_arguments,
}
