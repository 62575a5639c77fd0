"""Fields of models."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from taskadmin.api.models.fields import Whole


def test_whole_numbers_may_have_a_point() -> None:
    """As in JSON Schema; others, and texts, are refused."""
    whole = TypeAdapter(Whole)
    assert whole.validate_json("7.0", strict=True) == whole.validate_json("7", strict=True) == 7
    for text in ("7.5", '"7"', "true", "1e400"):
        with pytest.raises(ValidationError):
            whole.validate_json(text, strict=True)
