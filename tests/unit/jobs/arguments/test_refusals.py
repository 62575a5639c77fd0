"""Translations of pydantic's errors."""

from __future__ import annotations

import re
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, HttpUrl, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_core._pydantic_core import list_all_errors

from taskadmin.jobs.arguments.problems import problems_of
from taskadmin.jobs.arguments.refusals import PLURAL_KINDS, SENTENCES, refusal
from taskadmin.translation import texts


class _Elsewhere:
    language = "xx"

    def gettext(self, message: str) -> str:
        return message

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return singular if number == 1 else plural

    def number(self, number: float) -> str:
        return f"{number:,}"


class Order(BaseModel):
    """A model with constraints."""

    count: Annotated[int, Field(gt=0, le=1000)]
    name: Annotated[str, Field(min_length=2)]
    sizes: list[Annotated[float, Field(multiple_of=0.5)]]
    page: HttpUrl


WRONG = {"count": 5000, "name": "x", "sizes": [1.0, 0.7], "page": "nowhere"}


def _told() -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Order.model_validate(WRONG)
    return [problem.message for problem in problems_of(caught.value, Order.model_fields, WRONG, ())]


def test_english_messages_are_pydantics() -> None:
    """As in logs and on the command line."""
    assert _told() == [
        "Input should be less than or equal to 1000.",
        "String should have at least 2 characters.",
        "Item 2: Input should be a multiple of 0.5.",
        "Input should be a valid URL, relative URL without a base.",
    ]


def test_other_languages_have_sentences_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the error's values and grouped numbers."""
    monkeypatch.setattr(texts, "_given", _Elsewhere())
    assert _told() == [
        "This must be at most 1,000.",
        "Enter at least 2 characters.",
        "Item 2: This must be a multiple of 0.5.",
        "Expected an address such as https://example.org/.",
    ]


def test_unknown_messages_stay_english(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host's validators, and errors of later releases."""
    monkeypatch.setattr(texts, "_given", _Elsewhere())
    own = PydanticCustomError("of_the_host", "No luck.")
    assert refusal(own.type, own.message(), {}) == "No luck."
    assert refusal("greater_than", "Too small", {"renamed": 1}) == "Too small"


def test_the_sentences_are_for_errors_that_pydantic_has() -> None:
    """With pydantic's names of the values."""
    known: dict[str, Any] = {error["type"]: error for error in list_all_errors()}
    own = {"limits_ordered"}
    assert (SENTENCES.keys() | PLURAL_KINDS.keys()) - own <= known.keys()
    for kind, sentence in SENTENCES.items():
        names = set(re.findall(r"%\((\w+)\)s", sentence))
        context = known[kind].get("example_context") if kind not in own else None
        assert names <= set(context or {}), kind
    for kind, name in PLURAL_KINDS.items():
        assert name in (known[kind].get("example_context") or {}), kind
