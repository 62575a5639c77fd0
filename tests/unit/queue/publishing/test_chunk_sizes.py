"""The number of runs per message."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from taskadmin.models import GENERATE_RANDOM_NUMBER, ProcessKind
from taskadmin.queue.celery_app.queues import RUNS_QUEUE
from taskadmin.queue.executor.timing import Timing
from taskadmin.queue.publishing.chunk_sizes import chunk_size, chunk_sizes
from taskadmin.store.runs import durations
from taskadmin.store.runs.durations import Durations
from taskadmin.store.runs.results import UnsentRun
from taskadmin.store.upkeep import processes
from taskadmin.store.upkeep.processes import ProcessIdentity


@pytest.mark.parametrize(
    ("runs", "seconds", "living", "size"),
    [
        pytest.param(2_000, 0.05, 2, 10, id="half a second of work"),
        pytest.param(2_000, 0.0001, 1, 1_000, id="a thousand at most"),
        pytest.param(2_000, 0.0, 0, 1_000, id="too fast to be measured"),
        pytest.param(2_000, 0.0001, 2, 500, id="each process has two messages"),
        pytest.param(101, 0.001, 50, 2, id="few runs for many processes"),
        pytest.param(2_000, None, 2, 20, id="nobody knows"),
        pytest.param(2_000, 0.6, 2, 1, id="longer than half a second"),
        pytest.param(2_000, 3_600.0, 2, 1, id="an hour"),
    ],
)
def test_how_many_runs_share_a_message(
    runs: int, seconds: float | None, living: int, size: int
) -> None:
    """About half a second of work, with enough messages for all processes."""
    assert chunk_size(runs, seconds, living) == size


def some(number: int, job: str = GENERATE_RANDOM_NUMBER) -> list[UnsentRun]:
    return [UnsentRun(i, datetime.now(UTC), job, RUNS_QUEUE) for i in range(number)]


def test_the_ledger_says_how_long_and_for_how_many_processes(session: Session) -> None:
    """Of living workers that read the job's queue; few runs and unknown jobs go one by one."""
    assert chunk_sizes(session, some(2_000)) == {GENERATE_RANDOM_NUMBER: 20}
    taken = Durations(runs=10, seconds=0.01)
    durations.note_durations(session, {GENERATE_RANDOM_NUMBER: taken})
    assert chunk_sizes(session, some(2_000)) == {GENERATE_RANDOM_NUMBER: 500}
    for name, queues in (("a", RUNS_QUEUE), ("b", f"x,{RUNS_QUEUE}"), ("c", "x")):
        who = ProcessIdentity(ProcessKind.WORKER, name, "host", 1, queues=queues, processes=4)
        processes.register_process(session, who)

    assert chunk_sizes(session, some(2_000)) == {GENERATE_RANDOM_NUMBER: 125}
    assert chunk_sizes(session, some(100)) == {}
    assert chunk_sizes(session, some(2_000, job="nobody's")) == {}


def test_measured_durations_are_stored_once_a_second(session: Session) -> None:
    """The first run at once, so that the rest of a new job's launch benefits."""
    clock = [100.0]
    timing = Timing(lambda: clock[0])
    timing.note(session)
    timing.add("a", 1)
    timing.note(session)
    timing.add("a", 3)
    timing.note(session)
    assert durations.usual_durations(session) == {"a": 1}

    clock[0] += 1
    timing.note(session)

    assert durations.usual_durations(session) == {"a": 2 + 2 * 1}
