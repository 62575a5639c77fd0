"""Rules for all functions of ``taskadmin.service``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, get_type_hints

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from taskadmin import service
from taskadmin.errors import UnknownTask, UnknownUser
from taskadmin.models import AuditEntry
from taskadmin.service import DeletionCounts, Sending, Started
from taskadmin.values.storable import escaped_text

FUNCTIONS = {
    name: function
    for name in service.__all__
    if inspect.isfunction(function := getattr(service, name)) and name != "get_state"
}
FINDS: dict[str, Callable[[], object]] = {
    "find_task": lambda: service.find_task("Nothing"),
    "find_tasks": lambda: service.find_tasks(name="Nothing"),
    "find_tasks, unstorable": lambda: service.find_tasks(name="\ud800", job="\0"),
    "find_channel": lambda: service.find_channel(7),
    "find_run": lambda: service.find_run(7),
    "find_run, too large": lambda: service.find_run(2**63),
    "find_runs": lambda: service.find_runs(launch_id=7),
    "find_runs, too large": lambda: service.find_runs(launch_id=2**63),
    "find_tokens": lambda: service.find_tokens("nobody"),
    "find_user": lambda: service.find_user("nobody"),
    "find_waits": lambda: service.find_waits(limit=7),
}
ONE_TASK: dict[str, dict[str, Any]] = {
    "edit_task": {"name": "New"},
    "clone_task": {},
    "delete_task": {},
    "pause_task": {},
    "resume_task": {},
    "start_task": {},
}
ONE_USER: dict[str, dict[str, Any]] = {
    "edit_user": {"is_active": False},
    "set_password": {"password": "correct horse battery"},
    "set_preferences": {"language": None, "zone": None},
    "end_session": {"session_id": 7},
    "end_sessions": {},
    "remove_second_factor": {},
    "create_token": {"name": "CI", "scopes": [service.Scope.READ]},
    "revoke_token": {"token_id": 7},
}
MANY: dict[str, object] = {
    "start_tasks": Started([], 0, 0, Sending.NOTHING, False),
    "pause_tasks": 0,
    "resume_tasks": 0,
    "delete_tasks": DeletionCounts(0, 0),
    "retry_runs": Started([], 0, 0, Sending.NOTHING, False),
    "cancel_runs": service.Cancellation(0, {}),
    "terminate_runs": service.Cancellation(0, {}),
    "delete_runs": ([], 0),
}


def functions_with(parameter: str) -> set[str]:
    """Return the functions with this parameter, without ``find_`` functions."""
    return {
        name
        for name, function in FUNCTIONS.items()
        if not name.startswith("find_") and get_type_hints(function).get(parameter) == (int | str)
    }


def shown(wanted: int | str) -> str:
    """Return the pattern of a name in a message."""
    return re.escape(escaped_text(str(wanted)))


def test_the_lists_below_are_complete() -> None:
    """Each new function is tested with missing objects."""
    assert {name for name in FUNCTIONS if name.startswith("find_")} == {
        name.partition(",")[0] for name in FINDS
    }
    assert functions_with("task") == ONE_TASK.keys()
    assert functions_with("user") == ONE_USER.keys()
    many = {
        name for name, one in FUNCTIONS.items() if name.endswith(("_tasks", "_runs"))
    } - FINDS.keys()
    assert many == MANY.keys() | {"import_tasks"}


@pytest.mark.parametrize("find", FINDS.values(), ids=FINDS)
def test_finding_nothing_is_no_error(context: Flask, find: Callable[[], object]) -> None:
    """The result is None, or empty."""
    assert not find()


@pytest.mark.parametrize("wanted", [7, 2**63, -1, "Nothing", "Nothing\ud800", "Nothing\0"])
@pytest.mark.parametrize("name", ONE_TASK)
def test_a_task_that_is_changed_has_to_exist(
    context: Flask, session: Session, name: str, wanted: int | str
) -> None:
    """The error says which doesn't; nothing is written."""
    with pytest.raises(UnknownTask, match=f"There is no task {shown(wanted)}."):
        FUNCTIONS[name](wanted, **ONE_TASK[name])
    assert session.scalar(select(func.count()).select_from(AuditEntry)) == 0


@pytest.mark.parametrize("wanted", [7, 2**63, -1, "nobody", "nobody\ud800"])
@pytest.mark.parametrize("name", ONE_USER)
def test_a_user_who_is_changed_has_to_exist(
    context: Flask, session: Session, name: str, wanted: int | str
) -> None:
    """The error says who doesn't; nothing is written."""
    with pytest.raises(UnknownUser, match=f"There is no user {shown(wanted)}."):
        FUNCTIONS[name](wanted, **ONE_USER[name])
    assert session.scalar(select(func.count()).select_from(AuditEntry)) == 0


@pytest.mark.parametrize("name", MANY)
def test_of_many_those_that_are_gone_are_left_out(
    context: Flask, session: Session, name: str
) -> None:
    """The result counts what was changed: nothing."""
    result = FUNCTIONS[name]({7, 8, 2**63})
    if isinstance(result, Started):  # the launch that was asked for is recorded, without runs
        assert (result.queued, result.skipped, result.sending) == (0, 0, Sending.NOTHING)
    else:
        assert result == MANY[name]
    assert session.scalar(select(func.count()).select_from(AuditEntry)) == 0
