"""Messages about runs that were started."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows.listed_runs import put_runs
from taskadmin.admin.runs.notices import Notice, notice_of
from taskadmin.models import RunState
from taskadmin.service import Sending, Started

GONE = "The tasks are gone."


def notice(app: Flask, started: Started) -> Notice:
    """Return a page's message."""
    with app.test_request_context():
        return notice_of(started, gone=GONE)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("sending", "ending"),
    [
        (Sending.SENT, "and sent to the workers."),
        (
            Sending.NO_QUEUE,
            "a launcher has to send them, because this application has no task queue.",
        ),
        (Sending.BY_LAUNCHER, "the launcher sends them to the workers."),
        (Sending.BROKER_AWAY, "they will be sent when the broker is back."),
        (Sending.DISABLED, "they aren't sent to workers while Celery's task_always_eager is on."),
    ],
)
def test_a_notice_says_who_sends_the_runs(app: Flask, sending: Sending, ending: str) -> None:
    """It leads to the run's page only if there is a single launch."""
    one = notice(app, Started([7], 2, 0, sending, is_repeated=False))
    two = notice(app, Started([7, 8], 2, 0, sending, is_repeated=False))
    assert one.sentence.startswith("2 runs queued") and one.sentence.endswith(ending)
    assert (one.category, one.launch_id, two.launch_id) == ("success", 7, None)


@pytest.mark.databases("sqlite")
def test_a_second_submit_and_missing_tasks_have_notices_of_their_own(app: Flask) -> None:
    """Neither leads to a run."""
    repeated = notice(app, Started([7], 1, 0, Sending.NOTHING, is_repeated=True))
    nothing = notice(app, Started([], 0, 0, Sending.NOTHING, is_repeated=False))
    assert repeated == Notice(
        "These runs were already started; nothing was started twice.", "success"
    )
    assert nothing == Notice(GONE, "danger")


@pytest.mark.databases("sqlite")
def test_a_notice_has_the_most_frequent_reasons_of_skips(
    app: Flask, session: Session, make_task: MakeTask
) -> None:
    """With their counts; the others are on the runs' pages."""
    task = make_task()
    for reason, count in (("Too late.", 2), ("No job.", 1), ("Overlap.", 1)):
        put_runs(session, task, [RunState.SKIPPED] * count, reason=reason, launch_id=7)
    skipped = notice(app, Started([7], 0, 4, Sending.NOTHING, is_repeated=False))
    assert skipped.category == "danger"
    assert skipped.sentence == (
        "No run was started; 4 skipped: Too late. (2) No job. (1) Open the other runs to see"
        " their reasons."
    )
