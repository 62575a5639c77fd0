"""What is wrong with arguments, in sentences that don't repeat them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ..texts import gettext, marked
from .masking import redact
from .refusals import refusal

_BY_TYPE = {
    "missing": marked("This argument is required."),
    "extra_forbidden": marked("There is no argument of this name."),
}
_OF_THE_HOST = ("value_error", "assertion_error")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with arguments.

    Attributes:
        field: The argument; None if it is about several, or about one that the job doesn't have.
        message: A sentence without the argument's value.
    """

    field: str | None
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


def problems_of(
    error: ValidationError,
    fields: Collection[str],
    arguments: Mapping[str, Any],
    masked: Collection[str],
) -> list[Problem]:
    """What a model's validation found.

    Args:
        error: What it raised.
        fields: The names that the job has arguments of.
        arguments: What was validated, to keep the masked ones out of the sentences.
        masked: Names of the masked ones.
    """
    found = []
    for item in error.errors(include_url=False, include_input=False):
        place = item["loc"]
        field = str(place[0]) if place and place[0] in fields else None
        if place and field is None:
            found.append(Problem(None, _unknown(str(place[0])[:100])))
            continue
        message = _sentence(item["type"], item["msg"], item.get("ctx", {}))
        # The keys of a dict are part of what was entered.
        if len(place) > 1 and field not in masked:
            message = f"{_path(place[1:])}: {message}"
        found.append(Problem(field, redact(message, arguments, masked)))
    return found


def _unknown(name: str) -> str:
    return gettext("There is no argument called %(name)s.", name=name)


def _sentence(kind: str, message: str, context: Mapping[str, Any]) -> str:
    if kind in _BY_TYPE:
        return gettext(_BY_TYPE[kind])
    if kind in _OF_THE_HOST:
        message = message.split(", ", 1)[-1]  # "Value error, …"
    message = " ".join(refusal(kind, message, context).split())
    return message if message.endswith((".", "!", "?")) else f"{message}."


def _path(place: tuple[int | str, ...]) -> str:
    parts = [
        gettext("item %(number)s", number=part + 1) if isinstance(part, int) else part
        for part in place
    ]
    path = ", ".join(parts)
    return path[:1].upper() + path[1:]
