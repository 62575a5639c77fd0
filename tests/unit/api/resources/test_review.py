"""The review by API."""

from __future__ import annotations

from typing import Any

from fixture_types import MakeTask, MakeUser
from services.api.caller import Caller, problem_of


def test_users_are_listed_with_their_tasks(
    boss: Caller, make_user: MakeUser, make_task: MakeTask
) -> None:
    """In pages, by username."""
    author = make_user("zoe")
    for name in ("one", "two"):
        make_task(author, name=name)

    page: Any = boss("GET", "/review?limit=1").json
    rest: Any = boss("GET", page["next"]).json

    users = [(line["user"]["username"], line["tasks"]) for line in [*page["items"], *rest["items"]]]
    assert users == [("chief", 0), ("zoe", 2)]
    tasks: Any = boss("GET", f"/review/{author.id}/tasks?limit=1").json
    older: Any = boss("GET", tasks["next"]).json
    assert [task["name"] for task in [*tasks["items"], *older["items"]]] == ["two", "one"]
    assert problem_of(boss("GET", "/review/99/tasks"))[:2] == (404, "unknown-user")
