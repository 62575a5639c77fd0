"""Workers with other pools and flags, and slow jobs in them."""

from __future__ import annotations

import importlib.util
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..catalogue import NotHere, fault
from ..mode import current_mode
from ..stages.host import RELEASED
from ..stages.roles import Role
from ..stages.stage import Stage

AREA = "pool"
#: Flags of a worker, and the most runs it may have in progress when it is killed.
FLAGS: dict[str, tuple[tuple[str, ...], int]] = {
    "-P threads": (("-P", "threads", "-c", "4"), 4),
    "--max-tasks-per-child": (("-c", "2", "--max-tasks-per-child", "3"), 2),
    # In KiB: less than any process uses, so that it is replaced after each run.
    "--max-memory-per-child": (("-c", "2", "--max-memory-per-child", "1"), 2),
    "-P gevent": (("-P", "gevent", "-c", "4"), 4),
    "-P eventlet": (("-P", "eventlet", "-c", "4"), 4),
    "--autoscale": (("--autoscale", "4,1"), 4),
    "-O fair": (("-c", "2", "-O", "fair"), 2),
}


def _flags(name: str) -> tuple[tuple[str, ...], int]:
    flags, under_way = FLAGS[name]
    package = name.removeprefix("-P ")
    if package in ("gevent", "eventlet") and importlib.util.find_spec(package) is None:
        raise NotHere(f"{package} isn't installed")
    return flags, under_way


def _start(stage: Stage, flags: Sequence[str]) -> Role:
    worker = stage.worker(flags=flags)
    stage.wait_ready(stage.launcher(), worker)
    stage.beat()
    return worker


def _ended_and_killed(stage: Stage, name: str) -> Iterator[None]:
    """Terminate a worker with these flags, kill its successor, and let a third one finish."""
    flags, under_way = _flags(name)
    stage.extra = under_way * current_mode().per_message
    stage.load(8 * under_way)
    first = _start(stage, flags)
    stage.wait_mid_drain()
    first.send(signal.SIGTERM)
    stage.expect(first.wait(60) is not None, "the worker didn't end")
    again = [marker for marker, n in Counter(m for m, *_ in stage.executions()).items() if n > 1]
    stage.expect(not again, f"executed again although the worker could finish: {again[:5]}")
    second = stage.worker("second", flags=flags)
    stage.wait_ready(second)
    done = len(stage.executions())
    stage.wait(lambda: len(stage.executions()) > done + under_way, "the second worker's runs")
    stage.expect_in_time(stage.count("finished_at IS NULL"), "everything had finished before")
    second.send_group(signal.SIGKILL)
    third = stage.worker("third", flags=flags)
    yield
    stage.expect(third.alive(), "the worker ended")
    silent = stage.value("SELECT count(*) FROM taskadmin_process WHERE ending = 'lost'")
    # On a slow machine, silent processes may also count as lost.
    stage.expect(
        silent <= 2 * under_way,
        f"{silent} processes count as lost, {under_way} runs were in progress",
    )


def _slow_among_short(stage: Stage, name: str) -> Iterator[None]:
    """One run ends only after all short ones, before and behind it, have finished."""
    flags, under_way = _flags(name)
    stage.add_tasks(4, "quick", seconds=0.05)
    stage.add_tasks(1, "waits")
    stage.add_tasks(2 * under_way, "quick", seconds=0.05)
    stage.add_tasks(2 * under_way, "steady", seconds=0.05)
    _start(stage, flags)
    stage.wait_runs(60)
    stage.wait(
        lambda: not stage.count("job <> 'waits' AND finished_at IS NULL"),
        "the short runs beside the long one to finish",
        seconds=120,  # replacing a process after each run takes seconds
    )
    Path(f"{stage.executions_file}{RELEASED}").touch()
    yield


def _add(name: str) -> None:
    def ended_and_killed(stage: Stage) -> Iterator[None]:
        yield from _ended_and_killed(stage, name)

    def slow_among_short(stage: Stage) -> Iterator[None]:
        yield from _slow_among_short(stage, name)

    ended_and_killed.__doc__ = _ended_and_killed.__doc__
    slow_among_short.__doc__ = _slow_among_short.__doc__
    fault(f"slow job among short ones, {name}", area=AREA, processes=True)(slow_among_short)
    fault(f"workers with {name}", area=AREA, processes=True, deadline_seconds=120)(ended_and_killed)


for _name in FLAGS:
    _add(_name)
