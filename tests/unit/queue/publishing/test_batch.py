"""Group a batch's runs into messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskadmin.jobs.declaration.decorator import RUN_TASK
from taskadmin.jobs.random_number import GENERATE_RANDOM_NUMBER_JOB
from taskadmin.queue.celery_app.queues import RUNS_QUEUE, TOGETHER_TASK
from taskadmin.queue.publishing.batch import messages_of
from taskadmin.store.runs.results import UnsentRun

DUE = datetime(2026, 1, 1, tzinfo=UTC)
LATER = DUE + timedelta(seconds=1)
NAME = GENERATE_RANDOM_NUMBER_JOB.name
OWN_TASK = GENERATE_RANDOM_NUMBER_JOB.celery_task


def run(id_: int, job: str = NAME, queue: str = RUNS_QUEUE, due_at: datetime = DUE) -> UnsentRun:
    """A run to send."""
    return UnsentRun(id_, due_at, job, queue)


@pytest.mark.parametrize(
    ("runs", "sizes", "messages"),
    [
        ([], {}, []),
        ([run(1), run(2)], {}, [(OWN_TASK, [0]), (OWN_TASK, [1])]),
        ([run(1), run(2), run(3)], {NAME: 2}, [(TOGETHER_TASK, [0, 1]), (OWN_TASK, [2])]),
        # A job that only workers know.
        ([run(1, "elsewhere")], {}, [(RUN_TASK, [0])]),
        (
            [run(1, "a"), run(2, "b"), run(3, "a"), run(4, "b")],
            {"a": 2},
            [(RUN_TASK, [1]), (TOGETHER_TASK, [0, 2]), (RUN_TASK, [3])],
        ),
        (
            [run(1), run(2, queue="other"), run(3), run(4, queue="other")],
            {NAME: 5},
            [(TOGETHER_TASK, [0, 2]), (TOGETHER_TASK, [1, 3])],
        ),
    ],
    ids=["none", "one by one", "a rest of one", "unknown job", "two jobs", "two queues"],
)
def test_runs_of_a_job_and_a_queue_share_messages(
    runs: list[UnsentRun], sizes: dict[str, int], messages: list[tuple[str, list[int]]]
) -> None:
    """Up to the job's number per message."""
    found = list(messages_of(runs, sizes))

    assert [(one.kind.celery_task, list(one.places)) for one in found] == messages
    for one in found:
        assert {runs[place].queue for place in one.places} == {one.kind.queue}


@pytest.mark.parametrize(
    ("runs", "arguments"),
    [
        ([run(1)], (1, DUE.isoformat())),
        ([run(1), run(2)], [(DUE.isoformat(), [1, 2])]),
        (
            [run(1), run(2, due_at=LATER), run(3)],
            [(DUE.isoformat(), [1, 3]), (LATER.isoformat(), [2])],
        ),
    ],
)
def test_a_message_has_ids_and_due_times(runs: list[UnsentRun], arguments: Any) -> None:
    """Each due time is sent once."""
    (message,) = messages_of(runs, {NAME: 10})
    assert message.arguments == arguments
