"""The audit trail by API."""

from __future__ import annotations

from typing import Any

from fixture_types import MakeTask
from services.api.caller import Caller, problem_of
from taskadmin.models import User


def test_changes_by_api_are_in_the_audit_trail(
    boss: Caller, chief: User, make_task: MakeTask
) -> None:
    """With the token's user, newest first."""
    task = make_task(name="Dice")
    boss("POST", f"/tasks/{task.id}/pause")
    boss("POST", f"/tasks/{task.id}/resume")

    page: Any = boss("GET", f"/audit?kind=task&id={task.id}&actor={chief.id}").json

    assert [entry["action"] for entry in page["items"]] == ["resumed", "paused"]
    paused: Any = boss("GET", "/audit?action=paused&text=dice").json
    assert [entry["subject"] for entry in paused["items"]] == ["Dice"]
    assert problem_of(boss("GET", "/audit?action=eaten"))[2] == ["action"]
