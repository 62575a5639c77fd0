"""Arguments as JSON: the form that tasks and runs are stored in."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel


def stored(arguments: BaseModel) -> dict[str, Any]:
    """The arguments as JSON that validates to the same values again; secrets in plain text.

    Raises:
        pydantic_core.PydanticSerializationError: If a value can't be written as JSON.
    """
    # round_trip leaves computed fields out, which a nested model would refuse.
    written = json.loads(
        BaseModel.model_dump_json(arguments, by_alias=True, round_trip=True, warnings=False)
    )
    values = BaseModel.model_dump(arguments, by_alias=True, round_trip=True, warnings=False)
    found = _with_losses(written, values)
    assert isinstance(found, dict)
    return found


def _with_losses(written: Any, value: Any) -> Any:
    """*written* with what pydantic leaves out of JSON: secrets, and numbers that aren't finite."""
    if hasattr(value, "get_secret_value"):
        return _plain(value.get_secret_value(), written)
    if isinstance(value, float) and not math.isfinite(value) and written is None:
        # Neither JSON nor PostgreSQL knows them as numbers; pydantic reads the text.
        return str(value)
    if isinstance(value, set | frozenset):
        # Two sets of the same things may have two orders.
        if any(hasattr(item, "get_secret_value") for item in value):
            return [_with_losses(None, item) for item in value]
        return written
    if isinstance(value, Mapping) and isinstance(written, dict) and len(value) == len(written):
        # The keys may have been no text before; their order is the same.
        pairs = zip(written.items(), value.values(), strict=True)
        return {key: _with_losses(item, item_value) for (key, item), item_value in pairs}
    if isinstance(value, list | tuple) and isinstance(written, list) and len(value) == len(written):
        return [_with_losses(*pair) for pair in zip(written, value, strict=True)]
    return written


def _plain(secret: Any, written: Any) -> Any:
    if isinstance(secret, bytes):
        return secret.decode("utf-8")
    if isinstance(secret, str | int | float | bool | None):
        return secret
    if isinstance(secret, BaseModel):
        return stored(secret)
    return str(secret) if isinstance(written, str | None) else written
