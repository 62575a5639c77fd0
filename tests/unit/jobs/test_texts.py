"""Read and show arguments as text."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, HttpUrl, NaiveDatetime, SecretStr, TypeAdapter

from taskadmin.jobs.texts import USE_DEFAULT, parse_text, show_text

from .test_fields import Colour, Level, field

Lines = Annotated[str, Field(json_schema_extra={"multiline": True})]
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (str, " as typed ", " as typed "),
        (Lines, "one\r\ntwo", "one\ntwo"),
        (float, " -1.5e3 ", -1500.0),
        (Decimal, "0.10000000000000000000001", Decimal("0.10000000000000000000001")),
        (int, "+12", 12),
        (int, "9" * 300, int("9" * 300)),
        (bool, "y", True),
        (bool, "", False),
        (bool, "false", False),
        (bool | None, "false", False),
        (Colour, "red", "red"),
        (Level, "2", 2),
        (Literal["a", 1], "1", 1),
        (date, "2028-02-29", date(2028, 2, 29)),
        (time, "14:30", time(14, 30)),
        (datetime, "2026-01-31T12:00", NOON),
        (datetime, "2026-01-31 12:00:00Z", NOON),
        (datetime, "2026-01-31T14:00+02:00", NOON.astimezone(timezone(timedelta(hours=2)))),
        (NaiveDatetime, "2026-01-31T12:00", NOON.replace(tzinfo=None)),
        (timedelta, "90", timedelta(seconds=90)),
        (timedelta, "1h 30 min", timedelta(hours=1.5)),
        (timedelta, "1 day", timedelta(days=1)),
        (timedelta, "0:45", timedelta(minutes=45)),
        (timedelta, "1:00:02.5", timedelta(hours=1, seconds=2.5)),
        (timedelta, "PT90S", timedelta(seconds=90)),
        (timedelta, "-2 s", timedelta(seconds=-2)),
        (list[int], "[1, 2]", [1, 2]),
        (int | str, '"x"', "x"),
        (Any, "null", None),
        (SecretStr, " s3cret ", " s3cret "),
        (HttpUrl, " https://example.org ", "https://example.org"),
    ],
)
def test_texts_are_read_by_the_kind_of_their_field(annotation: Any, text: str, value: Any) -> None:
    """The result is valid for the job's model."""
    found = parse_text(field(annotation), text)

    assert (found, type(found)) == (value, type(value))
    TypeAdapter(annotation).validate_python(found)


NUMBER = "Enter a number such as -0.5, 10 or 1.5e6."
DURATION = "Enter a duration such as 90 s, 1 h 30 min, 0:45 or PT90S."
UNSTORABLE = "This text contains a character that can't be stored."


@pytest.mark.parametrize(
    ("annotation", "text", "sentence"),
    [
        (str, "", "Enter text."),
        (str, "a\0b", UNSTORABLE),
        (str, "\ud800", UNSTORABLE),
        (float, "", "Enter a number."),
        (float, "1,5", NUMBER),
        (float, "nan", NUMBER),
        (float, "٣", NUMBER),
        (float, "1_0", NUMBER),
        (float, "9" * 1000, NUMBER),
        (float, "1e400", "This number is too large: the largest is about 1.79e308."),
        (Decimal, "sNaN", NUMBER),
        (int, "1.0", "Enter a whole number such as -5, 10 or 1500."),
        (int, "9" * 5000, "Enter a whole number such as -5, 10 or 1500."),
        (bool, "maybe", "Enter true or false."),
        (Colour, "", "Choose one."),
        (Colour, "green", "“green” is not a valid choice; expected one of red, #00008b."),
        (date, "31.1.2026", "Enter a date such as 2026-01-31."),
        (date, "2026-02-30", "2026-02-30 does not exist. Check the day and the time."),
        (time, "25:00", "25:00 does not exist. Check the day and the time."),
        (time, "noon", "Enter a time such as 14:30."),
        (datetime, "2026-01-31", "Enter a date and a time such as 2026-01-31 14:30."),
        (
            datetime,
            "2026-01-31T24:30",
            "2026-01-31T24:30 does not exist. Check the day and the time.",
        ),
        (timedelta, "soon", DURATION),
        (timedelta, "5 parsecs", DURATION),
        (timedelta, "P", DURATION),
        (timedelta, "999999999999 d", "This duration is too long."),
        (
            dict[str, int],
            '{"a": 1,\n "b" 2}',
            "Not valid JSON: expecting ':' delimiter at line 2, column 6.",
        ),
        (Any, "NaN", "JSON doesn't allow NaN."),
        (Any, "[-Infinity]", "JSON doesn't allow -Infinity."),
        (Any, "1e999", "This JSON contains a number that is too large."),
        (Any, "9" * 5000, "This JSON contains a number that is too long."),
        (Any, "[" * 100_000, "This JSON is nested too deeply."),
        (Any, r'"\u0000"', "This JSON contains a character that can't be stored."),
        (Any, r'["\ud800"]', "This JSON contains a character that can't be stored."),
        (SecretStr, "", "Enter the secret."),
        (HttpUrl, " ", "Enter an address."),
    ],
)
def test_texts_that_cannot_be_read_are_refused_with_a_sentence(
    annotation: Any, text: str, sentence: str
) -> None:
    """It says what is expected."""
    with pytest.raises(ValueError, match=r"\.$") as refused:
        parse_text(field(annotation), text)

    assert str(refused.value) == sentence


@pytest.mark.parametrize("annotation", [str, float, date, timedelta, list[int], SecretStr, Colour])
def test_an_empty_text_is_none_or_the_default(annotation: Any) -> None:
    """None if allowed; otherwise, the argument is left out."""
    assert parse_text(field(annotation | None, None), "") is None
    assert parse_text(field(annotation, Field(default_factory=list)), "") is USE_DEFAULT


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (str, "x", "x"),
        (Lines, "a\nb", "a\nb"),
        (float, 5.0, "5.0"),
        (float, 1e300, "1e+300"),
        (Decimal, "0.10", "0.10"),
        (int, 7, "7"),
        (bool, True, "y"),
        (bool, False, ""),
        (bool | None, False, "false"),
        (Level, 2, "2"),
        (date, "2026-01-31", "2026-01-31"),
        (time, "14:30:00", "14:30:00"),
        (datetime, "2026-01-31T14:00:00+02:00", "2026-01-31T12:00"),
        (datetime, "2026-01-31T12:00:01.5Z", "2026-01-31T12:00:01.500000"),
        (NaiveDatetime, "2026-01-31T12:00:00", "2026-01-31T12:00"),
        (timedelta, "PT1H30M", "1 h 30 min"),
        (timedelta, "P2DT0.000001S", "2 d 0.000001 s"),
        (timedelta, "-PT3S", "-3 s"),
        (timedelta, "PT0S", "0 s"),
        (list[str], ["ä"], '[\n  "ä"\n]'),
        (HttpUrl, "https://example.org/", "https://example.org/"),
    ],
)
def test_shown_texts_parse_to_the_stored_values(annotation: Any, value: Any, text: str) -> None:
    """So that saving an unchanged form changes nothing."""
    one = field(annotation)

    assert show_text(one, value) == text
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    read = adapter.validate_python(parse_text(one, text))
    assert read == adapter.validate_python(value)


def test_secrets_are_never_shown() -> None:
    """Of any type."""
    assert show_text(field(SecretStr), "s3cret") == ""
    assert show_text(field(int, masked=True), 7) == ""


@pytest.mark.parametrize("annotation", [datetime, timedelta, int, list[int], Colour])
def test_a_value_that_no_longer_fits_is_shown_as_it_is_stored(annotation: Any) -> None:
    """The job's signature may have changed."""
    assert show_text(field(annotation), "a text") in ("a text", '"a text"')
    assert "".join(show_text(field(annotation), {"a": 1}).split()) == '{"a":1}'
