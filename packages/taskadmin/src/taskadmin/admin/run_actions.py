"""What people do to runs: retry, cancel, terminate, delete failed ones, and what they are told of it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from ..jobs import all_jobs
from ..models import RunState
from ..state import State
from ..store.by_hand import ManualLaunch
from ..store.run_actions import cancel_runs, discard_runs, retry_runs
from ..texts import gettext, ngettext
from .actor import current_actor
from .launching import Outcome, start_runs

log = logging.getLogger("taskadmin.admin")

RETRY, CANCEL, TERMINATE, DISCARD = "retry", "cancel", "terminate", "discard"
ACTIONS = (RETRY, CANCEL, TERMINATE, DISCARD)
#: Runs of one transaction.
_BATCH = 1_000
#: The same where nothing but deleting is done, as the pruner does it.
_DISCARDED = 5_000

FINISHED = (RunState.SUCCEEDED, RunState.FAILED, RunState.SKIPPED, RunState.CANCELLED)
_ACTS_ON = {
    RETRY: FINISHED,
    CANCEL: (RunState.QUEUED,),
    TERMINATE: (RunState.QUEUED, RunState.RUNNING),
    DISCARD: (RunState.FAILED,),
}


@dataclass(frozen=True, slots=True)
class Question:
    """What would be done, asked before it is.

    Attributes:
        action: One of ``ACTIONS``.
        counts: How many of the chosen runs are in which state.
    """

    action: str
    counts: Mapping[RunState, int]

    @property
    def number(self) -> int:
        """How many runs it would be done to."""
        return sum(self.counts.get(state, 0) for state in _ACTS_ON[self.action])

    @property
    def left_out(self) -> int:
        """How many are left as they are."""
        return sum(self.counts.values()) - self.number

    @property
    def queued(self) -> int:
        """How many wait."""
        return self.counts.get(RunState.QUEUED, 0)

    @property
    def running(self) -> int:
        """How many run."""
        return self.counts.get(RunState.RUNNING, 0)


def retry(state: State, run_ids: Sequence[int], form_key: str | None) -> Outcome:
    """Queue each finished run again, with its job and its arguments, and say what happened.

    Args:
        form_key: Made with the page, so that a second submit retries nothing twice.
    """
    if not run_ids:
        return Outcome(gettext("No run was started: select the runs to retry."), "danger")
    actor = current_actor()

    def launch(batch: Sequence[int], request_key: UUID, owner: UUID) -> ManualLaunch:
        return retry_runs(
            state.session,
            batch,
            actor=actor,
            request_key=request_key,
            owner=owner,
            jobs=all_jobs(),
        )

    gone = gettext("No run was started: none of these runs is finished, or they are gone.")
    return start_runs(state, run_ids, form_key, launch, gone=gone)


def cancel(state: State, run_ids: Sequence[int], *, terminate: bool = False) -> Outcome:
    """Cancel runs that wait, and say what happened.

    Args:
        terminate: Whether those are cancelled as well whose job runs, and the job is ended.
    """
    actor = current_actor()
    queued: list[int] = []
    running: list[int] = []
    for begin in range(0, len(run_ids), _BATCH):
        batch = run_ids[begin : begin + _BATCH]
        done = cancel_runs(state.session, batch, actor=actor, running=terminate)
        queued += done.queued
        running += done.running
    number = len(queued) + len(running)
    if not number:
        return Outcome(
            gettext("Nothing was cancelled: none of these runs is queued or running.")
            if terminate
            else gettext("Nothing was cancelled: none of these runs is queued."),
            "danger",
        )
    log.info("%s cancelled %d runs", actor.name, number, extra={"user": actor.name})
    sentence = ngettext("%(num)s run is cancelled", "%(num)s runs are cancelled", number)
    left = len(run_ids) - number
    if left:
        over = (
            ngettext("%(num)s was finished already", "%(num)s were finished already", left)
            if terminate
            else ngettext(
                "%(num)s was running or finished already",
                "%(num)s were running or finished already",
                left,
            )
        )
        sentence = gettext("%(one)s, %(other)s", one=sentence, other=over)
    answers = _terminate(state, running) if running else {}
    for ending in _endings(answers):
        sentence = gettext("%(one)s; %(other)s", one=sentence, other=ending)
    ended = answers in ({}, {"terminated": len(running)})
    return Outcome(gettext("%(what)s.", what=sentence), "success" if ended else "danger")


def discard(state: State, run_ids: Sequence[int]) -> Outcome:
    """Delete failed runs, and say what happened."""
    actor = current_actor()
    deleted = early = 0
    for begin in range(0, len(run_ids), _DISCARDED):
        batch = run_ids[begin : begin + _DISCARDED]
        done = discard_runs(state.session, batch, actor=actor)
        deleted += len(done.run_ids)
        early += done.too_early
    if not deleted and not early:
        return Outcome(gettext("Nothing was deleted: none of these runs is failed."), "danger")
    later = ngettext(
        "%(num)s has to wait until its launch is closed",
        "%(num)s have to wait until their launches are closed",
        early,
    )
    if not deleted:
        return Outcome(gettext("Nothing was deleted: %(why)s.", why=later), "danger")
    log.info("%s deleted %d failed runs", actor.name, deleted, extra={"user": actor.name})
    sentence = ngettext("%(num)s failed run is deleted", "%(num)s failed runs are deleted", deleted)
    if early:
        sentence = gettext("%(one)s; %(other)s", one=sentence, other=later)
    return Outcome(gettext("%(what)s.", what=sentence))


def _terminate(state: State, run_ids: Sequence[int]) -> Mapping[str, int]:
    if state.terminate is None:
        return {"no queue": len(run_ids)}
    return Counter(state.terminate(run_ids).values())


def _endings(answers: Mapping[str, int]) -> Iterator[str]:
    """What comes of running jobs whose runs are cancelled, by the answers of their workers."""
    alone = sum(answers.values()) == 1
    for answer, count in answers.items():
        yield _ending_of_one(answer) if alone else _ending_of_several(answer, count)


def _ending_of_one(answer: str) -> str:
    match answer:
        case "terminated":
            return gettext("its job is terminated")
        case "impossible":
            return gettext(
                "its job goes on, because its worker has no process for it alone, and what it"
                " returns isn't recorded"
            )
        case "broker away":
            return gettext(
                "its job goes on, because the broker can't be reached, and what it returns"
                " isn't recorded"
            )
        case "no queue":
            return gettext(
                "its job goes on, because this application has no queue to tell workers through,"
                " and what it returns isn't recorded"
            )
        case _:
            return gettext(
                "no worker said that it executes it, so its job may be over; what it returns"
                " isn't recorded"
            )


def _ending_of_several(answer: str, count: int) -> str:
    match answer:
        case "terminated":
            return ngettext(
                "%(num)s running job is terminated", "%(num)s running jobs are terminated", count
            )
        case "impossible":
            return ngettext(
                "%(num)s running job can't be terminated, because its worker has no process for"
                " it alone",
                "%(num)s running jobs can't be terminated, because their workers have no processes"
                " for them alone",
                count,
            )
        case "broker away":
            return ngettext(
                "%(num)s running job goes on, because the broker can't be reached",
                "%(num)s running jobs go on, because the broker can't be reached",
                count,
            )
        case "no queue":
            return ngettext(
                "%(num)s running job goes on, because this application has no queue to tell"
                " workers through",
                "%(num)s running jobs go on, because this application has no queue to tell"
                " workers through",
                count,
            )
        case _:
            return ngettext(
                "of %(num)s running job no worker said that it executes it, so it may be over",
                "of %(num)s running jobs no worker said that it executes them, so they may be over",
                count,
            )
