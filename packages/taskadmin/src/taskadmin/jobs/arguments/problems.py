"""Describe invalid arguments in sentences that don't contain their values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from ...translation.texts import gettext, marked
from ...values.storable import escaped_text
from .masking import redact
from .refusals import refusal

_BY_TYPE = {
    "missing": marked("This argument is required."),
    "extra_forbidden": marked("Unknown argument."),
}
_OF_THE_HOST = ("value_error", "assertion_error")


@dataclass(frozen=True, slots=True)
class ArgumentProblem:
    """A problem with arguments.

    Attributes:
        field: The argument; None for a problem with several, or with an unknown one.
        message: A sentence without the argument's value.
    """

    field: str | None
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


def problems_of(
    error: ValidationError,
    fields: Collection[str],
    arguments: Mapping[str, object],
    masked: Collection[str],
) -> list[ArgumentProblem]:
    """Return the problems of a model's validation.

    Args:
        error: The validation error.
        fields: Names of the job's arguments.
        arguments: The validated values, to keep masked ones out of the sentences.
        masked: Names of the masked arguments.
    """
    problems = []
    for item in error.errors(include_url=False, include_input=False):
        place = item["loc"]
        field = str(place[0]) if place and place[0] in fields else None
        if place and field is None:
            problems.append(ArgumentProblem(None, escaped_text(_unknown(str(place[0])[:100]))))
            continue
        message = _sentence(item["type"], item["msg"], item.get("ctx", {}))
        # Keys of a dict are entered by people, too.
        if len(place) > 1 and field not in masked:
            message = f"{_path(place[1:])}: {message}"
        problems.append(ArgumentProblem(field, escaped_text(redact(message, arguments, masked))))
    return problems


def _unknown(name: str) -> str:
    return gettext("Unknown argument: %(name)s.", name=name)


def _sentence(kind: str, message: str, context: Mapping[str, object]) -> str:
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
