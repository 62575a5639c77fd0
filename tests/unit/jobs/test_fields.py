"""Form fields from the model of a job's arguments."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NewType

import pytest
from pydantic import BaseModel, Field, FiniteFloat, HttpUrl, NaiveDatetime, SecretStr, create_model

from taskadmin.jobs import GENERATE_RANDOM_NUMBER_JOB
from taskadmin.jobs.fields import ArgumentField, fields_of, fields_of_model


class Colour(Enum):
    """An enumeration."""

    RED = "red"
    DARK_BLUE = "#00008b"


class Level(IntEnum):
    """An enumeration of numbers."""

    LOW = 1
    HIGH = 2


class Address(BaseModel):
    """A nested model."""

    street: str = "Elm"


CustomerId = NewType("CustomerId", int)


def field(annotation: Any, default: Any = ..., *, masked: bool = False) -> ArgumentField:
    """Return the field of an argument."""
    model = create_model("Arguments", the_argument=(annotation, default))
    (found,) = fields_of_model(model, masked=frozenset({"the_argument"} if masked else ()))
    return found


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (str, "text"),
        (Annotated[str, Field(json_schema_extra={"multiline": True})], "multiline"),
        (float, "number"),
        (FiniteFloat, "number"),
        (Decimal, "number"),
        (int, "integer"),
        (CustomerId, "integer"),
        (bool, "switch"),
        (Colour, "choice"),
        (Level, "choice"),
        (Literal["a", 1], "choice"),
        (Literal["only"], "choice"),
        (date, "date"),
        (time, "time"),
        (datetime, "datetime"),
        (NaiveDatetime, "datetime"),
        (timedelta, "duration"),
        (dict[str, int], "json"),
        (list[str], "json"),
        (Address, "json"),
        (int | str, "json"),
        (Any, "json"),
        (SecretStr, "secret"),
        (HttpUrl, "url"),
    ],
)
def test_each_type_is_asked_for_in_its_own_way(annotation: Any, kind: str) -> None:
    """Optional types have the same field."""
    assert field(annotation).kind == kind
    optional = field(annotation | None, None)
    # A checkbox has no third state.
    assert optional.kind == ("choice" if kind == "switch" else kind)
    assert (optional.optional, optional.required) == (True, False)


def test_arguments_without_a_default_are_required() -> None:
    """Defaults are shown as in JSON."""
    assert (field(int).required, field(int).default) == (True, None)
    assert (field(timedelta, timedelta(hours=1)).required) is False
    assert field(timedelta, timedelta(hours=1)).default == "PT1H"
    assert field(Colour, Colour.RED).default == "red"
    assert field(list[int], Field(default_factory=list)).required is False


def test_a_secret_has_no_default_to_show() -> None:
    """Masked arguments of any type are secrets."""
    assert field(SecretStr, SecretStr("x")).default is None
    masked = field(int, 7, masked=True)
    assert (masked.kind, masked.content, masked.default) == ("secret", "integer", None)


def test_labels_and_help_come_from_the_signature() -> None:
    """A field's title overrides the name; a model's title doesn't."""
    described = field(Annotated[int, Field(description="In metres.", title="How far")])
    assert (described.label, described.help) == ("How far", "In metres.")
    assert field(Colour).label == "The argument"


def test_choices_have_labels() -> None:
    """Members have their names, unless equal to the value; literals have their values."""
    assert field(Colour).choices == (("red", "red"), ("#00008b", "Dark blue"))
    assert field(Level | None, None).choices == ((1, "Low"), (2, "High"))
    assert field(Literal["a", 1]).choices == (("a", "a"), (1, "1"))
    assert field(bool | None, None).choices == ((True, "Yes"), (False, "No"))


@pytest.mark.parametrize("annotation", [Literal["1", 1], Literal["", "a"]])
def test_choices_that_look_alike_are_entered_as_json(annotation: Any) -> None:
    """A select sends text, in which 1 and "1" are equal."""
    assert (field(annotation).kind, field(annotation).choices) == ("json", ())


def test_bounds_are_known_in_numbers_and_words() -> None:
    """Also inside Optional."""
    bounded = field(Annotated[float, Field(gt=0, le=60)] | None, None)
    assert bounded.limits == "More than 0, at most 60."
    assert field(Annotated[int, Field(le=10**5000)]).limits == "At most 1e+5000."
    assert field(Annotated[int, Field(ge=0, multiple_of=5)]).step == 5
    text = field(Annotated[str, Field(max_length=2000)])
    assert (text.max_length, text.limits) == (2000, "At most 2,000 characters.")
    assert field(HttpUrl).limits == ""


def test_the_built_in_job_asks_for_two_numbers() -> None:
    """In the signature's order."""
    assert [(one.name, one.label, one.kind) for one in fields_of(GENERATE_RANDOM_NUMBER_JOB)] == [
        ("lower_limit", "Lower limit", "number"),
        ("upper_limit", "Upper limit", "number"),
    ]
