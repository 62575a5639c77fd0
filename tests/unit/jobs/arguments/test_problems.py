"""Errors in arguments, as sentences without values."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import AfterValidator, BaseModel, Secret, SecretStr

from taskadmin import job
from taskadmin.jobs import ArgumentProblem, Job, get_job

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


def test_a_host_s_own_sentence_does_not_repeat_a_secret(login_job: Job) -> None:
    """Everything that is long enough to be one is masked."""
    rest = {"account": {"user": "u", "password": "p"}, "number": 1}
    assert login_job.problems({**rest, "pin": 12345}) == [ArgumentProblem("pin", f"{DOTS} is odd.")]


def test_problems_are_sentences(login_job: Job) -> None:
    """With the argument and the place, without its value."""
    found = login_job.problems(
        {"number": "n-secret", "pin": 2, "sizes": {"a": "hunter2"}, "colour": 1, "author_id": 1}
    )
    assert found[0] == ArgumentProblem("account", "This argument is required.")
    assert found[1].field == "number"
    assert found[2].field == "sizes"
    assert found[2].message.startswith("A: Input should be a valid integer")
    assert found[3] == ArgumentProblem(None, "Unknown argument: colour.")
    told = login_job.why_invalid({"pin": 2, "number": 1, "account": {"user": 1, "password": "p"}})
    assert told == "account: Input should be a valid string."
    assert "secret" not in str(found) and "hunter2" not in str(found)


def test_a_validator_that_breaks_is_a_problem_of_its_task_only() -> None:
    """A launch continues with the next task."""

    @job
    def breaks(x: Annotated[str, AfterValidator(_broken)]) -> None: ...

    assert get_job("breaks").why_invalid({"x": "v"}) == "Checking these arguments raised KeyError."
