"""What people do to runs: retry, cancel, cancel and terminate, and what they are told of it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from ..jobs import all_jobs
from ..models import RunState
from ..state import State
from ..store.by_hand import ManualLaunch
from ..store.run_actions import cancel_runs, retry_runs
from .actor import current_actor
from .launching import Outcome, start_runs

log = logging.getLogger("taskadmin.admin")

RETRY, CANCEL, TERMINATE = "retry", "cancel", "terminate"
ACTIONS = (RETRY, CANCEL, TERMINATE)
#: Runs of one transaction.
_BATCH = 1_000

FINISHED = (RunState.SUCCEEDED, RunState.FAILED, RunState.SKIPPED, RunState.CANCELLED)
_ACTS_ON = {
    RETRY: FINISHED,
    CANCEL: (RunState.QUEUED,),
    TERMINATE: (RunState.QUEUED, RunState.RUNNING),
}
#: What comes of a running job whose run is cancelled, by the worker's answer: of one, of several.
_ENDINGS = {
    "terminated": ("its job is terminated", "{} are terminated"),
    "impossible": (
        (
            "its job goes on, because its worker has no process for it alone, and what it returns"
            " isn't recorded"
        ),
        "{} can't be terminated, because their workers have no processes for them alone",
    ),
    "unanswered": (
        "no worker said that it executes it, so its job may be over; what it returns isn't recorded",
        "of {} no worker said that it executes them, so they may be over",
    ),
    "broker away": (
        "its job goes on, because the broker can't be reached, and what it returns isn't recorded",
        "{} go on, because the broker can't be reached",
    ),
    "no queue": (
        (
            "its job goes on, because this application has no queue to tell workers through, and what"
            " it returns isn't recorded"
        ),
        "{} go on, because this application has no queue to tell workers through",
    ),
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


def runs_in_words(count: int) -> str:
    """So many runs."""
    return "1 run" if count == 1 else f"{count:,} runs"


def retry(state: State, run_ids: Sequence[int], form_key: str | None) -> Outcome:
    """Queue each finished run again, with its job and its arguments, and say what happened.

    Args:
        form_key: Made with the page, so that a second submit retries nothing twice.
    """
    if not run_ids:
        return Outcome("No run was started: select the runs to retry.", "danger")
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

    return start_runs(
        state, run_ids, form_key, launch, gone="none of these runs is finished, or they are gone"
    )


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
        states = "queued or running" if terminate else "queued"
        return Outcome(f"Nothing was cancelled: none of these runs is {states}.", "danger")
    log.info("%s cancelled %d runs", actor.name, number, extra={"user": actor.name})
    sentence = f"{runs_in_words(number)} {'is' if number == 1 else 'are'} cancelled"
    left = len(run_ids) - number
    if left:
        states = "finished" if terminate else "running or finished"
        sentence += f", {left:,} {'was' if left == 1 else 'were'} {states} already"
    if not running:
        return Outcome(f"{sentence}.")
    answers = _terminate(state, running)
    ended = answers == {"terminated": len(running)}
    return Outcome(f"{sentence}; {_told(answers)}.", "success" if ended else "danger")


def _terminate(state: State, run_ids: Sequence[int]) -> Mapping[str, int]:
    if state.terminate is None:
        return {"no queue": len(run_ids)}
    return Counter(state.terminate(run_ids).values())


def _told(answers: Mapping[str, int]) -> str:
    told = []
    alone = sum(answers.values()) == 1
    for answer, count in answers.items():
        one, many = _ENDINGS.get(answer, _ENDINGS["unanswered"])
        jobs = "1 running job" if count == 1 else f"{count:,} running jobs"
        told.append(one if alone else many.format(jobs))
    return "; ".join(told)
