"""Time limits of runs: they count a job's function, not the waiting for the database around it.

Celery counts from the moment that a process of the pool takes a message until it says
that it is done. A run that returned in time but waits for the database would be killed,
and its job repeated. So a process of the pool notes since when its function runs, in
memory that it shares with its worker, and the worker looks there before it acts. The
worker's signal needs nobody's help: it ends functions that are stuck in C, too.

Without such a note (another pool than prefork, processes that aren't forked) limits are
Celery's.
"""

from __future__ import annotations

import mmap
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from billiard import current_process  # type: ignore[import-untyped]
from celery.exceptions import SoftTimeLimitExceeded

from .request import LedgerRequest

#: Most processes of a pool that have a place; Celery's limits are those of the others.
_PLACES = 1024
#: After how many seconds the worker looks again whether a function runs.
_LOOK_AGAIN = 1.0
#: What the worker sends at the soft limit (billiard's ``SIG_SOFT_TIMEOUT``); not on Windows.
_SOFT_SIGNAL: int | None = getattr(signal, "SIGUSR1", None)

#: Two numbers for each process of the pool: its pid, and since when its function runs, in
#: ``time.monotonic()``'s seconds, which all processes of a machine share; 0 if none runs.
_notes = memoryview(mmap.mmap(-1, 16 * _PLACES)).cast("d")

#: Where this process's two numbers are; None if it is no process of a pool.
_place: int | None = None


def take_place() -> None:
    """Let this process, a new one of the pool, note when its functions run."""
    global _place
    index = getattr(current_process(), "index", None)
    if _SOFT_SIGNAL is None or not isinstance(index, int) or not 0 <= index < _PLACES:
        return
    _place = 2 * index
    _notes[_place + 1] = 0.0
    _notes[_place] = os.getpid()


@contextmanager
def only_the_function_counts() -> Iterator[None]:
    """Around everything that is done for a run: only inside ``function_runs`` it can time out."""
    if _place is None or _SOFT_SIGNAL is None:
        yield
        return
    before = signal.signal(_SOFT_SIGNAL, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(_SOFT_SIGNAL, before)


class function_runs:  # noqa: N801 - as contextlib's are called; a generator would cost more
    """Around the job's function.

    Raises:
        celery.exceptions.SoftTimeLimitExceeded: Inside, at the job's soft time limit.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        if _place is None or _SOFT_SIGNAL is None:
            return
        signal.signal(_SOFT_SIGNAL, _soft_limit_reached)
        _notes[_place + 1] = time.monotonic()

    def __exit__(self, *_: object) -> None:
        if _place is None or _SOFT_SIGNAL is None:
            return
        # The signal may come in this very line: it comes once, and is the function's then.
        try:
            signal.signal(_SOFT_SIGNAL, signal.SIG_IGN)
        finally:
            _notes[_place + 1] = 0.0


def _soft_limit_reached(_number: int, _frame: FrameType | None) -> None:
    raise SoftTimeLimitExceeded


def seconds_left(pid: int, limit: float) -> float | None:
    """How long a process's function may still run, or until one is to look again; 0 if it is over.

    Args:
        limit: Of the function, in seconds.

    Returns:
        None if the process has noted nothing.
    """
    for place in range(0, len(_notes), 2):
        if _notes[place] == pid:
            since = _notes[place + 1]
            return max(0.0, since + limit - time.monotonic()) if since else _LOOK_AGAIN
    return None


def count_functions_only(consumer: Any) -> None:
    """Let a worker's pool ask ``seconds_left`` before it enforces a limit of a run."""
    pool: Any = getattr(consumer.pool, "_pool", None)
    if consumer.hub is None or not hasattr(pool, "on_hard_timeout"):
        return  # no prefork pool on an event loop
    call_later = consumer.hub.call_later
    pool.on_soft_timeout = _asking(pool.on_soft_timeout, "_soft_timeout", pool, call_later)
    pool.on_hard_timeout = _asking(pool.on_hard_timeout, "_timeout", pool, call_later)


def _asking(
    enforce: Callable[[Any], None], limit: str, pool: Any, call_later: Callable[..., Any]
) -> Callable[[Any], None]:
    def ask(result: Any) -> None:
        request = getattr(result._timeout_callback, "__self__", None)  # noqa: SLF001 - as billiard does
        if isinstance(request, LedgerRequest):
            left = seconds_left(result._worker_pid, getattr(result, limit))  # noqa: SLF001
            if left:
                call_later(left, ask_again, result._job)  # noqa: SLF001
                return
        enforce(result)

    def ask_again(number: int) -> None:
        result = pool._cache.get(number)  # noqa: SLF001 - as Celery's pool does
        if result is not None:  # otherwise it is done
            ask(result)

    return ask
