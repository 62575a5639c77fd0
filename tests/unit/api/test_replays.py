"""``Idempotency-Key``."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from fixture_types import AtOnce, MakeTask
from services.api.caller import Caller, problem_of
from taskadmin.models import ApiRequest, Task, TaskResult

DICE = {"job": "generate_random_number", "arguments": {"lower_limit": 1, "upper_limit": 6}}
KEY = {"Idempotency-Key": "7f2c"}


def count(session: Session, table: Any) -> int:
    """Count the rows of a table."""
    session.expire_all()
    return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_repeated_request_gets_the_same_answer(session: Session, boss: Caller) -> None:
    """And does nothing."""
    first = boss("POST", "/tasks", DICE, headers=KEY)
    again = boss("POST", "/tasks", DICE, headers=KEY)

    assert (again.status_code, again.text) == (201, first.text)
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert count(session, Task) == 1


def test_concurrent_starts_start_once(
    app: Flask, session: Session, boss: Caller, make_task: MakeTask, at_once: AtOnce
) -> None:
    """The others are told to wait, or get the answer."""
    path = f"/tasks/{make_task().id}/runs"
    others = [Caller(app.test_client(), None) for _ in range(4)]

    def start(caller: Caller) -> Any:
        return lambda: caller("POST", path, headers={**boss.headers, **KEY}).status_code

    answers = at_once(*map(start, others))

    assert set(answers) <= {202, 409} and 202 in answers
    assert count(session, TaskResult) == 1


@pytest.mark.databases("sqlite")
def test_another_request_needs_another_key(session: Session, boss: Caller) -> None:
    """A mistake of the program."""
    boss("POST", "/tasks", DICE, headers=KEY)
    refused = boss("POST", "/tasks", {**DICE, "name": "Other"}, headers=KEY)
    assert problem_of(refused) == (422, "key-reused", ["Idempotency-Key"])
    assert count(session, Task) == 1


@pytest.mark.databases("sqlite")
def test_a_refused_request_can_be_corrected(boss: Caller) -> None:
    """Under the same key."""
    wrong = {**DICE, "arguments": {}}
    assert problem_of(boss("POST", "/tasks", wrong, headers=KEY))[0] == 422
    assert boss("POST", "/tasks", DICE, headers=KEY).status_code == 201


@pytest.mark.databases("sqlite")
def test_a_request_whose_process_died_isnt_repeated(session: Session, boss: Caller) -> None:
    """Nobody knows whether it was done."""
    boss("POST", "/tasks", DICE, headers=KEY)
    session.execute(update(ApiRequest).values(body=None))
    session.commit()
    assert problem_of(boss("POST", "/tasks", DICE, headers=KEY))[:2] == (409, "in-progress")
    assert count(session, Task) == 1


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("key", ["", "x" * 201, "ä", "a b"])
def test_a_key_that_cant_be_is_refused(boss: Caller, key: str) -> None:
    """Keys are visible ASCII characters."""
    refused = boss("POST", "/tasks", DICE, headers={"Idempotency-Key": key})
    assert problem_of(refused)[::2] == (422, ["Idempotency-Key"])
