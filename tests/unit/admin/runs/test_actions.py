"""Retry, cancel and terminate: a run, a selection, and all matching runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from services.pages import cells, told
from services.rows.states import put
from taskadmin.errors import TooManyRuns
from taskadmin.models import RunState, Task, TaskResult
from taskadmin.state import get_state
from taskadmin.store.reports import matching_runs as matching_module


def act(client: FlaskClient, action: str, *ids: object, **more: str) -> Any:
    """Do *action* on runs."""
    data = {"action": action, "rowid": [str(id_) for id_ in ids], **more}
    return client.post("/taskadmin/runs/action/", data=data)


def states(session: Session) -> list[RunState]:
    """Return the states of all runs, ordered by id."""
    session.expire_all()
    return list(session.scalars(select(TaskResult.state).order_by(TaskResult.id)))


@pytest.fixture
def terminate(app: Flask) -> dict[str, str]:
    """Return the workers' ``answer``, instead of asking the broker."""
    given = {"answer": "terminated"}

    def answer(run_ids: Any) -> Mapping[int, str]:
        return dict.fromkeys(run_ids, given["answer"])

    get_state(app).terminate = answer
    return given


def test_a_finished_run_is_retried_as_it_was(
    session: Session, superuser: FlaskClient, secretive: TaskResult
) -> None:
    """Both runs' pages link to each other."""
    session.execute(update(TaskResult).values(task_params={**secretive.task_params, "timeout": 9}))
    session.commit()

    key = str(uuid4())
    answer = act(superuser, "retry", secretive.id, request_key=key, confirmed="yes")

    assert told(superuser, answer) == "1 run queued and sent to the workers."
    session.expire_all()
    new = session.scalars(select(TaskResult).where(TaskResult.retry_of == secretive.id)).one()
    assert answer.location.endswith(f"/runs/details/?id={new.id}")
    assert new.task_params == secretive.task_params
    page = superuser.get(answer.location).text
    assert "Started by chief as a retry of" in page
    assert "hunter2secret" not in page and "••••••" in page
    old = superuser.get(f"/taskadmin/runs/details/?id={secretive.id}").text
    assert f'/taskadmin/runs/details/?id={new.id}">Run {new.id}</a>' in old


def edit(session: Session, run: TaskResult, **arguments: object) -> None:
    """Change arguments of the run's task."""
    task = session.get_one(Task, run.task_id)
    service_arguments = {**task.arguments, **arguments}
    session.execute(
        update(Task)
        .where(Task.id == task.id)
        .values(params={**service_arguments, "_masked": task.masked})
    )
    session.commit()


@pytest.mark.parametrize(
    ("values", "timeout", "token"), [("run", 2.5, "hunter2secret"), ("task", 9, "other-secret")]
)
def test_a_retry_asks_which_arguments_if_the_tasks_are_others(
    session: Session,
    superuser: FlaskClient,
    secretive: TaskResult,
    values: str,
    timeout: float,
    token: str,
) -> None:
    """Both are shown, without secrets."""
    edit(session, secretive, timeout=9, token="other-secret")

    asked = act(superuser, "retry", secretive.id)

    assert asked.status_code == 200
    assert "Retry 1 run?" in asked.text and "hunter2secret" not in asked.text
    assert f'<p class="name">run {secretive.id} of Probe</p>' in asked.text
    assert [row[1:] for row in cells(asked.text)] == [
        ["timeout", "2.5", "9"],
        ["token", "••••••", "••••••"],
    ]
    answer = act(superuser, "retry", ids=str(secretive.id), confirmed="yes", arguments=values)
    assert told(superuser, answer) == "1 run queued and sent to the workers."
    new = session.scalars(select(TaskResult).where(TaskResult.retry_of == secretive.id)).one()
    assert (new.task_params["timeout"], new.task_params["token"]) == (timeout, token)


def test_what_was_retried_is_retried_again_only_if_asked_for(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """The page says how many were."""
    ids = [put(session, run, RunState.FAILED) for run in runs[:3]]
    act(superuser, "retry", *ids[:2])
    everything = ".".join(map(str, ids))
    before = len(states(session))

    asked = act(superuser, "retry", *ids).text
    assert "Retry 1 run?" in asked and "Also retry 2 runs that were retried already" in asked
    act(superuser, "retry", ids=everything, confirmed="yes")
    assert len(states(session)) == before + 1

    asked = act(superuser, "retry", *ids).text
    assert "All of these were retried already. Retry 3 runs again?" in asked
    assert '<input type="hidden" name="again" value="yes">' in asked
    answer = act(superuser, "retry", ids=everything, confirmed="yes")
    assert told(superuser, answer).startswith("Nothing was retried: none of these runs has")
    act(superuser, "retry", ids=everything, confirmed="yes", again="yes")
    assert len(states(session)) == before + 4


def test_a_double_submit_retries_nothing_twice(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """The same selection from the same page has one effect."""
    ids = [put(session, run, RunState.FAILED) for run in runs[:2]]
    key = str(uuid4())

    act(superuser, "retry", *ids, request_key=key)
    assert "All of these were retried already." in act(superuser, "retry", *ids).text
    answer = act(superuser, "retry", *ids, request_key=key, confirmed="yes")

    assert told(superuser, answer) == (
        "These runs were already started; nothing was started twice."
    )
    assert len(states(session)) == len(runs) + 2


def test_a_retry_that_is_skipped_says_why(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """The new run and the message have the reason."""
    first = put(session, runs[0], RunState.FAILED)
    second = put(session, runs[1], RunState.FAILED, job="gone")

    answer = act(superuser, "retry", first, second, confirmed="yes")

    assert told(superuser, answer) == (
        "1 run queued and sent to the workers; 1 skipped: No job named gone is registered."
    )


def test_a_queued_run_is_cancelled_from_its_page(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """With one click; the run's page has the user."""
    run_id = runs[0].id
    page = f"/taskadmin/runs/details/?id={run_id}"
    assert 'value="cancel">Cancel</button>' in superuser.get(page).text

    answer = act(superuser, "cancel", run_id, confirmed="yes", url=page)

    assert answer.location == page
    assert told(superuser, answer) == "1 run cancelled."
    assert "Cancelled by chief." in superuser.get(page).text
    assert states(session)[0] == RunState.CANCELLED


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("terminated", "1 run cancelled; its job was terminated."),
        (
            "impossible",
            (
                "1 run cancelled; its job continues because its worker has no separate process"
                " for it, and its result won't be recorded."
            ),
        ),
        (
            "unanswered",
            (
                "1 run cancelled; no worker reported executing it, so its job may have ended;"
                " its result won't be recorded."
            ),
        ),
        (
            "broker away",
            (
                "1 run cancelled; its job continues because the broker can't be reached, and"
                " its result won't be recorded."
            ),
        ),
    ],
)
def test_terminating_a_running_one_is_asked_first_and_answered(
    session: Session,
    superuser: FlaskClient,
    runs: list[TaskResult],
    terminate: dict[str, str],
    answer: str,
    sentence: str,
) -> None:
    """The confirmation explains it; the message has the workers' reply."""
    run_id = put(session, runs[0], RunState.RUNNING)
    terminate["answer"] = answer

    question = act(superuser, "terminate", run_id)

    assert "Cancel and terminate 1 run?" in question.text
    assert "its process is told to stop" in question.text
    assert states(session)[0] == RunState.RUNNING
    done = act(superuser, "terminate", ids=str(run_id), confirmed="yes")
    assert told(superuser, done) == sentence
    assert states(session)[0] == RunState.CANCELLED


@pytest.mark.databases("sqlite")
def test_different_answers_of_workers_are_one_sentence(
    app: Flask, session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """With the number of each; queued runs need no worker."""
    for run in runs[:2]:
        put(session, run, RunState.RUNNING)
    ids = [run.id for run in runs[:4]]  # the last two are of a job without recorded starts
    said = ("terminated", "impossible", "terminated", "unanswered")
    answers = dict(zip(ids, said, strict=True))
    get_state(app).terminate = lambda ids: {id_: answers[id_] for id_ in ids}
    chosen = ".".join(map(str, ids))

    done = act(superuser, "terminate", ids=chosen, confirmed="yes")

    assert told(superuser, done) == (
        "4 runs cancelled; 2 running jobs terminated; 1 running job can't be terminated"
        " because its worker has no separate process for it."
    )


def test_a_selection_is_cancelled_after_a_question(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """It has the number; running and finished runs stay."""
    ids = [
        runs[0].id,
        put(session, runs[1], RunState.RUNNING),
        put(session, runs[2], RunState.FAILED),
    ]

    question = act(superuser, "cancel", *ids)

    assert "Cancel 1 run?" in question.text
    assert "1 run is running and continues" in question.text
    assert RunState.CANCELLED not in states(session)
    done = act(superuser, "cancel", ids=".".join(map(str, ids)), confirmed="yes")
    assert told(superuser, done) == "1 run cancelled, 2 were already running or finished."
    assert states(session)[:3] == [RunState.CANCELLED, RunState.RUNNING, RunState.FAILED]


def test_all_that_match_are_retried_after_a_question_with_their_number(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """Only runs that matched when it was asked."""
    first = [run for run in runs if run.task_id == runs[0].task_id]
    for run in [*first[:2], next(run for run in runs if run.task_id != first[0].task_id)]:
        put(session, run, RunState.FAILED)
    task = str(first[0].task_id)
    listed = superuser.get(f"/taskadmin/runs/?task={task}&state=failed").text
    assert "All 2 matching" in listed

    question = act(superuser, "retry", all="yes", task=task, state="failed")

    assert "Retry 2 runs?" in question.text
    chosen = f"{first[0].id}.{first[1].id}"
    assert f'name="ids" value="{chosen}"' in question.text
    put(session, first[2], RunState.FAILED)
    done = act(superuser, "retry", ids=chosen, all="yes", confirmed="yes")
    assert told(superuser, done) == "2 runs queued and sent to the workers."
    retried = session.scalars(select(TaskResult.retry_of).where(TaskResult.retry_of.is_not(None)))
    assert set(retried) == {first[0].id, first[1].id}


@pytest.mark.databases("sqlite")
def test_too_large_selections_are_refused(
    monkeypatch: pytest.MonkeyPatch, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """Nothing is done, and the message says what to do."""

    def too_many(*_: Any) -> Any:
        raise TooManyRuns("Nothing was done: more than 10,000 runs match. Narrow the filter.")

    monkeypatch.setattr(matching_module, "matching_runs", too_many)

    answer = act(superuser, "cancel", all="yes")

    assert told(superuser, answer).startswith("Nothing was done: more than 10,000 runs match.")


@pytest.mark.parametrize("bad", ["-1", "0", "abc", "1" * 30, "", "1.5x", "٣", "9" * 18])
def test_invalid_ids_change_nothing(
    session: Session, superuser: FlaskClient, runs: list[TaskResult], bad: str
) -> None:
    """In selections and in confirmations."""
    for action in ("retry", "cancel", "terminate"):
        for given in ({"rowid": [bad]}, {"ids": bad}):
            answer = superuser.post(
                "/taskadmin/runs/action/", data={"action": action, "confirmed": "yes", **given}
            )
            assert answer.status_code == 302

    if bad != "1.5x":
        assert set(states(session)) == {RunState.QUEUED}


@pytest.mark.databases("sqlite")
def test_hand_made_actions_and_filters_are_not_found(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """GET requests change nothing."""
    for data in (
        {"action": "explode"},
        {"action": "cancel", "state": "nonsense", "all": "yes"},
        {"action": "cancel", "task": "x", "all": "yes"},
    ):
        answer = superuser.post("/taskadmin/runs/action/", data={**data, "confirmed": "yes"})
        assert answer.status_code == 404
    assert superuser.get("/taskadmin/runs/action/?action=cancel&all=yes").status_code == 405
    assert set(states(session)) == {RunState.QUEUED}
