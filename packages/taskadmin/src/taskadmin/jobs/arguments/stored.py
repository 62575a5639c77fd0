"""Arguments as JSON, as tasks and runs store them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from ...errors import Unstorable
from ...translation.texts import gettext


def stored_form(arguments: BaseModel) -> dict[str, Any]:
    """Return the arguments as JSON that validates to the same values; secrets in plain text.

    Raises:
        pydantic_core.PydanticSerializationError: If a value can't be written as JSON.
        Unstorable: If a number isn't finite and the model wouldn't read it from text.
    """
    # round_trip omits computed fields, which a nested model would refuse.
    written = json.loads(
        BaseModel.model_dump_json(arguments, by_alias=True, round_trip=True, warnings=False)
    )
    values = BaseModel.model_dump(arguments, by_alias=True, round_trip=True, warnings=False)
    result = _with_losses(written, values)
    assert isinstance(result, dict)
    if _not_finite(values):
        again = vars(type(arguments).model_validate(result))
        for name, field in type(arguments).model_fields.items():
            key = field.serialization_alias or name
            if _not_finite(values.get(key)) != _not_finite(again[name]):
                raise Unstorable(gettext("Expected a finite number."), name=key)
    return result


def _not_finite(value: object) -> int:
    """Count the numbers in *value* that aren't finite."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, BaseModel):
        value = vars(value)
    if isinstance(value, Mapping):
        return sum(map(_not_finite, value.values()))
    return sum(map(_not_finite, value)) if isinstance(value, list | tuple | set | frozenset) else 0


def _with_losses(written: object, value: object) -> object:
    """Restore in *written* what pydantic omits from JSON: secrets, and non-finite numbers."""
    if hasattr(value, "get_secret_value"):
        return _plain(value.get_secret_value(), written)
    if isinstance(value, float) and not math.isfinite(value) and written is None:
        # JSON and PostgreSQL have no such numbers; pydantic reads them from text.
        return str(value)
    if isinstance(value, set | frozenset):
        # Equal sets may have different orders.
        if any(hasattr(item, "get_secret_value") for item in value):
            return [_with_losses(None, item) for item in value]
        return written
    if isinstance(value, Mapping) and isinstance(written, dict) and len(value) == len(written):
        # Keys may not have been text, but the order is the same.
        pairs = zip(written.items(), value.values(), strict=True)
        return {key: _with_losses(item, item_value) for (key, item), item_value in pairs}
    if isinstance(value, list | tuple) and isinstance(written, list) and len(value) == len(written):
        return [_with_losses(*pair) for pair in zip(written, value, strict=True)]
    return written


def _plain(secret: object, written: object) -> Any:
    if isinstance(secret, bytes):
        return secret.decode("utf-8")
    if isinstance(secret, str | int | float | bool | None):
        return secret
    if isinstance(secret, BaseModel):
        return stored_form(secret)
    return str(secret) if isinstance(written, str | None) else written
