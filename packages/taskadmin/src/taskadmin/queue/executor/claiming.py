"""Take runs of a message: read them, and claim those that another worker may execute, too."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from ...jobs import all_jobs
from ...store.runs import open_runs, transitions
from ...store.runs.open_runs import OpenRun
from ...store.runs.outcome_columns import TakenRun
from .delivery import Delivery, NamedRun
from .retrying import with_retries
from .timing import timing_of

log = logging.getLogger("taskadmin.worker")

#: Seconds of retries before a worker gives up taking runs and requeues the message. Recording a
#: job's outcome has no such limit.
TAKE_SECONDS = 20.0


class Claims:
    """The runs that one delivery has taken."""

    def __init__(self, session: Session, delivery: Delivery, token: UUID) -> None:
        self._session = session
        self._delivery = delivery
        self._token = token
        #: Runs that are claimed, maybe by a statement whose response was lost, and aren't recorded
        #: yet.
        self.claimed: set[int] = set()
        #: Whether another worker may have one of the runs: from then on, all are claimed.
        self.is_shared = delivery.redelivered

    def take(
        self, named: Sequence[NamedRun], seconds: float
    ) -> tuple[list[TakenRun], list[NamedRun]]:
        """Take the first runs, and return those that can be executed and the remaining ones.

        Args:
            seconds: Claim only as many runs as will begin within this time.
        """
        runs = self._read(named)
        soon = self._begin_soon(runs, seconds)
        must = {run.id for run in soon if self._must_be_claimed(run)}
        claimed = self._claim(sorted(must)) if must else {}
        taken = [
            claimed[run.id] if run.id in claimed else _unclaimed(run)
            for run in soon
            if run.id in claimed or run.id not in must
        ]
        return taken, [(run.id, run.due_at) for run in runs[len(soon) :]]

    def _read(self, named: Sequence[NamedRun]) -> list[OpenRun]:
        runs = with_retries(
            self._session,
            lambda: open_runs.read_open(self._session, named, self._token),
            what=f"Reading {described(named)}",
            seconds=TAKE_SECONDS,
        )
        if len(runs) < len(named):
            self.is_shared = True
            gone = {run_id for run_id, _ in named} - {run.id for run in runs}
            log.info(
                "%s: not due yet, claimed, finished or deleted; dropped",
                described([(run_id,) for run_id in gone]),
            )
        return [run for run in runs if self._comes_from_its_queue(run)]

    def _comes_from_its_queue(self, run: OpenRun) -> bool:
        """Whether the message came from the run's queue; other queues have other workers' jobs."""
        queues = self._delivery.queues
        if queues is None or run.queue in queues:
            return True
        log.warning(
            "Run %d belongs to queue %s; its message came from another one and is dropped",
            run.id,
            run.queue,
        )
        return False

    def _begin_soon(self, runs: Sequence[OpenRun], most: float) -> Sequence[OpenRun]:
        """Return the first runs, with only as many to claim as will begin soon."""
        timing, seconds = timing_of(self._session), 0.0
        for place, run in enumerate(runs):
            if place and seconds >= most:
                return runs[:place]
            if self._must_be_claimed(run):
                seconds += timing.pace(run.job, otherwise=most)
        return runs

    def _must_be_claimed(self, run: OpenRun) -> bool:
        """Whether its job records starts, or another worker may have it."""
        job = all_jobs().get(run.job)
        if job is not None and job.record_start:
            return True
        return bool(self.is_shared or run.publishes or run.attempts or run.token)

    def _claim(self, ids: Sequence[int]) -> dict[int, TakenRun]:
        session, heartbeat = self._session, self._delivery.heartbeat()

        def claim() -> list[TakenRun]:
            return transitions.claim(
                session,
                ids,
                token=self._token,
                process_id=heartbeat.process_id(),
                worker=self._delivery.worker,
            )

        what = f"Claiming {described([(run_id,) for run_id in ids])}"
        self.claimed.update(ids)
        claimed = with_retries(session, claim, what=what, seconds=TAKE_SECONDS)
        if not claimed and with_retries(session, heartbeat.renew, what=what, seconds=TAKE_SECONDS):
            # This process had been marked gone, so it could claim nothing.
            claimed = with_retries(session, claim, what=what, seconds=TAKE_SECONDS)
        taken = {run.id: run for run in claimed}
        if len(taken) < len(ids):
            others = [(run_id,) for run_id in ids if run_id not in taken]
            log.info("%s: claimed by another worker; dropped", described(others))
            self.claimed.difference_update(run_id for (run_id,) in others)
            self.is_shared = True
        return taken


def _unclaimed(run: OpenRun) -> TakenRun:
    return TakenRun(
        run.id,
        run.due_at,
        run.task_id,
        run.launch_id,
        run.job,
        run.task_params,
        attempts=1,
        max_attempts=run.max_attempts,
    )


def described(runs: Sequence[Iterable[object]]) -> str:
    """Describe runs for the log: "run 3", or "12 runs"; each starts with its id."""
    if len(runs) == 1:
        return f"run {next(iter(runs[0]))}"
    return f"{len(runs)} runs"
