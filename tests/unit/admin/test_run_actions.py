"""Retry, cancel and terminate: on a run's page, on a selection, on all that match."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydantic import Field, SecretStr
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.pages import live_parts, messages
from taskadmin.errors import TooManyRuns
from taskadmin.jobs import job
from taskadmin.jobs.registry import _jobs
from taskadmin.models import RunProgress, RunState, TaskResult
from taskadmin.state import get_state
from taskadmin.store import clock, tasks, users
from taskadmin.store import matching_runs as matching_module

FINAL = (RunState.SUCCEEDED, RunState.FAILED, RunState.SKIPPED, RunState.CANCELLED)


def put(session: Session, run: TaskResult, state: RunState, **values: Any) -> int:
    """Give a run a state."""
    moment = clock.now(session)
    run_id = run.id
    values |= {"finished_at": moment} if state in FINAL else {}
    values |= {"error_type": "Boom"} if state == RunState.FAILED else {}
    if state == RunState.RUNNING:
        values |= {"token": uuid4(), "process_id": uuid4(), "started_at": moment}
    session.execute(update(TaskResult).where(TaskResult.id == run_id).values(state=state, **values))
    session.commit()
    return run_id


def act(client: FlaskClient, action: str, *ids: object, **more: str) -> Any:
    """Do *action* on runs."""
    data = {"action": action, "rowid": [str(id_) for id_ in ids], **more}
    return client.post("/taskadmin/runs/action/", data=data)


def told(client: FlaskClient, answer: Any) -> str:
    """What the page that an action leads to says."""
    assert answer.status_code == 302, answer.text
    return html.unescape(messages(client.get(answer.location).text)[-1])


def states(session: Session) -> list[RunState]:
    """The states of all runs in order of their ids."""
    session.expire_all()
    return list(session.scalars(select(TaskResult.state).order_by(TaskResult.id)))


@pytest.fixture
def secretive(session: Session, make_task: MakeTask) -> Iterator[TaskResult]:
    """A run of a job with a secret, as it was before its task was edited."""

    @job(name="probe")
    def probe(
        url: str, token: SecretStr, timeout: Annotated[float, Field(gt=0, le=60)] = 5.0
    ) -> float:
        """Ask an address."""
        return timeout

    author = users.create_user(session, "vera", password_hash=None)
    task = tasks.create_task(
        session,
        author_id=author.id,
        job="probe",
        name="Probe",
        arguments={"url": "https://a.example", "token": "hunter2secret", "timeout": 2.5},
        masked=["token"],
    )
    moment = clock.now(session)
    run = TaskResult(
        task_id=task.id,
        launch_id=99,
        due_at=moment,
        job="probe",
        queue="taskadmin.runs",
        task_params={**task.arguments, "_masked": ["token"], "author_id": author.id},
        state=RunState.FAILED,
        error_type="Boom",
        queued_at=moment,
        finished_at=moment,
    )
    session.add(run)
    session.commit()
    yield run
    del _jobs["probe"]


@pytest.fixture
def terminate(app: Flask) -> dict[str, str]:
    """What workers answer (``answer``), in place of the broker."""
    given = {"answer": "terminated"}

    def answer(run_ids: Any) -> Mapping[int, str]:
        return dict.fromkeys(run_ids, given["answer"])

    get_state(app).terminate = answer
    return given


def test_a_finished_run_is_retried_as_it_was(
    session: Session, superuser: FlaskClient, secretive: TaskResult
) -> None:
    """Its page leads to the new run, which tells what it is a retry of, and the old one of it."""
    session.execute(update(TaskResult).values(task_params={**secretive.task_params, "timeout": 9}))
    session.commit()

    answer = act(superuser, "retry", secretive.id, request_key=str(uuid4()))

    assert told(superuser, answer) == "1 run is queued and sent to the workers."
    session.expire_all()
    new = session.scalars(select(TaskResult).where(TaskResult.retry_of == secretive.id)).one()
    assert answer.location.endswith(f"/runs/details/?id={new.id}")
    assert new.task_params == secretive.task_params
    page = superuser.get(answer.location).text
    assert "Started by chief as a retry of" in page
    assert "hunter2secret" not in page and "••••••" in page
    old = superuser.get(f"/taskadmin/runs/details/?id={secretive.id}").text
    assert f'/taskadmin/runs/details/?id={new.id}">Run {new.id}</a>' in old


def test_a_double_submit_retries_nothing_twice(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """The same selection from the same page, once."""
    ids = [put(session, run, RunState.FAILED) for run in runs[:2]]
    key = str(uuid4())

    act(superuser, "retry", *ids, request_key=key)
    answer = act(superuser, "retry", *ids, request_key=key)

    assert told(superuser, answer) == "These runs were started already; nothing was started twice."
    assert len(states(session)) == len(runs) + 2


def test_a_retry_that_is_skipped_says_why(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """A row is written for it, and the reason is in the sentence."""
    first = put(session, runs[0], RunState.FAILED)
    second = put(session, runs[1], RunState.FAILED, job="gone")

    answer = act(superuser, "retry", first, second)

    assert told(superuser, answer) == (
        "1 run is queued and sent to the workers;"
        " 1 was skipped: No job is registered under the name gone."
    )


def test_a_queued_run_is_cancelled_from_its_page(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """One click; the run's page says who did it."""
    run_id = runs[0].id
    page = f"/taskadmin/runs/details/?id={run_id}"
    assert 'value="cancel">Cancel</button>' in superuser.get(page).text

    answer = act(superuser, "cancel", run_id, confirmed="yes", url=page)

    assert answer.location == page
    assert told(superuser, answer) == "1 run is cancelled."
    assert "Cancelled by chief." in superuser.get(page).text
    assert states(session)[0] == RunState.CANCELLED


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("terminated", "1 run is cancelled; its job is terminated."),
        (
            "impossible",
            (
                "1 run is cancelled; its job goes on, because its worker has no process for it alone,"
                " and what it returns isn't recorded."
            ),
        ),
        (
            "unanswered",
            (
                "1 run is cancelled; no worker said that it executes it, so its job may be over;"
                " what it returns isn't recorded."
            ),
        ),
        (
            "broker away",
            (
                "1 run is cancelled; its job goes on, because the broker can't be reached, and what it"
                " returns isn't recorded."
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
    """The question says what it does; the answer is that of the workers."""
    run_id = put(session, runs[0], RunState.RUNNING)
    terminate["answer"] = answer

    question = act(superuser, "terminate", run_id)

    assert "Cancel 1 run and terminate what is running?" in question.text
    assert "the process that executes it is told to end" in question.text
    assert states(session)[0] == RunState.RUNNING
    done = act(superuser, "terminate", ids=str(run_id), confirmed="yes")
    assert told(superuser, done) == sentence
    assert states(session)[0] == RunState.CANCELLED


@pytest.mark.databases("sqlite")
def test_several_jobs_that_end_differently_are_told_in_one_sentence(
    app: Flask, session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """How many of each; those that wait need no worker."""
    running = [put(session, run, RunState.RUNNING) for run in runs[:3]]
    answers = dict(zip(running, ("terminated", "terminated", "impossible"), strict=True))
    get_state(app).terminate = lambda ids: {id_: answers[id_] for id_ in ids}
    chosen = ".".join(map(str, [*running, runs[3].id]))

    done = act(superuser, "terminate", ids=chosen, confirmed="yes")

    assert told(superuser, done) == (
        "4 runs are cancelled; 2 running jobs are terminated; 1 running job can't be terminated,"
        " because its worker has no process for it alone."
    )


def test_a_selection_is_cancelled_after_a_question(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """It says how many, and leaves alone what runs or is over."""
    ids = [
        runs[0].id,
        put(session, runs[1], RunState.RUNNING),
        put(session, runs[2], RunState.FAILED),
    ]

    question = act(superuser, "cancel", *ids)

    assert "Cancel 1 run?" in question.text
    assert "1 run is running and goes on" in question.text
    assert RunState.CANCELLED not in states(session)
    done = act(superuser, "cancel", ids=".".join(map(str, ids)), confirmed="yes")
    assert told(superuser, done) == "1 run is cancelled, 2 were running or finished already."
    assert states(session)[:3] == [RunState.CANCELLED, RunState.RUNNING, RunState.FAILED]


def test_all_that_match_are_retried_after_a_question_with_their_number(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """Those of the filter only, and those that were there when it was asked."""
    first = [run for run in runs if run.task_id == runs[0].task_id]
    for run in [*first[:2], next(run for run in runs if run.task_id != first[0].task_id)]:
        put(session, run, RunState.FAILED)
    task = str(first[0].task_id)
    listed = superuser.get(f"/taskadmin/runs/?task={task}&state=failed").text
    assert "All 2 that match" in listed

    question = act(superuser, "retry", all="yes", task=task, state="failed")

    assert "Retry 2 runs?" in question.text
    chosen = f"{first[0].id}.{first[1].id}"
    assert f'name="ids" value="{chosen}"' in question.text
    put(session, first[2], RunState.FAILED)
    done = act(superuser, "retry", ids=chosen, all="yes", confirmed="yes")
    assert told(superuser, done) == "2 runs are queued and sent to the workers."
    retried = session.scalars(select(TaskResult.retry_of).where(TaskResult.retry_of.is_not(None)))
    assert set(retried) == {first[0].id, first[1].id}


@pytest.mark.databases("sqlite")
def test_more_than_one_action_may_change_is_said(
    monkeypatch: pytest.MonkeyPatch, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """Nothing is done, and the sentence says what to do."""

    def too_many(*_: Any) -> Any:
        raise TooManyRuns("More than 10,000 runs match; nothing was done. Narrow the filter.")

    monkeypatch.setattr(matching_module, "matching_runs", too_many)

    answer = act(superuser, "cancel", all="yes")

    assert told(superuser, answer).startswith("More than 10,000 runs match; nothing was done.")


@pytest.mark.parametrize("bad", ["-1", "0", "abc", "1" * 30, "", "1.5x", "٣", "9" * 18])
def test_ids_that_are_none_change_nothing(
    session: Session, superuser: FlaskClient, runs: list[TaskResult], bad: str
) -> None:
    """On the boxes and in the answer to a question."""
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
    """And looking changes nothing."""
    for data in (
        {"action": "explode"},
        {"action": "cancel", "state": "nonsense", "all": "yes"},
        {"action": "cancel", "task": "x", "all": "yes"},
    ):
        answer = superuser.post("/taskadmin/runs/action/", data={**data, "confirmed": "yes"})
        assert answer.status_code == 404
    assert superuser.get("/taskadmin/runs/action/?action=cancel&all=yes").status_code == 405
    assert set(states(session)) == {RunState.QUEUED}


@pytest.mark.databases("sqlite")
@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_without_a_token_nothing_is_done(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """An expired form, in words."""
    answer = act(superuser, "cancel", runs[0].id, confirmed="yes")

    assert answer.status_code == 400
    again = superuser.post(f"/taskadmin/runs/again/?id={runs[0].id}", data={"lower_limit": "1"})
    assert again.status_code == 422
    assert "This form has expired" in again.text
    assert set(states(session)) == {RunState.QUEUED}


def test_a_run_with_other_arguments_begins_as_the_run_and_keeps_its_secrets(
    session: Session, superuser: FlaskClient, secretive: TaskResult
) -> None:
    """The form shows the run's arguments but the secret; left empty, the secret stays."""
    page = f"/taskadmin/runs/again/?id={secretive.id}"
    form = superuser.get(page).text
    assert 'value="https://a.example"' in form and 'value="2.5"' in form
    assert "hunter2secret" not in form

    wrong = superuser.post(page, data={"arg-url": "https://b.example", "arg-timeout": "61"})

    assert wrong.status_code == 422
    assert "Nothing was started" in wrong.text
    done = superuser.post(page, data={"arg-url": "https://b.example", "arg-timeout": "7"})
    assert told(superuser, done) == "1 run is queued and sent to the workers."
    new = session.scalars(select(TaskResult).order_by(TaskResult.id.desc()).limit(1)).one()
    assert {name: new.task_params[name] for name in ("url", "token", "timeout", "_masked")} == {
        "url": "https://b.example",
        "token": "hunter2secret",
        "timeout": 7.0,
        "_masked": ["token"],
    }


@pytest.mark.databases("sqlite")
def test_other_arguments_are_asked_for_the_tasks_own_job_only(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """A run of a job that its task has no more, or that is gone, has no such form."""
    run_id = put(session, runs[0], RunState.FAILED, job="other")

    assert superuser.get(f"/taskadmin/runs/again/?id={run_id}").status_code == 404
    assert (
        "Run with other arguments"
        not in superuser.get(f"/taskadmin/runs/details/?id={run_id}").text
    )


def test_a_running_runs_page_shows_what_its_job_says(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """Progress, lines and earlier attempts, as text, in a part that is refreshed until it is over."""
    moment = clock.now(session).isoformat()
    log = {
        "attempt": 1,
        "started_at": moment,
        "ended_at": moment,
        "worker": "w@one",
        "error_type": "Boom",
        "error": "Traceback <b>",
    }
    run_id = put(session, runs[0], RunState.RUNNING, attempts=2, max_attempts=3, attempt_log=[log])
    lines = [[moment, 2, "Half <i>way"]]
    session.add(
        RunProgress(result_id=run_id, progress=0.5, lines=lines, updated_at=clock.now(session))
    )
    session.commit()

    page = superuser.get(f"/taskadmin/runs/details/?id={run_id}").text

    assert '<progress id="progress" max="100" value="50.0">' in page
    assert "Half &lt;i&gt;way" in page
    assert "Traceback &lt;b&gt;" in page
    assert live_parts(page) == {"head": True, "actions": True, "run": True}
    put(session, runs[0], RunState.SUCCEEDED)
    over = superuser.get(f"/taskadmin/runs/details/?id={run_id}").text
    assert live_parts(over) == {"head": False, "actions": False, "run": False}


@pytest.mark.databases("sqlite")
def test_a_gap_is_told_with_its_ends(
    session: Session, superuser: FlaskClient, runs: list[TaskResult]
) -> None:
    """One row stands for many due times."""
    missed = {"first": "2026-01-01T00:00:00+00:00", "last": "2026-01-02T00:00:00+00:00"}
    output = {"missed": {**missed, "count": 1441}}
    run_id = put(session, runs[0], RunState.SKIPPED, reason="Missed.", output=output)

    page = superuser.get(f"/taskadmin/runs/details/?id={run_id}").text

    assert "1,441 due times passed without a launch" in page
    assert "2026-01-01 00:00:00 UTC" in page and "2026-01-02 00:00:00 UTC" in page


@pytest.mark.databases("sqlite")
def test_lists_show_no_secret(superuser: FlaskClient, secretive: TaskResult) -> None:
    """Neither of tasks nor of runs."""
    for path in ("runs/", "tasks/", f"tasks/details/?id={secretive.task_id}"):
        page = superuser.get(f"/taskadmin/{path}").text
        assert "https://a.example" in page, path
        assert "hunter2secret" not in page, path
