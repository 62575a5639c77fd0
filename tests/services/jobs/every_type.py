"""A job with an argument of each type, with inputs and stored values."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import Field, HttpUrl, SecretStr


class Colour(Enum):
    """An enumeration."""

    RED = "red"
    DARK_BLUE = "#00008b"


def every_type(
    *,
    text: str,
    lines: Annotated[str, Field(json_schema_extra={"multiline": True})],
    number: Annotated[float, Field(gt=0, le=60, description="In seconds.")],
    exact: Decimal,
    whole: Annotated[int, Field(ge=0)],
    switch: bool,
    perhaps: bool | None = None,
    colour: Colour,
    literal: Literal["a", 1],
    day: date,
    at: time,
    moment: datetime,
    length: timedelta,
    data: dict[str, int],
    address: HttpUrl,
    secret: SecretStr,
) -> None:
    """Do nothing."""


#: By argument: an input, its stored value, an invalid input, and its message.
FIELDS: dict[str, tuple[str, Any, str, str]] = {
    "text": (" <b> & ", " <b> & ", "", "Enter text."),
    "lines": ("one\r\n\r\ntwo", "one\n\ntwo", "", "Enter text."),
    "number": ("2.5", 2.5, "61", "Input should be less than or equal to 60."),
    "exact": (
        "0.10",
        "0.10",
        "0,1",
        "Enter a number such as -0.5, 10 or 1.5e6.",
    ),
    "whole": ("7", 7, "1.5", "Enter a whole number such as -5, 10 or 1500."),
    "switch": ("y", True, "maybe", "Enter true or false."),
    "perhaps": ("false", False, "x", "“x” is not a valid choice; expected one of true, false."),
    "colour": ("#00008b", "#00008b", "", "Choose one."),
    "literal": ("1", 1, "b", "“b” is not a valid choice; expected one of a, 1."),
    "day": (
        "2026-02-28",
        "2026-02-28",
        "2026-02-30",
        "2026-02-30 does not exist. Check the day and the time.",
    ),
    "at": ("14:30", "14:30:00", "noon", "Enter a time such as 14:30."),
    "moment": (
        "2026-01-31T12:00",
        "2026-01-31T12:00:00Z",
        "tomorrow",
        "Enter a date and a time such as 2026-01-31 14:30.",
    ),
    "length": (
        "1 h 30 min",
        "PT1H30M",
        "long",
        "Enter a duration such as 90 s, 1 h 30 min, 0:45 or PT90S.",
    ),
    "data": (
        '{"a": 1}',
        {"a": 1},
        '{"a" 1}',
        "Not valid JSON: expecting ':' delimiter at line 1, column 6.",
    ),
    "address": (
        "https://example.org/x",
        "https://example.org/x",
        "example",
        "Input should be a valid URL, relative URL without a base.",
    ),
    "secret": ("s3cret", "s3cret", "", "Enter the secret."),
}


TYPED = {f"arg-{name}": typed for name, (typed, *_) in FIELDS.items()}


STORED = {name: stored for name, (_, stored, *_) in FIELDS.items()}
