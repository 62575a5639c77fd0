"""Common parts of filters of tasks and of runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows.runs import queue
from taskadmin.errors import TooManyRuns, TooManyTasks
from taskadmin.models import MASKED, TaskResult
from taskadmin.store.reports.matching import ArgumentFilter
from taskadmin.store.reports.matching_runs import MatchingRuns, matching_runs
from taskadmin.store.reports.matching_tasks import MatchingTasks, matching_tasks

#: Adds a row with this job and these arguments, and returns its id.
Put = Callable[..., int]
#: Returns rows with an argument, or all rows; at most so many.
Find = Callable[..., list[int]]


@pytest.fixture(params=["tasks", "runs"])
def rows(request: pytest.FixtureRequest) -> str:
    """Either tasks or runs."""
    kind: str = request.param
    return kind


@pytest.fixture
def put(session: Session, make_task: MakeTask, rows: str) -> Put:
    def put(job: str = "probe", **params: Any) -> int:
        if rows == "tasks":
            return make_task(job=job, params=params).id
        run_id = queue(session, make_task().id)
        values = {"job": job, "task_params": {**params, "author_id": 1}}
        session.execute(update(TaskResult).where(TaskResult.id == run_id).values(values))
        session.commit()
        return run_id

    return put


@pytest.fixture
def find(session: Session, rows: str) -> Find:
    def find(*arguments: ArgumentFilter, most: int = 99) -> list[int]:
        if rows == "tasks":
            return list(matching_tasks(session, MatchingTasks(arguments=arguments), most=most))
        batches = matching_runs(session, MatchingRuns(arguments=arguments), most=most)
        return [run_id for batch in batches for run_id in batch]

    return find


@pytest.mark.parametrize(
    ("stored", "typed", "matches"),
    [
        (10, "10", True),
        (10.0, "10", True),
        (10, "10.0", True),
        (0.1, "0.10", True),
        (-2.5, "−2.5", True),
        (1e20, "1e20", True),
        (10, "1", False),
        (True, "true", True),
        (True, "yes", True),
        (True, "1", False),
        (False, "No", True),
        ("yes", "yes", True),
        ("https://a.example", "https://a.example", True),
        ("10", "10", True),
        ("ten", "Ten", False),
        (None, "null", False),
        (["a"], '["a"]', True),
        ('it\'s "so"', 'it\'s "so"', True),
    ],
)
def test_arguments_match_by_their_values(
    put: Put, find: Find, stored: Any, typed: str, matches: bool
) -> None:
    """Numbers in any notation, booleans by their words, others literally."""
    row = put(**{"an argument.x": stored})
    put()
    assert find(ArgumentFilter("an argument.x", typed)) == ([row] if matches else [])


def test_secrets_are_never_found(put: Put, find: Find) -> None:
    """Whether the row or the job marks them, so that nobody can guess them by searching."""
    secrets = {"token": "hush", "ключ": "hush", "open": "hush"}
    named = put("gone", **secrets, **{MASKED: ["token", "ключ"]})
    by_job = put("probe", **secrets)
    other = put("gone", token="hush", **{MASKED: ["tok"]})
    of_probe = frozenset({"probe", "spy"})
    assert find(ArgumentFilter("token", "hush", of_probe)) == [other]
    assert find(ArgumentFilter("ключ", "hush", of_probe)) == []
    assert find(ArgumentFilter("open", "hush")) == [named, by_job]
    assert find(ArgumentFilter(MASKED, "hush")) == []


def test_more_than_one_action_may_change_are_refused(put: Put, find: Find, rows: str) -> None:
    """The error says what to do."""
    ids = [put() for _ in range(3)]
    assert find(most=3) == ids
    with pytest.raises(
        (TooManyTasks, TooManyRuns), match=f"Nothing was done: more than 2 {rows} match"
    ):
        find(most=2)
