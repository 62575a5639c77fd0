"""Argument models provided by a host."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from taskadmin import job
from taskadmin.jobs import InvalidJob, get_job


class Range(BaseModel):
    """A host's model."""

    low: int
    high: int = 9
    key: SecretStr | None = None


def test_a_model_may_be_given() -> None:
    """Its secrets are masked, and its errors don't repeat input."""

    @job(arguments=Range)
    def span(low, high, key=None): ...  # type: ignore[no-untyped-def]

    one = get_job("span")
    assert one.masked == {"key"}
    assert one.check({"low": 1}) == {"low": 1, "high": 9, "key": None}
    with pytest.raises(ValidationError) as caught:
        one.check({"low": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda low, high: None, "has no parameter key, which Range has"),
        (lambda low, high, key, more: None, "Range has no field more, which"),
    ],
)
def test_a_model_that_does_not_fit_its_function_is_refused(function: Any, words: str) -> None:
    """Otherwise, the first run would fail."""
    with pytest.raises(InvalidJob, match=words):
        job(name="span", arguments=Range)(function)


def test_a_model_that_takes_anything_is_refused() -> None:
    """The function couldn't accept it."""

    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")

    with pytest.raises(InvalidJob, match="Open allows arguments besides its fields"):
        job(name="open", arguments=Open)(lambda: None)
