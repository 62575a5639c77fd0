"""A table of the runs that a prefork pool's processes execute, for their worker.

A process that is stuck in C code responds to nothing, so it records its run beforehand, in memory
that the worker allocated before forking. Processes that weren't forked share none.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

#: Maximum processes of a pool that have a row.
_MAX_ROWS = 1024
#: The columns of eight bytes each: integers, then times by ``time.monotonic()``, which all
#: processes of a machine share.
PID, RUN_ID, ENDING, WANTED, SINCE, LIMIT = range(6)
_COLUMNS_PER_ROW = 6


class Ending(IntEnum):
    """Whether a process is about to kill itself because of its run."""

    NO = 0
    #: It is recording, and giving back runs that haven't begun.
    BEGUN = 1
    #: It has given back all remaining runs of its message.
    GIVEN_BACK = 2


class ScoreboardRow(NamedTuple):
    """A process's row, viewed as integers and as floats."""

    numbers: memoryview[int]
    seconds: memoryview[float]


class ExecutedRun(NamedTuple):
    """A run whose function is executing."""

    row: ScoreboardRow
    pid: int
    run_id: int
    #: Start of its function, and its time limit in seconds.
    since: float
    limit: float
    ending: Ending


def _rows_of(memory: mmap.mmap | bytearray) -> list[ScoreboardRow]:
    numbers, seconds = memoryview(memory).cast("q"), memoryview(memory).cast("d")
    places = (
        slice(start, start + _COLUMNS_PER_ROW) for start in range(0, len(numbers), _COLUMNS_PER_ROW)
    )
    return [ScoreboardRow(numbers[place], seconds[place]) for place in places]


_rows = _rows_of(mmap.mmap(-1, 8 * _COLUMNS_PER_ROW * _MAX_ROWS))


def take_row(index: int) -> ScoreboardRow:
    """Take the row of this new process of a pool, by its index in the pool."""
    [row] = _rows[index : index + 1] or _rows_of(bytearray(8 * _COLUMNS_PER_ROW))
    pid = os.getpid()
    for other in _rows:  # of a gone process with the same pid
        if other.numbers[PID] == pid:
            other.numbers[PID] = 0
    for column in (RUN_ID, ENDING, WANTED):
        row.numbers[column] = 0
    row.numbers[PID] = pid
    return row


def row_of(pid: int) -> ScoreboardRow | None:
    """Return a process's row; None if it shares no memory with this one."""
    return next((row for row in _rows if row.numbers[PID] == pid), None)


def executed_runs() -> Iterator[ExecutedRun]:
    """Yield the runs that the pool's processes execute, including those of killed processes."""
    for row in _rows:
        numbers, seconds = row
        if numbers[PID] and numbers[RUN_ID]:
            yield ExecutedRun(
                row,
                numbers[PID],
                numbers[RUN_ID],
                seconds[SINCE],
                seconds[LIMIT],
                Ending(numbers[ENDING]),
            )
