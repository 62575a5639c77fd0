"""Differences between a run and its task as it is now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...jobs.arguments.masking import own_arguments
from ...models import TaskResult
from ...store.tasks.arguments import arguments_of

#: Value of an argument that one side doesn't have.
_NONE = "–"


class Difference(NamedTuple):
    """A value that a run had and its task doesn't have any more, without secrets."""

    run: TaskResult
    #: The argument's name; empty if the job differs.
    name: str
    then: object
    now: object


def differences_of(run: TaskResult) -> Iterator[Difference]:
    """Yield what differs: the job, and each argument in order of its name.

    A changed secret is yielded too, with dots on both sides.
    """
    task = run.task
    if run.job != task.job:
        yield Difference(run, "", run.job, task.job)
    then, now = own_arguments(run.task_params), task.arguments
    shown_then, shown_now = arguments_of(run), arguments_of(task)
    for name in sorted({*then, *now}):
        if name not in then or name not in now or not _is_same(then[name], now[name]):
            yield Difference(run, name, shown_then.get(name, _NONE), shown_now.get(name, _NONE))


def _is_same(one: object, other: object) -> bool:
    # Python's 1 equals True.
    return one == other and isinstance(one, bool) == isinstance(other, bool)
