"""Check that an arguments model can be stored as JSON, and find its secrets."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic.json_schema import PydanticJsonSchemaWarning
from pydantic_core import PydanticSerializationError, SchemaError

from ..arguments.stored import stored_form
from ..invalid import InvalidJob

#: Kinds of pydantic's core schemas whose values aren't data: their JSON schema is empty or
#: describes what they produce.
_NO_DATA = frozenset({"callable", "generator", "is-subclass"})


def check_field(where: str, build: Callable[[], type[BaseModel]]) -> None:
    """Check that a model can be built and stored, and that its defaults are valid.

    Args:
        where: The model or parameter, as the start of a sentence.
        build: Builds the model.

    Raises:
        InvalidJob: If a check fails.
    """
    try:
        model = build()
        schema_of(model)
        no_data = any(kind in _NO_DATA for kind in _kinds(model.__pydantic_core_schema__))
    except (PydanticUserError, SchemaError, TypeError, ValueError) as error:
        raise InvalidJob(f"{where} {_why_no_json(error)}") from error
    if no_data:
        raise InvalidJob(
            f"{where} has an annotation that no JSON value fits; arguments are stored as JSON."
        )
    fields = model.model_fields.values()
    if any(field.is_required() for field in fields):
        return
    try:
        stored_form(model.model_validate({}))
    except ValidationError as error:
        message = error.errors(include_input=False, include_url=False)[0]["msg"]
        lacks_none = len(fields) == 1 and next(iter(fields)).default is None
        advice = " Annotate it with `| None`." if lacks_none else ""
        raise InvalidJob(f"{where} has a default that doesn't fit: {message}.{advice}") from error
    except PydanticSerializationError as error:
        raise InvalidJob(f"{where} has a default that can't be stored as JSON: {error}.") from error


def _why_no_json(error: Exception) -> str:
    if isinstance(error, PydanticInvalidForJsonSchema):
        return "has an annotation that no JSON value fits; arguments are stored as JSON."
    message = str(error).split("\n\nFor further information", 1)[0].split(". Set `arb", 1)[0]
    return f"has an annotation that can't be validated: {message.rstrip('.')}."


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the model's JSON schema."""
    with warnings.catch_warnings():
        # A default that JSON schema can't express is omitted, which is harmless here.
        warnings.simplefilter("ignore", PydanticJsonSchemaWarning)
        return model.model_json_schema()


def secret_fields(model: type[BaseModel]) -> frozenset[str]:
    """Return the fields that contain a ``SecretStr`` or similar, at any depth."""
    schema = schema_of(model)
    definitions = schema.get("$defs", {})
    properties = schema.get("properties", {})
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if _is_secret(field.annotation, set())
        or _is_write_only(properties.get(field.alias or name, {}), definitions, set())
    )


def _is_secret(annotation: object, seen: set[object]) -> bool:
    if hasattr(annotation, "get_secret_value"):
        return True
    if isinstance(annotation, type):
        if annotation in seen:
            return False
        seen.add(annotation)
        if issubclass(annotation, BaseModel):
            inner = [field.annotation for field in annotation.model_fields.values()]
            return any(_is_secret(item, seen) for item in inner)
        if dataclasses.is_dataclass(annotation):
            return any(_is_secret(item.type, seen) for item in dataclasses.fields(annotation))
    return any(_is_secret(item, seen) for item in get_args(annotation))


def _is_write_only(schema: object, definitions: Mapping[str, object], seen: set[str]) -> bool:
    """Whether a JSON schema is marked as write-only, as those of secrets are."""
    if isinstance(schema, list):
        return any(_is_write_only(item, definitions, seen) for item in schema)
    if not isinstance(schema, dict):
        return False
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    if name and name not in seen:
        seen.add(name)
        if _is_write_only(definitions.get(name), definitions, seen):
            return True
    if schema.get("writeOnly") is True:
        return True
    return any(_is_write_only(item, definitions, seen) for item in schema.values())


def _kinds(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("type"), str):
            yield schema["type"]
        for key, item in schema.items():
            if key not in ("metadata", "default", "expected"):
                yield from _kinds(item)
    elif isinstance(schema, list | tuple):
        for item in schema:
            yield from _kinds(item)
