"""Secrets aren't shown, and problems don't repeat what was entered."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Secret, SecretStr

from taskadmin import job
from taskadmin.jobs import Job, Problem, get_job, redact, shown

DOTS = "••••••"


class Account(BaseModel):
    """A nested model with a secret."""

    user: str
    password: SecretStr


def _even(value: int) -> int:
    if value % 2:
        raise ValueError(f"{value} is odd")
    return value


def _broken(value: str) -> str:
    raise KeyError(value)


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
    """An argument that holds one is masked as a whole."""
    assert login_job.masked == {"account", "number", "pin", "tokens"}


def test_shown_arguments_hide_secrets(login_job: Job) -> None:
    """Also those that don't fit, those masked when stored, and without the ledger's keys."""
    arguments = {"pin": "x", "sizes": {"a": 1}, "more": 1, "author_id": 7, "_masked": ["more"]}
    expected = {"pin": DOTS, "sizes": {"a": 1}, "more": DOTS}
    assert login_job.shown(arguments) == expected
    assert login_job.shown(arguments, masked=["sizes"]) == {**expected, "sizes": DOTS}
    assert shown(arguments, ["pin"]) == expected
    assert shown({"a": 1, "_masked": "a"}) == {"a": 1}


def test_a_host_s_own_sentence_does_not_repeat_a_secret(login_job: Job) -> None:
    """What is long enough to be one is covered."""
    rest = {"account": {"user": "u", "password": "p"}, "number": 1}
    assert login_job.problems({**rest, "pin": 12345}) == [Problem("pin", f"{DOTS} is odd.")]


def test_problems_are_sentences(login_job: Job) -> None:
    """With the argument, where in it, and never its value."""
    found = login_job.problems(
        {"number": "n-secret", "pin": 2, "sizes": {"a": "hunter2"}, "colour": 1, "author_id": 1}
    )
    assert found[0] == Problem("account", "This argument is required.")
    assert found[1].field == "number"
    assert found[2].field == "sizes"
    assert found[2].message.startswith("A: Input should be a valid integer")
    assert found[3] == Problem(None, "There is no argument called colour.")
    told = login_job.why_invalid({"pin": 2, "number": 1, "account": {"user": 1, "password": "p"}})
    assert told == "account: Input should be a valid string."
    assert "secret" not in str(found) and "hunter2" not in str(found)


def test_a_validator_that_breaks_is_a_problem_of_its_task_only() -> None:
    """Whoever launches a page of tasks goes on with the next one."""

    @job
    def breaks(x: Annotated[str, AfterValidator(_broken)]) -> None: ...

    assert get_job("breaks").why_invalid({"x": "v"}) == "Checking these arguments raised KeyError."


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
    ],
)
def test_texts_are_redacted(text: str, value: Any, expected: str) -> None:
    """In every form that tracebacks, JSON and addresses write them."""
    found = redact(text, {"x": value, "open": text}, ["x", "absent"])
    # Neighbours have dots of their own.
    assert found.replace(DOTS * 2, DOTS) == expected
    assert redact(text, {"x": value, "_masked": ["x"]}) == found


@given(st.text("xyz "), st.text("abc\n'\"\\", min_size=4), st.text("xyz "))
def test_no_secret_is_left(before: str, secret: str, after: str) -> None:
    """Wherever it stands, as it is or as Python writes it."""
    assert redact(before + secret + after, {"x": secret}, ["x"]) == before + DOTS + after
    assert redact(before + repr(secret)[1:-1] + after, {"x": secret}, ["x"]) == (
        before + DOTS + after
    )
