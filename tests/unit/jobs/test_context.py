"""Progress and messages of a running job."""

from __future__ import annotations

import logging
import math
from datetime import UTC, datetime
from typing import Any

import pytest

from taskadmin import Run
from taskadmin.jobs import Progress


class Sink:
    """Records reports, with a clock set by the test."""

    def __init__(self) -> None:
        self.given: list[Progress] = []
        self.seconds = 100.0

    def __call__(self, progress: Progress) -> None:
        self.given.append(progress)

    def clock(self) -> float:
        return self.seconds


def test_a_job_can_be_called_without_a_worker() -> None:
    """``Run()`` has defaults and returns the messages."""
    run = Run()
    run.log("one")
    run.progress(1)
    run.flush()
    assert (run.task_id, run.run_id, run.launch_id, run.attempt) == (0, 0, 0, 1)
    assert run.due_at.tzinfo is not None
    assert run.reported.progress == 1.0
    assert [line[1:] for line in run.reported.lines] == [(1, "one")]
    assert datetime.fromisoformat(run.reported.lines[0][0]).utcoffset() == UTC.utcoffset(None)


def test_reports_are_at_least_half_a_second_apart() -> None:
    """The first is sent at once; later ones are combined."""
    sink = Sink()
    run = Run(run_id=3, attempt=2, sink=sink, clock=sink.clock)
    for number in range(1000):
        run.log(f"line {number}")
    assert len(sink.given) == 1
    sink.seconds += 0.5
    run.progress(0.5)
    assert len(sink.given) == 2
    assert sink.given[1].progress == 0.5
    assert sink.given[1].lines[-1][1:] == (2, "line 999")
    run.flush()
    assert len(sink.given) == 2  # nothing new
    run.log("last")
    run.flush()
    assert sink.given[2].lines[-1][2] == "last"


def test_the_newest_lines_are_kept() -> None:
    """200, including those of earlier attempts."""
    run = Run(attempt=2, earlier=Progress(0.9, [("t", 1, f"old {n}") for n in range(300)]))
    assert len(run.reported.lines) == 200
    assert run.reported.progress is None
    for number in range(150):
        run.log(number)
    texts = [text for _, _, text in run.reported.lines]
    assert len(texts) == 200
    assert texts[0] == "old 250" and texts[-1] == "149"


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("x" * 1001, "x" * 1000),
        ("a\x00b", r"a\x00b"),
        ("a\ud800b", r"a\ud800b"),
        (7, "7"),
        ("", ""),
    ],
)
def test_lines_can_be_stored(line: Any, kept: str) -> None:
    """Long lines are cut, unstorable characters escaped."""
    run = Run()
    run.log(line)
    assert run.reported.lines[0][2] == kept


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan, math.inf, "0.5", None, True])
def test_a_progress_is_a_share(share: Any) -> None:
    """Other values are refused with the value."""
    with pytest.raises(ValueError, match="expected a number from 0 to 1") as caught:
        Run().progress(share)
    assert repr(share) in str(caught.value)


def test_a_report_that_fails_does_not_break_the_job(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once, and retried with the next one."""
    tries = []

    def fail(progress: Progress) -> None:
        tries.append(progress)
        raise OSError("gone")

    run = Run(run_id=9, sink=fail)
    with caplog.at_level(logging.WARNING, "taskadmin.jobs"):
        run.log("one")
        run.flush()
        run.flush()
    assert len(tries) == 3
    assert [record.getMessage() for record in caplog.records] == [
        "Can't store the progress of run 9"
    ]


def test_a_time_limit_reaches_the_job() -> None:
    """Its exception isn't swallowed during a report, as the process would be killed later."""

    class SoftTimeLimitExceeded(Exception):
        pass

    def interrupted(_progress: Progress) -> None:
        raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        Run(sink=interrupted).log("x")
