"""Tasks by API: list, read, create, edit, delete, clone, export."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.api.caller import Caller, problem_of
from taskadmin.jobs import job
from taskadmin.jobs.registry import _jobs
from taskadmin.models import AuditEntry, Task

DICE = {"job": "generate_random_number", "arguments": {"lower_limit": 1, "upper_limit": 6}}


@pytest.fixture
def secret_job() -> Iterator[None]:
    """A job with a secret."""

    @job(name="probe")
    def probe(url: str, token: SecretStr) -> None:
        """Ask an address."""

    yield
    del _jobs["probe"]


def test_a_new_task_is_answered_with_its_address_and_version(boss: Caller) -> None:
    """Times are in UTC."""
    schedule = {"kind": "cron", "cron": "0 9 * * *", "zone": "Europe/Berlin"}
    created = boss("POST", "/tasks", {**DICE, "name": "Dice", "schedule": schedule})

    assert created.status_code == 201
    task: Any = created.json
    assert task["arguments"] == {"lower_limit": 1.0, "upper_limit": 6.0}
    assert task["schedule"]["cron"] == "0 9 * * *" and task["schedule"]["next_due"].endswith("Z")
    assert task["author"]["username"] == "chief" and task["paused"] is None
    read = boss("GET", created.headers["Location"])
    assert (read.json, read.headers["ETag"]) == (task, created.headers["ETag"])


@pytest.mark.parametrize(
    ("body", "status", "places"),
    [
        ({}, 422, ["/job"]),
        ({**DICE, "job": "nothing"}, 422, ["/job"]),
        ({**DICE, "extra": 1}, 422, ["/extra"]),
        ({**DICE, "name": 7}, 422, ["/name"]),
        ({**DICE, "name": "two\nlines"}, 422, ["/name"]),
        ({**DICE, "paused": "yes"}, 422, ["/paused"]),
        ({**DICE, "arguments": []}, 422, ["/arguments"]),
        (
            {**DICE, "arguments": {"lower_limit": "x"}},
            422,
            ["/arguments/lower_limit", "/arguments/upper_limit"],
        ),
        ({**DICE, "schedule": {"kind": "cron", "cron": "often"}}, 422, ["/schedule/cron"]),
        ({**DICE, "schedule": {"kind": "interval", "every_seconds": 2**70}}, 422, None),
        ({**DICE, "schedule": {"once_at": "2027-01-01T00:00:00"}}, 422, ["/schedule/once_at"]),
        ([], 422, [""]),
    ],
)
def test_a_task_that_cant_be_is_refused(
    session: Session, boss: Caller, body: object, status: int, places: list[str] | None
) -> None:
    """With each part that is wrong; nothing is stored."""
    refused = problem_of(boss("POST", "/tasks", body))

    assert refused[0] == status
    assert places is None or refused[2] == places
    assert session.scalars(select(Task)).all() == []


def test_edits_keep_what_they_dont_name(boss: Caller, make_task: MakeTask) -> None:
    """A patch replaces the keys it has."""
    task = make_task(name="Before")
    before: Any = boss("GET", f"/tasks/{task.id}").json

    edited = boss("PATCH", f"/tasks/{task.id}", {"name": "After"}, headers={"If-Match": '"1"'})

    after: Any = edited.json
    assert after.pop("updated_at") >= before.pop("updated_at")
    assert after == {**before, "name": "After", "version": 2}
    assert edited.headers["ETag"] == '"2"'
    all_of_it = {"name": None, "schedule": {"kind": "interval", "every_seconds": 90}}
    edited = boss("PATCH", f"/tasks/{task.id}", all_of_it, headers={"If-Match": '"9", "2"'})
    assert (edited.json["name"], edited.json["schedule"]["every_seconds"]) == (None, 90)  # type: ignore[index]
    edited = boss("PATCH", f"/tasks/{task.id}", {"schedule": None}, headers={"If-Match": "*"})
    assert edited.json["schedule"]["kind"] == "slot"  # type: ignore[index]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("headers", "status"), [({}, 428), ({"If-Match": '"7"'}, 412), ({"If-Match": "1"}, 412)]
)
def test_edits_need_the_version(
    session: Session,
    boss: Caller,
    make_task: MakeTask,
    method: str,
    headers: dict[str, str],
    status: int,
) -> None:
    """Another one's edit isn't lost, and a task isn't deleted unseen."""
    task = make_task(name="Stays")
    body = {"name": "New"} if method == "PATCH" else None

    assert problem_of(boss(method, f"/tasks/{task.id}", body, headers=headers))[0] == status

    session.expire_all()
    assert (task.name, task.deleted_at) == ("Stays", None)


def test_a_task_is_deleted_with_its_results(boss: Caller, make_task: MakeTask) -> None:
    """Afterwards it isn't found."""
    task = make_task()

    deleted = boss("DELETE", f"/tasks/{task.id}", headers={"If-Match": '"1"'})

    assert deleted.json == {"tasks": 1, "results": 0}
    assert problem_of(boss("GET", f"/tasks/{task.id}"))[:2] == (404, "unknown-task")


@pytest.mark.usefixtures("secret_job")
def test_secrets_are_never_sent_and_kept_if_they_are_sent_back(
    session: Session, boss: Caller
) -> None:
    """So that a program can change the rest."""
    arguments = {"url": "https://ana:hunter2@a.example", "token": "swordfish"}
    created = boss("POST", "/tasks", {"job": "probe", "arguments": arguments})
    shown: Any = created.json
    assert shown["arguments"] == {"url": "<stored>", "token": "<stored>"}

    changed = {**shown["arguments"], "url": "https://b.example"}
    path = created.headers["Location"]
    edited = boss("PATCH", path, {"arguments": changed}, headers={"If-Match": "*"})

    assert edited.json["arguments"] == {"url": "https://b.example", "token": "<stored>"}  # type: ignore[index]
    stored = session.scalars(select(Task)).one()
    assert stored.arguments == {"url": "https://b.example", "token": "swordfish"}
    refused = boss("POST", "/tasks", {"job": "probe", "arguments": changed})
    assert problem_of(refused) == (422, "invalid-request", ["/arguments/token"])
    told = [*boss("GET", "/audit").text, *boss("GET", "/tasks/export").text]
    assert "swordfish" not in "".join(told) and "hunter2" not in "".join(told)


def test_a_copy_is_paused(boss: Caller, make_task: MakeTask) -> None:
    """And belongs to the token's user."""
    copy = boss("POST", f"/tasks/{make_task(name='One').id}/clone")

    assert copy.status_code == 201
    task: Any = copy.json
    assert (task["name"], task["author"]["username"]) == ("Copy of One", "chief")
    assert task["paused"] is not None


def test_tasks_are_listed_newest_first_in_pages(boss: Caller, make_task: MakeTask) -> None:
    """Links lead to all of them, once, with the filter."""
    for name in ("one", "other", "two", "three"):
        make_task(name=name, lower_limit=0 if name != "other" else 1, upper_limit=2)
    found: list[str] = []
    link: str | None = "/tasks?limit=2&search=arg.lower_limit:0"
    while link is not None:
        page: Any = boss("GET", link).json
        found += [task["name"] for task in page["items"]]
        link = page["next"]

    assert found == ["three", "two", "one"]


@pytest.mark.parametrize(
    "query", ["search=state:gone", "search=error:X", "search=state:", "state=gone", "limit=201"]
)
def test_a_filter_that_cant_be_is_refused(boss: Caller, query: str) -> None:
    """It isn't an empty list."""
    assert problem_of(boss("GET", f"/tasks?{query}"))[2] == [query.partition("=")[0]]


def test_an_export_is_as_in_a_file(session: Session, boss: Caller, make_task: MakeTask) -> None:
    """And is in the audit trail."""
    make_task(name="Dice")

    exported: Any = boss("GET", "/tasks/export").json

    assert [task["name"] for task in exported["tasks"]] == ["Dice"]
    actions = session.scalars(select(AuditEntry.action)).all()
    assert actions[-1] == "exported"
