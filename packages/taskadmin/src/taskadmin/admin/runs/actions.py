"""Actions on runs: retry, cancel, terminate, delete; and the messages about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flask import request

from ... import service
from ...models import RunState
from ...translation.texts import gettext, ngettext
from ...web.actor import current_actor
from ..flask_admin.selection import is_confirmed
from .differences import Difference
from .notices import Notice, notice_of

RETRY, CANCEL, TERMINATE, DELETE = "retry", "cancel", "terminate", "delete"
RUN_ACTIONS = (RETRY, CANCEL, TERMINATE, DELETE)

FINISHED_STATES = (RunState.SUCCEEDED, RunState.FAILED, RunState.SKIPPED, RunState.CANCELLED)
_ACTS_ON = {
    RETRY: FINISHED_STATES,
    CANCEL: (RunState.QUEUED,),
    TERMINATE: (RunState.QUEUED, RunState.RUNNING),
    DELETE: (RunState.FAILED,),
}


@dataclass(frozen=True, slots=True)
class Question:
    """What a confirmation page asks.

    Attributes:
        action: One of ``RUN_ACTIONS``.
        counts: Number of chosen runs by state.
        retried: Number of finished runs that were retried already; they are left out unless the
            answer includes them.
        differences: What the tasks of some of the newest runs have changed since.
    """

    action: str
    counts: Mapping[RunState, int]
    retried: int = 0
    differences: Sequence[Difference] = ()

    @property
    def number(self) -> int:
        """Number of runs that the action would change."""
        return self._fitting - self.retried

    @property
    def _fitting(self) -> int:
        return sum(self.counts.get(state, 0) for state in _ACTS_ON[self.action])

    @property
    def left_out(self) -> int:
        """Number of runs that would stay as they are because of their state."""
        return sum(self.counts.values()) - self._fitting

    @property
    def needs_answer(self) -> bool:
        """Whether a retry isn't clear without asking."""
        return bool(self.retried or self.differences)

    @property
    def queued(self) -> int:
        """Number of queued runs."""
        return self.counts.get(RunState.QUEUED, 0)

    @property
    def running(self) -> int:
        """Number of running runs."""
        return self.counts.get(RunState.RUNNING, 0)


def retry(run_ids: Sequence[int]) -> Notice:
    """Queue each finished run again as the confirmation page was answered; describe the result."""
    if not run_ids:
        return Notice(gettext("Nothing was retried: select at least one run."), "danger")
    started = service.retry_runs(
        run_ids,
        as_tasks=request.form.get("arguments") == "task",
        skip_retried=is_confirmed() and request.form.get("again") != "yes",
        actor=current_actor(),
        request_key=request.form.get("request_key"),
    )
    gone = gettext(
        "Nothing was retried: none of these runs has finished, they were retried already, or they"
        " no longer exist."
    )
    return notice_of(started, gone=gone)


def cancel(run_ids: Sequence[int], *, terminate: bool = False) -> Notice:
    """Cancel queued runs and describe the result.

    Args:
        terminate: Also cancel running runs, and end their jobs.
    """
    act = service.terminate_runs if terminate else service.cancel_runs
    done = act(run_ids, actor=current_actor())
    number = done.number
    if not number:
        return Notice(
            gettext("Nothing was cancelled: none of these runs is queued or running.")
            if terminate
            else gettext("Nothing was cancelled: none of these runs is queued."),
            "danger",
        )
    sentence = ngettext("%(num)s run cancelled", "%(num)s runs cancelled", number)
    left = len(run_ids) - number
    if left:
        over = (
            ngettext("%(num)s had already finished", "%(num)s had already finished", left)
            if terminate
            else ngettext(
                "%(num)s was already running or finished",
                "%(num)s were already running or finished",
                left,
            )
        )
        sentence = gettext("%(one)s, %(other)s", one=sentence, other=over)
    for ending in _endings(done.answers):
        sentence = gettext("%(one)s; %(other)s", one=sentence, other=ending)
    ended = {*done.answers} <= {"terminated"}
    return Notice(gettext("%(what)s.", what=sentence), "success" if ended else "danger")


def delete(run_ids: Sequence[int]) -> Notice:
    """Delete failed runs and describe the result."""
    run_ids, early = service.delete_runs(run_ids, actor=current_actor())
    deleted = len(run_ids)
    if not deleted and not early:
        return Notice(gettext("Nothing was deleted: none of these runs has failed."), "danger")
    later = ngettext(
        "%(num)s can be deleted only after its launch has closed",
        "%(num)s can be deleted only after their launches have closed",
        early,
    )
    if not deleted:
        return Notice(gettext("Nothing was deleted: %(why)s.", why=later), "danger")
    sentence = ngettext("%(num)s failed run deleted", "%(num)s failed runs deleted", deleted)
    if early:
        sentence = gettext("%(one)s; %(other)s", one=sentence, other=later)
    return Notice(gettext("%(what)s.", what=sentence))


def _endings(answers: Mapping[str, int]) -> Iterator[str]:
    """Yield phrases for running jobs of cancelled runs, by the answers of their workers."""
    alone = sum(answers.values()) == 1
    for answer, count in answers.items():
        yield _ending_of_one(answer) if alone else _ending_of_several(answer, count)


def _ending_of_one(answer: str) -> str:
    match answer:
        case "terminated":
            return gettext("its job was terminated")
        case "impossible":
            return gettext(
                "its job continues because its worker has no separate process for it, and its"
                " result won't be recorded"
            )
        case "broker away":
            return gettext(
                "its job continues because the broker can't be reached, and its result won't"
                " be recorded"
            )
        case "no queue":
            return gettext(
                "its job continues because this application has no task queue to reach its"
                " worker, and its result won't be recorded"
            )
        case _:
            return gettext(
                "no worker reported executing it, so its job may have ended; its result won't"
                " be recorded"
            )


def _ending_of_several(answer: str, count: int) -> str:
    match answer:
        case "terminated":
            return ngettext(
                "%(num)s running job terminated", "%(num)s running jobs terminated", count
            )
        case "impossible":
            return ngettext(
                "%(num)s running job can't be terminated because its worker has no separate"
                " process for it",
                "%(num)s running jobs can't be terminated because their workers have no"
                " separate processes for them",
                count,
            )
        case "broker away":
            return ngettext(
                "%(num)s running job continues because the broker can't be reached",
                "%(num)s running jobs continue because the broker can't be reached",
                count,
            )
        case "no queue":
            return ngettext(
                "%(num)s running job continues because this application has no task queue to"
                " reach its worker",
                "%(num)s running jobs continue because this application has no task queue to"
                " reach their workers",
                count,
            )
        case _:
            return ngettext(
                "no worker reported executing %(num)s of the jobs, so it may have ended",
                "no worker reported executing %(num)s of the jobs, so they may have ended",
                count,
            )
