"""Changes of a run's state: who may make them, and what they write."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from fixture_types import AtOnce
from services.rows.runs import (
    DONE,
    DUE,
    FAILED,
    claim,
    row,
    set_columns,
    unclaimed,
)
from services.rows.situations import MINE, NEW
from services.servers.processes import wait_for
from taskadmin.models import ProcessEnd, RunState, TaskResult
from taskadmin.store.database.clock import now
from taskadmin.store.database.outage import ErrorKind, kind_of
from taskadmin.store.runs import transitions
from taskadmin.store.runs.outcome import Outcome
from taskadmin.store.runs.outcome_columns import FinishedRun, TakenRun
from taskadmin.store.runs.results import UnsentRun
from taskadmin.store.upkeep import processes, recovery

# Ownership


#: Changes by a delivery with the token MINE or without a claim, and by the reconciler.
Change = Callable[[Session, Collection[int], UUID], Collection[int] | None]


def claim_them(session: Session, ids: Collection[int], process_id: UUID) -> Collection[int]:
    return [run.id for run in claim(session, *ids, process_id=process_id, token=MINE)]


def finish(session: Session, ids: Collection[int], _: UUID) -> Collection[int]:
    done = [FinishedRun(unclaimed(run_id)._replace(claimed=True), DONE) for run_id in ids]
    return transitions.finish(session, done, MINE)


def finish_unclaimed(session: Session, ids: Collection[int], _: UUID) -> Collection[int]:
    return transitions.finish(
        session, [FinishedRun(unclaimed(run_id), DONE) for run_id in ids], NEW
    )


def give_back(session: Session, ids: Collection[int], _: UUID) -> Collection[int]:
    return [run.id for run in transitions.give_back(session, ids, MINE)]


def fail_worker(session: Session, ids: Collection[int], _: UUID) -> Collection[int]:
    more: dict[str, Any] = {"problem": "It broke.", "lost_attempts": 3}
    return [run_id for run_id in ids if transitions.fail_worker(session, run_id, MINE, **more)]


def take_back(session: Session, _ids: Collection[int], _: UUID) -> None:
    recovery.take_back(session, lost_attempts=3)


def give_up(session: Session, ids: Collection[int], _: UUID) -> None:
    recovery.give_up(session, ids)


CHANGES: dict[Change, set[str]] = {
    claim_them: {"queued", "sent again", "tried", "tried by another", "running"},
    finish: {"tried", "to be tried later", "running"},
    finish_unclaimed: {"queued", "sent again", "not due"},
    give_back: {"queued", "sent again", "tried", "tried by another", "running"},
    fail_worker: {"running"},
    take_back: {"running"},
    give_up: {
        *("queued", "sent again", "not due"),
        *("tried", "to be tried later", "tried by another"),
    },
}


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_only_runs_in_the_right_state_change(
    session: Session,
    situations: dict[int, str],
    process_id: UUID,
    change: Change,
    together: bool,
) -> None:
    """Others stay unchanged, and the caller gets those that changed."""
    query = select(TaskResult.__table__).order_by(TaskResult.id)
    before = session.execute(query).all()
    session.rollback()

    told: set[int] = set()
    for ids in [list(situations)] if together else [[run_id] for run_id in situations]:
        answer = change(session, ids, process_id)
        told |= situations.keys() if answer is None else set(answer)

    after = session.execute(query).all()
    changed = {new.id for old, new in zip(before, after, strict=True) if old != new}
    assert {situations[run_id] for run_id in changed} == CHANGES[change]
    assert told in (changed, situations.keys())


@pytest.mark.parametrize("claims", [True, False])
def test_of_deliveries_at_once_one_gets_each_run(
    engine: Engine,
    session: Session,
    run_ids: list[int],
    process_id: UUID,
    at_once: AtOnce,
    claims: bool,
) -> None:
    """The message was duplicated; the database decides."""

    def take(number: int) -> list[int]:
        token, some = uuid4(), run_ids[number % 2 :]
        outcome = Outcome(worker=f"w{number}", elapsed=timedelta(), result=float(number))
        done = [FinishedRun(unclaimed(run_id), outcome) for run_id in some]
        with Session(engine) as own:
            if claims:
                return [run.id for run in claim(own, *some, process_id=process_id, token=token)]
            return sorted(transitions.finish(own, done, token))

    taken = at_once(*[lambda n=n: take(n) for n in range(4)])

    assert sorted(run_id for some in taken for run_id in some) == run_ids
    if not claims:
        for number, some in enumerate(taken):
            for run_id in some:
                run = row(session, run_id)
                assert (run.worker, run.result) == (f"w{number}", number)


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("change", [claim_them, finish, finish_unclaimed, give_back])
def test_changes_that_wait_for_each_other_are_repeated(
    engine: Engine, session: Session, run_ids: list[int], process_id: UUID, change: Change
) -> None:
    """PostgreSQL aborts one of them, and its retry succeeds."""
    for run_id in run_ids if change is finish else ():
        set_columns(session, run_id, token=MINE, attempts=1)
    waits = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )

    def make() -> tuple[Collection[int] | None, list[ErrorKind]]:
        kinds: list[ErrorKind] = []
        with Session(engine) as own:
            while True:
                try:
                    return change(own, run_ids, process_id), kinds
                except OperationalError as error:
                    kinds.append(kind_of(error))

    first, *_, last = run_ids
    with Session(engine) as other, Session(engine) as looks, ThreadPoolExecutor() as pool:
        other.execute(text("SET LOCAL deadlock_timeout = '60s'"))
        other.get_one(TaskResult, last, with_for_update=True)
        changing = pool.submit(make)

        def is_waiting() -> bool:
            looks.rollback()  # pg_stat_activity is cached within a transaction
            return bool(looks.scalar(waits) == 1)

        wait_for(is_waiting, what="the change waiting for the last run")
        other.get_one(TaskResult, first, with_for_update=True)
        other.rollback()
        done, kinds = changing.result()

    assert kinds == [ErrorKind.RECONNECT]
    assert sorted(done or ()) == run_ids


@pytest.mark.databases("postgresql")
def test_launchers_wait_for_no_worker(engine: Engine, session: Session, run_ids: list[int]) -> None:
    """They skip runs that somebody is changing."""
    locked, *free = run_ids
    with Session(engine) as worker:
        worker.get_one(TaskResult, locked, with_for_update=True)
        recovery.note_sent(session, run_ids)
        recovery.postpone(session, run_ids)
        assert transitions.give_up(session, run_ids, error="why") == len(free)

    publishes = {run_id: row(session, run_id).publishes for run_id in run_ids}
    assert publishes == {locked: 0} | dict.fromkeys(free, 1)
    assert row(session, locked).not_before is None


# Written columns


def test_a_claim_makes_runs_running(session: Session, run_ids: list[int], process_id: UUID) -> None:
    """It writes process, worker, start and attempt; repeated after a lost response, only once."""
    set_columns(session, run_ids[0], publishes=3, not_before=DUE)
    for _ in range(2):
        runs = claim(session, *run_ids, process_id=process_id, token=MINE)
        assert not session.in_transaction()
        assert [(run.id, run.attempts, run.claimed) for run in runs] == [
            (i, 1, True) for i in run_ids
        ]
    for run in runs:
        found = row(session, run.id)
        assert (found.state, found.token, found.process_id) == (RunState.RUNNING, MINE, process_id)
        assert (found.worker, found.started_at) == ("w1@host", run.started_at)
        # Only unanswered messages count against a run.
        assert (found.publishes, found.not_before) == (0, None)


def test_a_process_that_is_gone_gets_nothing(
    session: Session, run_ids: list[int], process_id: UUID
) -> None:
    """Its runs would be released at once."""
    processes.mark_gone(session, process_id, ProcessEnd.LOST, "It was killed.")
    for process in (process_id, uuid4()):
        assert claim(session, *run_ids, process_id=process, token=MINE) == []
        assert claim(session, run_ids[0], process_id=process, token=MINE) == []


def take(session: Session, ids: Collection[int], process_id: UUID, claims: bool) -> list[TakenRun]:
    """Take runs as MINE, claimed or not."""
    if claims:
        return claim(session, *ids, process_id=process_id, token=MINE)
    return [unclaimed(run_id) for run_id in ids]


@pytest.mark.parametrize("claims", [True, False])
@pytest.mark.parametrize(
    ("outcome", "delay", "state"),
    [
        (DONE, None, RunState.SUCCEEDED),
        (FAILED, None, RunState.FAILED),
        (FAILED, timedelta(minutes=5), RunState.QUEUED),
        (FAILED, timedelta(), RunState.QUEUED),
    ],
    ids=["success", "failure", "again", "again at once"],
)
def test_outcomes_are_recorded(
    session: Session,
    run_ids: list[int],
    process_id: UUID,
    outcome: Outcome,
    delay: timedelta | None,
    state: RunState,
    claims: bool,
) -> None:
    """By the database's clock, of one or several runs; repeated, they stay the same."""
    done = []
    for some in (run_ids[:1], run_ids[:0:-1]):
        taken = take(session, some, process_id, claims)
        done += (these := [FinishedRun(run, outcome, delay) for run in taken])
        for _ in range(2):
            assert transitions.finish(session, these, MINE) == set(some)
            assert not session.in_transaction()
        assert transitions.finish(session, these, NEW) == set(), "a stranger's"
    last = outcome if delay is None else DONE
    log = {"attempt": 1, "worker": "w1@host", "error_type": "ValueError", "error": "no"}
    for one in done:
        run = row(session, one.run.id)
        assert (run.state, run.attempts, run.token) == (state, 1, MINE)
        assert (run.process_id, run.worker) == (None, "w1@host")
        assert (run.result, run.output) == (outcome.result, None)
        assert (run.error_type, run.error) == (last.error_type, last.error)
        end, other_end = run.finished_at, run.not_before
        if delay is not None:
            end, other_end = other_end, end
        assert end is not None and other_end is None
        assert abs(now(session) + (delay or timedelta()) - end) < timedelta(seconds=5)
        if delay is None:
            began = end - outcome.elapsed
            assert run.started_at == max(one.run.started_at or began, began)
        for entry in run.attempt_log or []:
            del entry["started_at"], entry["ended_at"]
        assert run.attempt_log == (None if outcome is DONE else [log])


def test_runs_given_back_are_not_charged_an_attempt(
    session: Session, run_ids: list[int], process_id: UUID
) -> None:
    """No attempt is counted; the next worker claims them as the first."""
    claim(session, *run_ids[:2], process_id=process_id, token=MINE)
    given = transitions.give_back(session, run_ids[::-1], MINE)
    assert given == [
        UnsentRun(run_id, DUE, "generate_random_number", "taskadmin.runs") for run_id in run_ids
    ]
    for run_id in run_ids:
        run = row(session, run_id)
        assert (run.state, run.attempts, run.publishes) == (RunState.QUEUED, 0, 1)
        assert (run.token, run.process_id, run.attempt_log) == (None, None, None)
    assert [run.id for run in recovery.waiting_runs(session)] == run_ids, "if nobody sends them"
    runs = claim(session, *run_ids, process_id=process_id, token=NEW)
    assert [run.attempts for run in runs] == [1, 1, 1]
