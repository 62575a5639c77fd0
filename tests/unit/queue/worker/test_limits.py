"""Time limits that a pool process enforces."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from services.jobs.slow_jobs import NoArguments
from taskadmin.jobs import Job
from taskadmin.models import ProcessEnd
from taskadmin.queue.worker import heartbeat, limits, scoreboard
from taskadmin.queue.worker.limits import RunTerminated, around, function_runs
from taskadmin.queue.worker.scoreboard import ENDING, WANTED, Ending


def limited(hard: float = 60, soft: float | None = None) -> Job:
    return Job(
        name="limited",
        function=limited,
        arguments=NoArguments,
        celery_task="taskadmin.run",
        queue="taskadmin.runs",
        time_limit=hard,
        soft_time_limit=soft,
    )


def spin(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def backtrack() -> None:
    re.match(r"(a+)+$", "a" * 40 + "b")


@pytest.fixture
def pool_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[limits._LimitedProcess]:
    """This process as a pool process, whose thread checks a hundred times a second."""
    monkeypatch.setattr(limits, "current_process_index", lambda _: 3)
    monkeypatch.setattr(limits, "_CHECK_INTERVAL_SECONDS", 0.01)
    before = signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    limits.keep_limits()
    here = limits._here
    assert here is not None
    yield here
    limits._here = None
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)
    here.row.numbers[scoreboard.PID] = 0


class Ends(list[Any]):
    """Replacement for ending the process: ends its function."""

    def __init__(self, process: limits._LimitedProcess) -> None:
        super().__init__()
        self._process = process
        self.run = function_runs(0, None, None)

    def of(self, run: function_runs) -> function_runs:
        """Record the run at fault."""
        self.run = run
        return run

    def kill(self) -> None:
        """Let the function end."""
        run = self.run
        self.append("killed")
        assert run.verdict is not None
        run.verdict.set()
        while self._process.current is run:
            time.sleep(0.0001)

    def wait(self) -> None:
        """Wait for the end of the process."""
        while "killed" not in self:
            time.sleep(0.001)


@pytest.fixture
def ends(pool_process: limits._LimitedProcess, monkeypatch: pytest.MonkeyPatch) -> Ends:
    """What happens instead of ending the process."""
    ends = Ends(pool_process)
    monkeypatch.setattr(heartbeat, "note_end", lambda *what: ends.append(what))
    monkeypatch.setattr(limits, "_kill", ends.kill)
    return ends


@pytest.mark.parametrize(
    "function", [lambda: time.sleep(60), lambda: spin(60), backtrack], ids=["waits", "spins", "C"]
)
def test_a_function_gets_an_exception_at_its_soft_limit(
    pool_process: limits._LimitedProcess, function: Callable[[], None]
) -> None:
    """In any code; later functions get no exception."""
    begun = time.monotonic()
    with pytest.raises(SoftTimeLimitExceeded), function_runs(1, limited(soft=0.2), None):
        function()
    assert 0.2 <= time.monotonic() - begun < 5
    spin(0.1)
    with function_runs(2, limited(soft=30), None):
        spin(0.1)
    with function_runs(3, limited(), None):
        spin(0.1)
    spin(0.1)
    assert signal.getitimer(signal.ITIMER_VIRTUAL)[0] == 0, "nothing is interrupted any more"


def test_a_function_gets_the_exception_once(pool_process: limits._LimitedProcess) -> None:
    """Its cleanup may take time."""
    with function_runs(1, limited(soft=0.05), None):
        with pytest.raises(SoftTimeLimitExceeded):
            time.sleep(60)
        spin(0.2)


def test_only_the_function_gets_the_exception(pool_process: limits._LimitedProcess) -> None:
    """Not the code around it, since the signal may come before or after the function."""

    def function() -> None:
        signal.raise_signal(signal.SIGVTALRM)

    @around
    def caller() -> None:
        with function_runs(1, limited(soft=0), None):
            signal.raise_signal(signal.SIGVTALRM)
            with pytest.raises(SoftTimeLimitExceeded):
                function()
            signal.raise_signal(signal.SIGVTALRM)

    pool_process._thread = threading.current_thread()  # which checks nothing
    caller()


def test_a_terminated_run_gets_an_exception_before_its_process_ends(
    pool_process: limits._LimitedProcess, ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only for this run; runs that haven't begun are released."""
    monkeypatch.setattr(limits, "GRACE_SECONDS", 0.1)
    pool_process.row.numbers[WANTED] = 7
    with function_runs(6, limited(), None):
        spin(0.1)
    run = function_runs(7, limited(hard=30), ends.append)
    with pytest.raises(RunTerminated), run:
        time.sleep(60)
    with ends.of(function_runs(7, limited(hard=30), ends.append)):
        with pytest.raises(RunTerminated):
            time.sleep(60)
        ends.wait()
    assert ends == [30, (ProcessEnd.STOPPED, "A person terminated its run."), "killed"]


@pytest.mark.parametrize("over", ["records", "fails", "hangs", None])
def test_a_function_over_its_hard_limit_ends_its_process(
    pool_process: limits._LimitedProcess,
    ends: Ends,
    monkeypatch: pytest.MonkeyPatch,
    over: str | None,
) -> None:
    """After releasing other runs, which may fail or take too long."""
    monkeypatch.setattr(limits, "RECORDING_SECONDS", 0.2)
    hanging = threading.Event()

    def do(seconds: float) -> None:
        ends.append(seconds)
        if over == "fails":
            raise OSError("away")
        if over == "hangs":
            hanging.wait(10)

    with ends.of(function_runs(1, limited(hard=0.1), do if over else None)):
        ends.wait()
    noted = (ProcessEnd.TIME_LIMIT, "It took longer than the job's limit of 0.1 s.")
    first = [0.1] if over else []
    assert ends == first + ([] if over == "hangs" else [noted]) + ["killed"]
    given_back = over == "records"
    assert pool_process.row.numbers[ENDING] == (
        Ending.GIVEN_BACK if given_back else Ending.BEGUN
    ), "its message comes back otherwise"
    hanging.set()
    for thread in threading.enumerate():
        if thread.name == "taskadmin-end":
            thread.join()


def test_a_function_that_has_just_returned_ends_nothing(
    pool_process: limits._LimitedProcess, ends: Ends
) -> None:
    """Even if the thread has seen it exceed its limit."""
    run = function_runs(1, limited(hard=0), None)
    run.since = 0.0
    pool_process._look(run)
    assert ends == []
    assert run.verdict is not None and run.verdict.is_set(), "its caller may go on"


def test_no_neighbour_begins_before_a_verdict(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that returns at its limit is either killed itself, or nothing is."""
    monkeypatch.setattr(limits, "_CHECK_INTERVAL_SECONDS", 0.0005)
    monkeypatch.setattr(
        limits._LimitedProcess, "_record_end", lambda _, run: ends.append(run.run_id)
    )
    counts = Counter[bool]()
    for number in range(1, 401):
        with ends.of(function_runs(number, limited(hard=0.003), None)):
            time.sleep(0.0025 + 0.0000025 * number)
        decided = ends.run.verdict is not None
        assert list(ends) in ([], [number, "killed"])
        assert decided or not ends
        counts[bool(ends)] += 1
        ends.clear()
    assert counts[True] > 10 and counts[False] > 10


def test_a_process_that_a_job_forks_keeps_no_limits(pool_process: limits._LimitedProcess) -> None:
    """It shares the row with its parent, which continues."""
    with warnings.catch_warnings(), function_runs(5, limited(soft=30), None):
        warnings.simplefilter("ignore")  # Python 3.12 and newer warn of threads
        child = os.fork()
        if not child:
            with function_runs(6, limited(soft=0.01), None):
                time.sleep(0.2)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert [run.run_id for run in scoreboard.executed_runs()] == [5]
    assert list(scoreboard.executed_runs()) == []


def test_a_hosts_own_signal_stays_its_own(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    pool_process: limits._LimitedProcess,
) -> None:
    """Without it, soft limits aren't enforced, which is logged."""
    theirs = lambda *_: None  # noqa: E731
    signal.signal(signal.SIGVTALRM, theirs)
    limits.keep_limits()
    assert signal.getsignal(signal.SIGVTALRM) is theirs
    assert "SIGVTALRM is in use: soft time limits of jobs aren't enforced here" in caplog.text
    with function_runs(1, limited(soft=0.01), None):
        spin(0.1)


def test_functions_in_other_pools_are_only_logged() -> None:
    """They can't be ended."""
    with function_runs(1, limited(hard=0.01, soft=0.01), None), function_runs(2, None, None):
        spin(0.05)
        found = limits.longest_beyond_limit(0.01)
        assert found is not None
        assert (str(found[0]), 0.05 <= found[1] < 5) == ("Run 1 (limited)", True)
        assert limits.longest_beyond_limit(60) is None
    assert limits.longest_beyond_limit(0) is None
