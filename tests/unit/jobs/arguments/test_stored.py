"""Arguments survive storage: ``check(to_json(x))`` returns the same values."""

from __future__ import annotations

import enum
import json
import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, HttpUrl, SecretBytes, SecretStr, computed_field
from pydantic_core import PydanticSerializationError

from taskadmin import Run, job
from taskadmin.errors import Unstorable
from taskadmin.jobs import Job, get_job


class Colour(enum.Enum):
    """An enumeration by text."""

    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    """An enumeration by number."""

    SMALL = 1
    LARGE = 2


class Address(BaseModel):
    """A nested model with a computed field and a secret."""

    street: str
    since: date | None = None
    key: SecretStr = SecretStr("unset")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def label(self) -> str:
        return self.street.upper()


def everything(
    day: date,
    moment: time,
    at: datetime,
    wait: timedelta,
    price: Decimal,
    colour: Colour,
    size: Size,
    mode: Literal["fast", 2],
    key: UUID,
    url: HttpUrl,
    v4: IPv4Address,
    v6: IPv6Address,
    path: Path,
    address: Address,
    addresses: list[Address],
    prices: dict[str, Decimal],
    by_day: dict[date, int],
    pair: tuple[int, date],
    maybe: date | None,
    token: SecretStr,
    tokens: dict[str, list[SecretStr]],
    raw: SecretBytes,
    text: str,
    share: float,
    flag: bool,
    anything: Any,
    run: Run,
) -> None:
    """Take one of each."""


def a_job(function: Any, **options: Any) -> Job:
    job(**options)(function)
    return get_job(options.get("name") or function.__name__)


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
addresses = st.builds(Address, street=text, since=st.none() | st.dates(), key=text.map(SecretStr))
arguments = st.fixed_dictionaries(
    {
        "day": st.dates(),
        "moment": st.times(),
        "at": st.datetimes(timezones=zones | st.just(UTC)),
        "wait": st.timedeltas(timedelta(days=-36500), timedelta(days=36500)),
        "price": st.decimals(allow_nan=False, allow_infinity=False),
        "colour": st.sampled_from(Colour),
        "size": st.sampled_from(Size),
        "mode": st.sampled_from(["fast", 2]),
        "key": st.uuids(),
        "url": st.sampled_from(["https://a.example/x?y=1#z", "http://b.example:81"]).map(HttpUrl),
        "v4": st.ip_addresses(v=4),
        "v6": st.ip_addresses(v=6),
        "path": st.sampled_from([Path("/a/b c"), Path("ü.txt"), Path()]),
        "address": addresses,
        "addresses": st.lists(addresses, max_size=3),
        "prices": st.dictionaries(text, st.decimals("0", "10"), max_size=3),
        "by_day": st.dictionaries(st.dates(), st.integers(), max_size=3),
        "pair": st.tuples(st.integers(), st.dates()),
        "maybe": st.none() | st.dates(),
        "token": text.map(SecretStr),
        "tokens": st.dictionaries(text, st.lists(text.map(SecretStr), max_size=2), max_size=2),
        "raw": text.map(lambda word: SecretBytes(word.encode())),
        "text": text,
        "share": st.floats(allow_nan=False),
        "flag": st.booleans(),
        "anything": st.recursive(
            st.none() | st.booleans() | st.integers() | text,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
            max_leaves=5,
        ),
    }
)


@settings(deadline=None)
@given(arguments)
def test_stored_arguments_are_the_same_again(values: dict[str, Any]) -> None:
    """As JSON text, too; secrets are stored."""
    one = a_job(everything)
    stored = one.to_json({**values, "author_id": 7, "_masked": ["token"]})
    again = json.loads(json.dumps(stored, allow_nan=False))
    assert again == stored
    assert one.check({**again, "author_id": 7}) == values
    assert one.to_json(again) == stored
    assert one.problems(stored) == []
    assert one.why_invalid(stored) is None


@pytest.mark.parametrize("share", [math.inf, -math.inf])
def test_infinite_numbers_are_stored_as_text(share: float) -> None:
    """JSON can't represent them, and pydantic alone would store null."""

    def weigh(share: float) -> None: ...

    one = a_job(weigh)
    assert one.to_json({"share": share}) == {"share": str(share)}
    assert one.check(one.to_json({"share": share})) == {"share": share}
    assert math.isnan(one.check(one.to_json({"share": math.nan}))["share"])


@pytest.mark.parametrize("value", [math.nan, [math.inf], {"a": [-math.inf]}])
def test_numbers_that_would_become_text_are_refused(value: Any) -> None:
    """For the type Any, “nan” would be read back as text."""

    def take(anything: Any) -> None: ...

    one = a_job(take)
    with pytest.raises(Unstorable, match="Expected a finite number") as caught:
        one.to_json({"anything": value})
    assert caught.value.name == "anything"
    assert list(map(str, one.problems({"anything": value}))) == [
        "anything: Expected a finite number."
    ]


ODD = "This text contains a character that can't be stored."


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("a\0b", f"anything: {ODD}"),
        ({"a": ["\0"]}, f"anything: {ODD}"),
        ({"a\0": 1}, f"anything: {ODD}"),
        ("\ud800", "These arguments can't be stored as JSON."),
    ],
)
def test_values_that_cannot_be_shown_are_not_stored(value: Any, problem: str) -> None:
    """Values stored by earlier releases still run."""

    def take(anything: Any) -> None: ...

    one = a_job(take)
    assert list(map(str, one.problems({"anything": value}))) == [problem]
    if value != "\ud800":
        assert one.why_invalid({"anything": value}) is None
        assert one.check({"anything": value}) == {"anything": value}


@pytest.mark.parametrize("levels", [99, 100, 200, 300])
def test_values_may_be_nested_so_deep(levels: int) -> None:
    """A hundred levels, including the mapping of arguments."""

    def take(anything: Any) -> None: ...

    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    found = a_job(take).problems({"anything": value})
    assert bool(found) == (levels > 99)


def test_a_set_of_secrets_is_stored() -> None:
    """Sets are unordered, so two dumps can't be matched by position."""

    def login(tokens: set[SecretStr]) -> None: ...

    one = a_job(login)
    values = {"tokens": {SecretStr("a"), SecretStr("b")}}
    assert sorted(one.to_json(values)["tokens"]) == ["a", "b"]
    assert one.check(one.to_json(values)) == values


def test_values_that_are_not_json_are_refused() -> None:
    """The type Any accepts it, but it can't be stored."""

    def take(anything: Any) -> None: ...

    one = a_job(take)
    with pytest.raises(PydanticSerializationError):
        one.to_json({"anything": object()})
    assert one.why_invalid({"anything": object()}) == "These arguments can't be stored as JSON."


def test_a_path_is_stored_as_text() -> None:
    """As people write it."""

    def read(path: PurePosixPath) -> None: ...

    assert a_job(read).to_json({"path": "/a/b"}) == {"path": "/a/b"}


def test_a_default_that_changes_is_not_shared_between_runs() -> None:
    """Changes to a mutable default don't affect the next run."""

    def collect(items: list[int] = [], where: Address = Address(street="x")) -> None:  # noqa: B006, B008
        ...

    one = a_job(collect)
    first = one.check({})
    first["items"].append(1)
    first["where"].street = "y"
    assert one.check({}) == {"items": [], "where": Address(street="x")}
    assert isinstance(one.check({"items": []})["where"], Address)
    assert UUID(int=0) not in first["items"]
