"""Time limits count a job's function, and Celery's are left alone otherwise."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from taskadmin.queue import limits
from taskadmin.queue.request import LedgerRequest


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process, as if it were one of a pool."""
    monkeypatch.setattr(limits, "current_process", lambda: SimpleNamespace(index=3))
    monkeypatch.setattr(limits, "_place", None)
    before = signal.getsignal(signal.SIGUSR1)
    limits.take_place()
    yield
    limits._notes[6] = limits._notes[7] = 0.0
    signal.signal(signal.SIGUSR1, before)


def tell() -> None:
    """As the worker does at the soft limit."""
    os.kill(os.getpid(), signal.SIGUSR1)


def test_only_the_function_uses_up_its_limit(child: None) -> None:
    """Before and after it the worker is to look again."""
    pid = os.getpid()
    assert limits.seconds_left(pid, 60) == 1
    with limits.only_the_function_counts():
        with limits.function_runs():
            left = limits.seconds_left(pid, 60)
            assert left is not None
            assert 59 < left <= 60
            assert limits.seconds_left(pid, 0.0) == 0
        assert limits.seconds_left(pid, 0.0) == 1


def test_who_notes_nothing_has_celerys_limits() -> None:
    """Another pool, or processes that share no memory with their worker."""
    with limits.only_the_function_counts(), limits.function_runs():
        assert limits.seconds_left(os.getpid(), 60) is None


def test_the_soft_limits_signal_is_the_functions(child: None) -> None:
    """What is done around it must not be broken off; other Celery tasks have theirs again."""
    others: Callable[..., None] = lambda *_: None  # noqa: E731
    signal.signal(signal.SIGUSR1, others)
    with limits.only_the_function_counts():
        tell()
        with pytest.raises(SoftTimeLimitExceeded), limits.function_runs():
            tell()
        assert limits.seconds_left(os.getpid(), 0.0) == 1
        tell()
    assert signal.getsignal(signal.SIGUSR1) is others


class StubPool:
    """What a pool has to do with time limits."""

    def __init__(self) -> None:
        self.enforced: list[Any] = []
        self._cache: dict[int, Any] = {}
        self.on_soft_timeout = self.on_hard_timeout = self.enforced.append


def worker(pool: StubPool, later: list[Any]) -> Any:
    hub = SimpleNamespace(call_later=lambda *what: later.append(what))
    return SimpleNamespace(hub=hub, pool=SimpleNamespace(_pool=pool))


def result(pool: StubPool, request: Any) -> Any:
    made = SimpleNamespace(
        _job=8, _worker_pid=os.getpid(), _timeout=60, _soft_timeout=30, _timeout_callback=request
    )
    pool._cache[8] = made
    return made


def test_a_worker_asks_before_it_enforces_a_limit(child: None) -> None:
    """As long as the function hasn't used it up, it asks again; never about what is done."""
    pool, later = StubPool(), list[Any]()
    limits.count_functions_only(worker(pool, later))
    run = result(pool, LedgerRequest.__new__(LedgerRequest).on_timeout)

    pool.on_hard_timeout(run)
    [(seconds, again, number)] = later
    assert (seconds, number, pool.enforced) == (1, 8, [])

    limits._notes[7] = time.monotonic() - 45
    pool.on_soft_timeout(run)
    assert pool.enforced == [run]
    again(number)
    assert pool.enforced == [run]
    assert 14 < later[-1][0] <= 15

    limits._notes[7] = time.monotonic() - 61
    again(number)
    assert pool.enforced == [run, run]

    pool._cache.clear()
    again(number)
    assert pool.enforced == [run, run]


def test_limits_of_the_hosts_celery_tasks_are_celerys(child: None) -> None:
    """They note nothing."""
    pool, later = StubPool(), list[Any]()
    limits.count_functions_only(worker(pool, later))
    run = result(pool, lambda **_: None)
    pool.on_hard_timeout(run)
    assert (pool.enforced, later) == ([run], [])


def test_pools_without_an_event_loop_are_left_alone() -> None:
    """Threads, gevent and solo enforce nothing."""
    limits.count_functions_only(SimpleNamespace(hub=None, pool=SimpleNamespace(_pool=object())))
    limits.count_functions_only(SimpleNamespace(hub=object(), pool=None))
