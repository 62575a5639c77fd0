"""Form fields of a job's arguments, derived from the arguments' model."""

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

from ..translation import texts
from ..translation.texts import gettext, marked, ngettext

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
    """A limit of an argument, named as in JSON schema."""

    kind: str
    number: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentField:
    """One argument of a job, as people enter it.

    Attributes:
        kind: How it is entered.
        content: Its kind of value; for a secret, the kind that it would have otherwise.
        required: There is no default, and it can't be empty.
        default: As JSON. None for a secret, and for a default factory.
        optional: It may be None, which is entered as empty text.
        choices: JSON values with their labels.
        exact: A number that isn't rounded to a float.
        naive: A date and time without a zone; otherwise, one entered without a zone is UTC.
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
    """Return the fields of *job*'s arguments, in the order of its signature."""
    return fields_of_model(job.arguments, masked=job.masked)


def fields_of_model(
    model: type[BaseModel], *, masked: frozenset[str] = frozenset()
) -> tuple[ArgumentField, ...]:
    """Return the fields of *model*; those in *masked* are secrets, whatever their type."""
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
        step=schema.get("multipleOf"),
        max_length=schema.get("maxLength"),
        bounds=_bounds(schema),
        exact=exact,
        naive=NaiveDatetime in kinds,
    )


def humanized(name: str) -> str:
    """Turn ``lower_limit`` into “Lower limit”."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:] if words else name


def text_of_choice(value: object) -> str:
    """Return the text that a form submits for a choice."""
    return value if isinstance(value, str) else json.dumps(value)


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Resolve references in *schema*, and replace the option of null by a key "nullable"."""
    resolved = dict(schema)
    nullable = False
    while True:
        if "$ref" in resolved:
            target = definitions[resolved.pop("$ref").rpartition("/")[2]]
            resolved = {**target, **resolved}
        elif len(resolved.get("allOf", ())) == 1:
            resolved = {**resolved.pop("allOf")[0], **resolved}
        elif len(inner := _without_null(resolved.get("anyOf", ()))) == 1:
            nullable = nullable or len(inner) < len(resolved["anyOf"])
            del resolved["anyOf"]
            resolved = {**inner[0], **resolved}
        else:
            nullable = nullable or len(inner) < len(resolved.get("anyOf", ()))
            nullable = nullable or None in resolved.get("enum", ())
            return {**resolved, "nullable": nullable}


def _without_null(schemas: Any) -> list[Any]:
    return [schema for schema in schemas if schema.get("type") != "null"]


def _kind(schema: Mapping[str, object]) -> Kind:
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
    """Return values and labels of an enumeration, a Literal or an optional boolean."""
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
    """Return “Dark blue” for DARK_BLUE = "#00008b", but “GET” for GET = "GET"."""
    value = str(member.value)
    return value if value.lower() == member.name.lower() else humanized(member.name.lower())


def _ambiguous(choices: tuple[tuple[object, str], ...]) -> bool:
    """Whether two values are submitted as the same text, or one as no text: “1” and 1, or “”."""
    texts = [text_of_choice(value) for value, _ in choices]
    return len(set(texts)) < len(texts) or "" in texts


def _bounds(schema: Mapping[str, Any]) -> tuple[Bound, ...]:
    return tuple(
        Bound(key, _plain(schema[key]))
        for key in (
            *("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"),
            *("multipleOf", "minLength", "maxLength"),
        )
        # The default lengths of an address (1 to 2083 characters) are no help.
        if key in schema and not (schema.get("format") == "uri" and key.endswith("Length"))
    )


def _plain(number: float) -> float:
    """Return 60 for 60.0: older versions of pydantic write the bound of a float like that."""
    return int(number) if abs(number) < 2**53 and number == int(number) else number


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
    """Yield the types in an annotation, without Annotated, Optional and type aliases."""
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
