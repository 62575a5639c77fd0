"""Launches by API."""

from __future__ import annotations

from typing import Any

import pytest

from fixture_types import MakeTask
from services.api.caller import Caller, problem_of


def test_a_launch_counts_its_runs(boss: Caller, make_task: MakeTask) -> None:
    """And says who asked for it."""
    for task_id in (make_task().id, make_task().id):
        boss("POST", f"/tasks/{task_id}/runs")

    page: Any = boss("GET", "/launches?kind=manual&only=open&limit=1").json
    older: Any = boss("GET", page["next"]).json

    (launch,) = page["items"]
    assert launch["requested_by"]["username"] == "chief"
    assert launch["runs_by_state"] == {"queued": 1}
    assert boss("GET", f"/launches/{launch['id']}").json == launch
    assert older["items"][0]["id"] < launch["id"]
    assert boss("GET", "/launches?only=missed").json == {"items": [], "next": None}


@pytest.mark.parametrize("launch_id", [0, 7, 2**63])
def test_a_missing_launch_isnt_found(boss: Caller, launch_id: int) -> None:
    """Whatever its id is."""
    assert problem_of(boss("GET", f"/launches/{launch_id}"))[:2] == (404, "unknown-launch")
