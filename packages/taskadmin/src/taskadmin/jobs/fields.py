"""What a form and the command line ask for, made from the model of a job's arguments."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NewType, Union, get_args, get_origin

from pydantic import BaseModel, NaiveDatetime

from .. import texts
from ..texts import gettext, marked, ngettext

if TYPE_CHECKING:
    from .registry import Job

Kind = Literal[
    "text",
    "multiline",
    "number",
    "integer",
    "switch",
    "choice",
    "date",
    "time",
    "datetime",
    "duration",
    "json",
    "secret",
    "url",
]

_KIND_OF_FORMAT: Mapping[str, Kind] = {
    "date": "date",
    "time": "time",
    "date-time": "datetime",
    "duration": "duration",
    "uri": "url",
}
_KIND_OF_TYPE: Mapping[str, Kind] = {
    "boolean": "switch",
    "integer": "integer",
    "number": "number",
    "string": "text",
}


class Bound(NamedTuple):
    """A limit of an argument, by its name in a JSON schema."""

    kind: str
    number: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentField:
    """One argument of a job, as people are asked for it.

    Attributes:
        kind: How it is entered.
        content: What it is: for a secret the kind that it would have otherwise.
        required: There is no default, and it can't be left empty.
        default: As JSON has it. None for a secret, and where it is made anew each time.
        optional: It may be None, which is what an empty text stands for.
        choices: Values, as JSON has them, with their labels.
        minimum: The smallest value; *maximum* the largest. ``limits`` has the words for
            all bounds, also for those that aren't included themselves.
        exact: A number that is read without rounding to a float.
        naive: A date and time that has no zone; any other without one is UTC.
    """

    name: str
    label: str
    kind: Kind
    content: Kind
    required: bool = True
    default: Any = None
    optional: bool = False
    choices: tuple[tuple[Any, str], ...] = ()
    help: str = ""
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    max_length: int | None = None
    bounds: tuple[Bound, ...] = ()
    exact: bool = False
    naive: bool = False

    @property
    def limits(self) -> str:
        """The bounds in words: “More than 0, at most 60.”"""
        text = ", ".join(_in_words(bound) for bound in self.bounds)
        return f"{text[0].upper()}{text[1:]}." if text else ""


@lru_cache(maxsize=1024)
def fields_of(job: Job) -> tuple[ArgumentField, ...]:
    """The arguments of *job*, in the order of its signature."""
    return fields_of_model(job.arguments, masked=job.masked)


def fields_of_model(
    model: type[BaseModel], *, masked: frozenset[str] = frozenset()
) -> tuple[ArgumentField, ...]:
    """The fields of *model*; those in *masked* are secrets, whatever their type."""
    schema = model.model_json_schema(by_alias=False)
    definitions = schema.get("$defs", {})
    return tuple(
        _field(model, name, _resolved(schema["properties"][name], definitions), name in masked)
        for name in model.model_fields
    )


def _field(
    model: type[BaseModel], name: str, schema: Mapping[str, Any], masked: bool
) -> ArgumentField:
    info = model.model_fields[name]
    kinds = set(_types(info.annotation))
    optional = schema["nullable"] or ("type" not in schema and info.default is None)
    exact = Decimal in kinds
    choices = _choices(schema, kinds, optional)
    content: Kind = "number" if exact else "choice" if choices else _kind(schema)
    if content == "choice" and _ambiguous(choices):
        content, choices = "json", ()
    secret = masked or schema.get("format") == "password"
    return ArgumentField(
        name=name,
        label=info.title or humanized(name),
        kind="secret" if secret else content,
        content=content,
        required=info.is_required(),
        default=None if secret else schema.get("default"),
        optional=optional,
        choices=choices,
        help=info.description or "",
        minimum=schema.get("minimum", schema.get("exclusiveMinimum")),
        maximum=schema.get("maximum", schema.get("exclusiveMaximum")),
        step=schema.get("multipleOf"),
        max_length=schema.get("maxLength"),
        bounds=_bounds(schema),
        exact=exact,
        naive=NaiveDatetime in kinds,
    )


def humanized(name: str) -> str:
    """``lower_limit`` as “Lower limit”."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:] if words else name


def text_of_choice(value: Any) -> str:
    """What a form sends for a choice."""
    return value if isinstance(value, str) else json.dumps(value)


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """*schema* without references and without the possibility of None, which becomes a key."""
    found = dict(schema)
    nullable = False
    while True:
        if "$ref" in found:
            target = definitions[found.pop("$ref").rpartition("/")[2]]
            found = {**target, **found}
        elif len(found.get("allOf", ())) == 1:
            found = {**found.pop("allOf")[0], **found}
        elif len(inner := _without_null(found.get("anyOf", ()))) == 1:
            nullable = nullable or len(inner) < len(found["anyOf"])
            del found["anyOf"]
            found = {**inner[0], **found}
        else:
            nullable = nullable or len(inner) < len(found.get("anyOf", ()))
            nullable = nullable or None in found.get("enum", ())
            return {**found, "nullable": nullable}


def _without_null(schemas: Any) -> list[Any]:
    return [schema for schema in schemas if schema.get("type") != "null"]


def _kind(schema: Mapping[str, Any]) -> Kind:
    type_, format_ = schema.get("type"), schema.get("format")
    if not isinstance(type_, str):
        return "json"
    if type_ == "string":
        if schema.get("multiline") is True:
            return "multiline"
        return _KIND_OF_FORMAT.get(str(format_), "text")
    return _KIND_OF_TYPE.get(type_, "json")


def _choices(
    schema: Mapping[str, Any], kinds: set[Any], optional: bool
) -> tuple[tuple[Any, str], ...]:
    """Values and labels of an enumeration, a Literal, and of a switch with a third position."""
    if schema.get("type") == "boolean" and optional:
        return ((True, marked("Yes")), (False, marked("No")))
    values = [schema["const"]] if "const" in schema else schema.get("enum", ())
    names = {
        member.value: _label(member)
        for enumeration in kinds
        if isinstance(enumeration, type) and issubclass(enumeration, Enum)
        for member in enumeration
        if isinstance(member.value, str | int | float)
    }
    return tuple(
        (value, names.get(value) or text_of_choice(value)) for value in values if value is not None
    )


def _label(member: Enum) -> str:
    """“Dark blue” for DARK_BLUE = "#00008b", but “GET” for GET = "GET"."""
    value = str(member.value)
    return value if value.lower() == member.name.lower() else humanized(member.name.lower())


def _ambiguous(choices: tuple[tuple[Any, str], ...]) -> bool:
    """Whether two values are sent as the same text, or one as none: “1” and 1, or “”."""
    texts = [text_of_choice(value) for value, _ in choices]
    return len(set(texts)) < len(texts) or "" in texts


def _bounds(schema: Mapping[str, Any]) -> tuple[Bound, ...]:
    return tuple(
        Bound(key, schema[key])
        for key in (
            *("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"),
            *("multipleOf", "minLength", "maxLength"),
        )
        # What every address has (1 to 2083 characters) is no help to anybody.
        if key in schema and not (schema.get("format") == "uri" and key.endswith("Length"))
    )


def _in_words(bound: Bound) -> str:
    number = texts.number(bound.number)
    match bound.kind:
        case "minimum":
            return gettext("at least %(number)s", number=number)
        case "exclusiveMinimum":
            return gettext("more than %(number)s", number=number)
        case "maximum":
            return gettext("at most %(number)s", number=number)
        case "exclusiveMaximum":
            return gettext("less than %(number)s", number=number)
        case "multipleOf":
            return gettext("a multiple of %(number)s", number=number)
        case "minLength":
            return ngettext(
                "at least %(num)s character", "at least %(num)s characters", int(bound.number)
            )
        case _:
            return ngettext(
                "at most %(num)s character", "at most %(num)s characters", int(bound.number)
            )


def _types(annotation: Any) -> Iterator[Any]:
    """The classes that an annotation allows, behind Annotated, Optional and names for types."""
    while True:
        if isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif hasattr(annotation, "__metadata__"):
            annotation = annotation.__origin__
        elif hasattr(annotation, "__value__"):
            annotation = annotation.__value__
        else:
            break
    if get_origin(annotation) in (Union, types.UnionType):
        for inner in get_args(annotation):
            yield from _types(inner)
    else:
        yield annotation
