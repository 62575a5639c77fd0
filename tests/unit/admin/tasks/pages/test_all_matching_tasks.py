"""Actions on a task in the list, and on all matching tasks."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.pages import told
from taskadmin.admin.tasks import actions
from taskadmin.errors import TooManyTasks
from taskadmin.models import Task, TaskResult, User
from taskadmin.store.people import audit
from taskadmin.store.people.audit import Filter
from taskadmin.store.tasks import tasks


def act(client: FlaskClient, action: str, **more: str) -> Any:
    """Do *action* on tasks."""
    return client.post("/taskadmin/tasks/action/", data={"action": action, **more})


def asked_for(answer: Any) -> dict[str, str]:
    """Return the ids in the confirmation's form."""
    found = re.search(r'name="ids" value="([^"]*)"', answer.text)
    assert found is not None, answer.text
    return {"ids": found[1], "confirmed": "yes"}


@pytest.fixture
def matching(make_task: MakeTask) -> list[int]:
    """Two tasks named dice, one of them paused, and another task."""
    first, second = make_task(name="Dice"), make_task(name="More dice", enabled=False)
    make_task(name="Coin")
    return [first.id, second.id]


def test_all_that_match_are_started_after_a_question_with_their_number(
    session: Session, superuser: FlaskClient, matching: list[int]
) -> None:
    """Confirmed tasks are started once; later matches aren't."""
    assert "All 2 matching" in superuser.get("/taskadmin/tasks/?search=dice").text

    question = act(superuser, "run_now", all="yes", search="dice")

    assert "Run 2 tasks now?" in question.text
    assert session.scalars(select(TaskResult.id)).all() == []
    given = {**asked_for(question), "request_key": str(uuid4())}
    session.get_one(Task, matching[0]).name = "Something else"
    session.commit()
    sentences = [told(superuser, act(superuser, "run_now", **given)) for _ in range(2)]
    assert sentences == [
        "2 runs queued and sent to the workers.",
        "These runs were already started; nothing was started twice.",
    ]
    started = session.scalars(select(TaskResult.task_id).order_by(TaskResult.task_id)).all()
    assert started == matching


def test_all_of_a_state_are_resumed(
    session: Session, superuser: FlaskClient, matching: list[int]
) -> None:
    """The tab is part of the filter."""
    paused = superuser.get("/taskadmin/tasks/?state=paused").text
    assert "More dice" in paused and "Coin" not in paused

    question = act(superuser, "resume", all="yes", state="paused")

    assert "Resume 1 task?" in question.text
    done = act(superuser, "resume", **asked_for(question))
    assert told(superuser, done) == "1 task resumed."
    session.expire_all()
    assert session.get_one(Task, matching[1]).enabled is True


def test_all_that_match_are_paused_with_one_note(
    session: Session, superuser: FlaskClient, matching: list[int]
) -> None:
    """The list keeps its filter afterwards."""
    back = "/taskadmin/tasks/?search=dice"
    question = act(superuser, "pause", all="yes", search="dice", url=back)
    assert "Pause 2 tasks?" in question.text

    done = act(superuser, "pause", **asked_for(question), note="Night", url=back)

    assert done.location == back
    assert told(superuser, done) == "2 tasks paused."
    session.expire_all()
    enabled = {task.id: task.enabled for task in session.scalars(select(Task))}
    assert [enabled[id_] for id_ in matching] == [False, False]
    assert sum(enabled.values()) == 1


def test_all_that_match_are_deleted_with_their_results(
    session: Session, superuser: FlaskClient, matching: list[int]
) -> None:
    """A confirmation without ids asks again, because it showed no number."""
    act(superuser, "run_now", ids=str(matching[0]))

    question = act(superuser, "delete", all="yes", search="dice", confirmed="yes")

    assert "Delete 2 tasks and 1 result" in question.text
    done = act(superuser, "delete", **asked_for(question))
    assert "2 tasks and 1 result deleted." in superuser.get(done.location).text
    left = select(func.count()).where(Task.deleted_at.is_(None))
    assert session.scalar(left) == 1


def test_a_clone_is_a_paused_copy_to_be_edited(
    session: Session, superuser: FlaskClient, chief: User, matching: list[int]
) -> None:
    """Its author is the user, as in the audit trail."""
    answer = superuser.post(
        f"/taskadmin/tasks/action/?only={matching[0]}", data={"action": "clone", "all": "yes"}
    )

    copy = session.scalars(select(Task).order_by(Task.id.desc()).limit(1)).one()
    assert answer.location == f"/taskadmin/tasks/edit/?id={copy.id}"
    assert (copy.name, copy.enabled, copy.created_by) == ("Copy of Dice", False, chief.id)
    assert copy.arguments == session.get_one(Task, matching[0]).arguments
    entry = audit.page(session, Filter(action="cloned"), limit=9)[0]
    assert (entry.actor_id, entry.subject_id) == (chief.id, copy.id)


def test_several_clones_stay_in_the_list(
    session: Session, superuser: FlaskClient, matching: list[int]
) -> None:
    """With a message about their number."""
    question = act(superuser, "clone", all="yes", search="dice")
    assert "Clone 2 tasks?" in question.text

    done = act(superuser, "clone", **asked_for(question))

    assert told(superuser, done) == "2 tasks cloned: the copies are paused."
    assert len(session.scalars(select(Task.id)).all()) == 5


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("action", ["run_now", "resume", "pause", "clone", "delete"])
def test_too_large_selections_are_refused(
    monkeypatch: pytest.MonkeyPatch,
    session: Session,
    superuser: FlaskClient,
    matching: list[int],
    action: str,
) -> None:
    """Nothing is done; an unknown state isn't a filter."""

    def too_many(*_: Any) -> Any:
        raise TooManyTasks("Nothing was done: more than 10,000 tasks match. Narrow the filter.")

    monkeypatch.setattr(actions, "matching_tasks", too_many)

    answer = act(superuser, action, all="yes")

    assert told(superuser, answer).startswith("Nothing was done: more than 10,000 tasks match.")
    assert act(superuser, action, all="yes", state="nonsense").status_code == 404
    assert superuser.get("/taskadmin/tasks/?state=nonsense").status_code == 404
    assert len(session.scalars(select(Task.id)).all()) == 3


@pytest.mark.databases("sqlite")
def test_skipped_runs_are_reported_with_the_reason(
    superuser: FlaskClient, matching: list[int], make_task: MakeTask
) -> None:
    """With and without queued runs."""
    orphan = make_task(job="gone").id

    both = act(superuser, "run_now", ids=f"{matching[0]}.{orphan}")
    alone = told(superuser, both), told(superuser, act(superuser, "run_now", ids=str(orphan)))

    why = "1 skipped: No job named gone is registered."
    assert alone == (
        f"1 run queued and sent to the workers; {why}",
        f"No run was started; {why}",
    )


def test_a_task_is_run_once_with_other_arguments(
    session: Session, superuser: FlaskClient, matching: list[int]
) -> None:
    """Its job validates them, and the run's page shows them; the task keeps its own."""
    page = f"/taskadmin/tasks/run/?id={matching[0]}"
    assert 'name="lower_limit"' in superuser.get(page).text

    wrong = superuser.post(page, data={"lower_limit": "9", "upper_limit": "3"})
    done = superuser.post(page, data={"lower_limit": "2", "upper_limit": "3"})

    assert wrong.status_code == 422
    run = session.scalars(select(TaskResult)).one()
    assert done.location == f"/taskadmin/runs/details/?id={run.id}"
    assert (run.task_params["lower_limit"], run.task_params["upper_limit"]) == (2, 3)
    task = tasks.find_task(session, matching[0])
    assert task is not None and task.arguments == {"lower_limit": 0, "upper_limit": 1}
    assert superuser.get("/taskadmin/tasks/run/?id=999").status_code == 404
