"""Secrets are masked, and errors don't repeat input."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Secret, SecretStr

from taskadmin import job
from taskadmin.jobs import Job, Redaction, get_job, mask_secrets, redact

DOTS = "••••••"


class Account(BaseModel):
    """A nested model with a secret."""

    user: str
    password: SecretStr


def _even(value: int) -> int:
    if value % 2:
        raise ValueError(f"{value} is odd")
    return value


def login(
    account: Account,
    number: Secret[int],
    pin: Annotated[int, AfterValidator(_even)],
    tokens: tuple[SecretStr, ...] = (),
    sizes: dict[str, int] = {},  # noqa: B006
) -> None: ...


@pytest.fixture
def login_job() -> Job:
    job(masked=["pin"])(login)
    return get_job("login")


def test_secrets_are_found_however_deep(login_job: Job) -> None:
    """An argument that contains one is masked completely."""
    assert login_job.masked == {"account", "number", "pin", "tokens"}


def test_shown_arguments_hide_secrets(login_job: Job) -> None:
    """Also invalid arguments and those masked when stored; without the ledger's keys."""
    arguments = {"pin": "x", "sizes": {"a": 1}, "more": 1, "author_id": 7, "_masked": ["more"]}
    expected = {"pin": DOTS, "sizes": {"a": 1}, "more": DOTS}
    assert login_job.mask_secrets(arguments) == expected
    assert login_job.mask_secrets(arguments, masked=["sizes"]) == {**expected, "sizes": DOTS}
    assert mask_secrets(arguments, ["pin"]) == expected
    assert mask_secrets({"a": 1, "_masked": "a"}) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("key=hunter2!", "hunter2", f"key={DOTS}!"),
        ("abc", "abc", "abc"),
        ("KeyError: 'a\\nbc\\'d'", "a\nbc'd", f"KeyError: '{DOTS}'"),
        ('{"k": "a\\"bcd"}', 'a"bcd', f'{{"k": "{DOTS}"}}'),
        ("https://u:p%40ss%2F@h", "p@ss/", f"https://u:{DOTS}@h"),
        ("12345", 12345, DOTS),
        ("True None", [True, None], "True None"),
        ("in abcdef out", {"x": [{"y": "abcdef"}]}, f"in {DOTS} out"),
        ("abcdefghi", ["abcdef", "defghi"], DOTS),
        ("abcdabcd", "abcd", DOTS),
        ("s3cret", SecretStr("s3cret"), DOTS),
        ("got b'by\\xfftes'", b"by\xfftes", f"got b'{DOTS}'"),
        ("line: MIIEvQIBADAN", "-----BEGIN\nMIIEvQIBADAN\n", f"line: {DOTS}"),
        ("", "abcd", ""),
        (
            "value='hunter2 and...d a half']",
            "hunter2 and one and a half",
            f"value='{DOTS}...{DOTS}']",
        ),
        ("hunter2 and… no", "hunter2 and one", f"{DOTS}… no"),
    ],
)
def test_texts_are_redacted(text: str, value: Any, expected: str) -> None:
    """In all notations of tracebacks, JSON and URLs."""
    found = redact(text, {"x": value, "open": text}, ["x", "absent"])
    # Adjacent secrets are masked separately.
    assert found.replace(DOTS * 2, DOTS) == expected
    assert redact(text, {"x": value, "_masked": ["x"]}) == found


@given(st.text("xyz "), st.text("abc\n'\"\\", min_size=4), st.text("xyz "))
def test_no_secret_is_left(before: str, secret: str, after: str) -> None:
    """Anywhere in the text, plain or as a Python literal."""
    assert redact(before + secret + after, {"x": secret}, ["x"]) == before + DOTS + after
    assert redact(before + repr(secret)[1:-1] + after, {"x": secret}, ["x"]) == (
        before + DOTS + after
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://ada:hunter2@example.org/", "https://ada:••••••@example.org/"),
        ("amqp://:hunter2@mq:5672/a@b", "amqp://:••••••@mq:5672/a@b"),
        (["x", {"y": "ftp://a:b@c"}], ["x", {"y": "ftp://a:••••••@c"}]),
        ("https://ada:p%40ss:w@example.org", "https://ada:••••••@example.org"),
        ("postgresql://ada:p@ss@db/x", "postgresql://ada:••••••@db/x"),
        ("https://example.org:80/a@b", "https://example.org:80/a@b"),
        ("https://ada@example.org", "https://ada@example.org"),
        ("at 12:30 ask ada@example.org", "at 12:30 ask ada@example.org"),
    ],
)
def test_the_password_of_an_address_is_not_shown(value: Any, expected: Any) -> None:
    """In any job's arguments, also nested ones; other URLs stay."""
    assert mask_secrets({"given": value}) == {"given": expected}


def test_the_password_of_an_address_is_kept_out_of_errors() -> None:
    """Encoded and decoded."""
    redact = Redaction({"url": "https://ada:p%40ssword@example.org/"})

    assert redact("No answer of https://ada:p%40ssword@example.org/") == (
        "No answer of https://ada:••••••@example.org/"
    )
    assert redact("401 for ada, 'p@ssword'") == "401 for ada, '••••••'"
