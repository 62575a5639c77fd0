"""What a run had and its task doesn't have any more."""

from __future__ import annotations

import pytest

from taskadmin.admin.runs.differences import differences_of
from taskadmin.models import Task, TaskResult

RUN = {"a": 1, "b": [2], "author_id": 3, "_masked": ["c"]}


@pytest.mark.parametrize(
    ("job", "params", "found"),
    [
        ("probe", {"a": 1, "b": [2]}, []),
        ("other", {"a": 1, "b": [2]}, [("", "probe", "other")]),
        ("probe", {"b": [3], "z": None}, [("a", 1, "–"), ("b", [2], [3]), ("z", "–", None)]),
        ("probe", {"a": True, "b": [2]}, [("a", 1, True)]),
        ("probe", {"a": 1.0, "b": [2]}, []),
        ("probe", {"a": 1, "b": [2], "c": "x", "_masked": ["c"]}, [("c", "–", "••••••")]),
    ],
)
def test_every_difference_is_named(
    job: str, params: dict[str, object], found: list[tuple[object, ...]]
) -> None:
    """The job first, then arguments by name; secrets are dots."""
    run = TaskResult(job="probe", task_params=RUN, task=Task(job=job, params=params))
    assert [tuple(one)[1:] for one in differences_of(run)] == found
