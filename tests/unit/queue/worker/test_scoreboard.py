"""The runs of pool processes, in shared memory."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from taskadmin.queue.worker import scoreboard
from taskadmin.queue.worker.scoreboard import (
    ENDING,
    LIMIT,
    PID,
    RUN_ID,
    SINCE,
    Ending,
    executed_runs,
    row_of,
    take_row,
)


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    """A scoreboard without rows."""
    yield
    for row in scoreboard._rows:
        row.numbers[PID] = row.numbers[RUN_ID] = row.numbers[ENDING] = 0


def test_the_worker_reads_its_pool_processes_notes() -> None:
    """Forked processes share the memory."""
    if not (child := os.fork()):
        row = take_row(3)
        row.seconds[SINCE], row.seconds[LIMIT] = 1000.5, 60
        row.numbers[RUN_ID], row.numbers[ENDING] = 7, Ending.BEGUN
        os._exit(0)
    os.waitpid(child, 0)
    [run] = executed_runs()
    assert (run.pid, run.run_id, run.ending) == (child, 7, Ending.BEGUN)
    assert (run.since, run.limit) == (1000.5, 60)
    assert row_of(child) == run.row
    assert row_of(-1) is None


def test_a_new_process_has_an_empty_row() -> None:
    """Independent of its predecessor's, also with the same pid."""
    first = take_row(1)
    first.numbers[RUN_ID] = 7
    second = take_row(2)
    assert row_of(os.getpid()) == second
    assert list(executed_runs()) == []
    again = take_row(1)
    assert again.numbers[RUN_ID] == 0
    assert row_of(os.getpid()) == again


def test_more_processes_than_rows_have_rows_of_their_own() -> None:
    """They aren't shared."""
    row = take_row(5000)
    row.numbers[RUN_ID] = 7
    assert list(executed_runs()) == []
