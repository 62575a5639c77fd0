"""Actions on tasks by API: start, pause, resume; on one, and on all that match."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.api.caller import Caller, problem_of
from taskadmin.models import TaskResult


def test_a_task_is_started(boss: Caller, make_task: MakeTask) -> None:
    """The answer names the run."""
    task = make_task()

    started = boss("POST", f"/tasks/{task.id}/runs")

    assert started.status_code == 202
    answer: Any = started.json
    assert (answer["queued"], answer["sending"], answer["is_repeated"]) == (1, "sent", False)
    run: Any = boss("GET", f"/runs/{answer['run_ids'][0]}").json
    assert (run["task"]["id"], run["state"]) == (task.id, "queued")


def test_a_run_can_have_other_arguments(boss: Caller, make_task: MakeTask) -> None:
    """They are checked as those of the task."""
    path = f"/tasks/{make_task().id}/runs"

    answer: Any = boss("POST", path, {"arguments": {"lower_limit": 3, "upper_limit": 4}}).json

    run: Any = boss("GET", f"/runs/{answer['run_ids'][0]}").json
    assert run["arguments"] == {"lower_limit": 3.0, "upper_limit": 4.0}
    refused = boss("POST", path, {"arguments": {"lower_limit": 3, "upper_limit": "x"}})
    assert problem_of(refused)[2] == ["/arguments/upper_limit"]


def test_a_task_is_paused_and_resumed(boss: Caller, make_task: MakeTask) -> None:
    """With a note and an end, which is a time to come."""
    path = f"/tasks/{make_task().id}"
    body = {"note": "Too loud", "until": "2099-01-01T01:00:00+01:00"}

    paused: Any = boss("POST", f"{path}/pause", body).json

    assert paused["paused"].pop("at").endswith("Z")
    assert paused["paused"].pop("by")["username"] == "chief"
    assert paused["paused"] == {"note": "Too loud", "until": "2099-01-01T00:00:00Z"}
    assert boss("POST", f"{path}/resume").json["paused"] is None  # type: ignore[index]
    for until in ("2001-01-01T00:00:00Z", "2099-01-01T00:00:00"):
        refused = boss("POST", f"{path}/pause", {"until": until})
        assert problem_of(refused)[::2] == (422, ["/until"])


@pytest.mark.parametrize("action", ["runs", "pause", "resume", "clone"])
@pytest.mark.parametrize("task_id", [0, 7, 2**31, 2**63])
def test_a_missing_task_isnt_found(boss: Caller, action: str, task_id: int) -> None:
    """Whatever its id is."""
    assert problem_of(boss("POST", f"/tasks/{task_id}/{action}"))[0] == 404


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("until", ["2020-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59"])
@pytest.mark.parametrize("is_dry_run", [True, False])
def test_a_wrong_end_of_pauses_is_refused(boss: Caller, until: str, is_dry_run: bool) -> None:
    """Also by a dry run, and if no task matches."""
    body = {"filter": {}, "until": until, "dry_run": is_dry_run}
    assert problem_of(boss("POST", "/tasks/pause", body)) == (422, "invalid-request", ["/until"])


def test_actions_apply_to_all_that_match(
    session: Session, boss: Caller, make_task: MakeTask
) -> None:
    """A dry run changes nothing and tells the same."""
    ids = sorted(make_task(name=name).id for name in ("red one", "red two", "blue"))[:2]
    body: dict[str, Any] = {"filter": {"search": "red"}}
    counts = {"matched": 2, "ids": ids}

    for action, changed in (("start", 2), ("pause", 2), ("resume", 2), ("delete", 2)):
        dry = boss("POST", f"/tasks/{action}", {**body, "dry_run": True})
        assert dry.json == {**counts, "is_dry_run": True, "changed": 0}, dry.text
        done = boss("POST", f"/tasks/{action}", body)
        assert done.json == {**counts, "is_dry_run": False, "changed": changed}, action

    assert boss("POST", "/tasks/pause", body).json["matched"] == 0  # type: ignore[index]
    assert session.scalar(select(func.count()).select_from(TaskResult)) == 2


def test_a_filter_has_to_be_given_and_understood(boss: Caller, make_task: MakeTask) -> None:
    """A mistake doesn't change all tasks."""
    make_task()
    assert problem_of(boss("POST", "/tasks/delete", {}))[2] == ["/filter"]
    wrong = {"filter": {"search": "state:gone"}}
    assert problem_of(boss("POST", "/tasks/delete", wrong))[0] == 422
    assert problem_of(boss("POST", "/tasks/delete", {"filter": {"name": "x"}}))[0] == 422
    assert len(boss("GET", "/tasks").json["items"]) == 1  # type: ignore[index]
