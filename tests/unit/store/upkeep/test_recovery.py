"""The reconciler: runs of gone processes, runs that wait, and runs without a message."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows.launches import add_slot_launch as launch
from services.rows.runs import (
    BOOT,
    DONE,
    DUE,
    FAILED,
    claim,
    finish,
    queue,
    register,
    row,
    set_columns,
    unclaimed,
)
from taskadmin.models import (
    Launch,
    LaunchState,
    Process,
    ProcessEnd,
    ProcessKind,
    RunState,
    TaskResult,
)
from taskadmin.store.database.clock import now
from taskadmin.store.runs import transitions
from taskadmin.store.runs.outcome_columns import FinishedRun
from taskadmin.store.upkeep import processes, recovery
from taskadmin.store.upkeep.processes import ProcessIdentity

QUEUE = "taskadmin.runs"
JOB = "generate_random_number"
#: Tokens, in order.
FIRST, SECOND = UUID(int=1), UUID(int=2)


# R1: runs of gone processes


def lose(session: Session, process_id: UUID, ending: ProcessEnd = ProcessEnd.LOST) -> None:
    assert processes.mark_gone(session, process_id, ending, "It was killed.")


def test_a_run_of_a_lost_process_is_queued_again(
    session: Session, run_ids: list[int], process_id: UUID
) -> None:
    """After a delay, with the reason in its log; runs of living processes stay."""
    lost, other, _ = run_ids
    claim(session, lost, process_id=process_id, token=FIRST)
    claim(session, other, process_id=register(session, 2), token=SECOND)
    lose(session, process_id)

    assert recovery.take_back(session, lost_attempts=3) == (1, 0)
    assert recovery.take_back(session, lost_attempts=3) == (0, 0)

    run = row(session, lost)
    assert (run.state, run.attempts, run.process_id) == (RunState.QUEUED, 1, None)
    assert run.not_before is not None
    assert run.not_before > now(session)
    assert run.attempt_log is not None
    assert run.attempt_log[0]["error_type"] == "WorkerLost"
    assert run.attempt_log[0]["error"] == "It was killed."
    assert row(session, other).state == RunState.RUNNING


@pytest.mark.parametrize(
    ("ending", "max_attempts", "executed", "error_type"),
    [
        (ProcessEnd.LOST, 1, 3, "WorkerLost"),
        (ProcessEnd.LOST, 5, 5, "WorkerLost"),
        # The job's error, not the worker's.
        (ProcessEnd.TIME_LIMIT, 1, 1, "TimeLimitExceeded"),
        (ProcessEnd.TIME_LIMIT, 2, 2, "TimeLimitExceeded"),
    ],
)
def test_a_run_that_loses_every_worker_is_failed(
    session: Session,
    run_id: int,
    ending: ProcessEnd,
    max_attempts: int,
    executed: int,
    error_type: str,
) -> None:
    """After three attempts, or the job's maximum if higher, with the reason."""
    for attempt in range(1, executed + 1):
        set_columns(session, run_id, max_attempts=max_attempts, not_before=DUE)
        process_id = register(session, attempt)
        claim(session, run_id, process_id=process_id, token=uuid4())
        lose(session, process_id, ending)
        back = recovery.take_back(session, lost_attempts=3)
        assert back == ((1, 0) if attempt < executed else (0, 1))
    run = row(session, run_id)
    assert (run.state, run.error_type, run.attempts) == (RunState.FAILED, error_type, executed)
    assert run.error == f"It was killed. Attempt {executed} of {executed}: no more retries."
    assert run.finished_at is not None
    assert run.attempt_log is not None
    assert {entry["error_type"] for entry in run.attempt_log} == {error_type}


def test_a_stop_is_not_charged(session: Session, run_id: int, process_id: UUID) -> None:
    """The worker was terminated: its run goes to another one without counting an attempt."""
    claim(session, run_id, process_id=process_id, token=FIRST)
    worker = ProcessIdentity(ProcessKind.WORKER, "w1@host", "host", 100, boot=BOOT)
    processes.mark_stopped(session, worker, "It was told to stop.")
    assert recovery.take_back(session, lost_attempts=1) == (1, 0)
    run = row(session, run_id)
    assert (run.state, run.attempts, run.attempt_log) == (RunState.QUEUED, 0, None)
    assert [run.id for run in recovery.waiting_runs(session)] == [run_id]


@pytest.mark.parametrize("ending", [ProcessEnd.LOST, ProcessEnd.TIME_LIMIT])
def test_of_runs_that_were_claimed_together_none_is_charged(
    session: Session, run_ids: list[int], process_id: UUID, ending: ProcessEnd
) -> None:
    """It is unknown which had begun, so they are sent again at once, each alone."""
    *together, alone = run_ids
    claim(session, *together, process_id=process_id, token=FIRST)
    claim(session, alone, process_id=process_id, token=SECOND)
    lose(session, process_id, ending)

    assert recovery.take_back(session, lost_attempts=1) == (2, 1)

    for run_id in together:
        run = row(session, run_id)
        assert (run.state, run.attempts, run.attempt_log) == (RunState.QUEUED, 0, None)
        assert (run.process_id, run.error) == (None, None)
    assert [run.id for run in recovery.waiting_runs(session)] == together
    assert row(session, alone).state == RunState.FAILED


def test_the_last_one_of_runs_that_were_claimed_together_is_charged(
    session: Session, run_ids: list[int], process_id: UUID
) -> None:
    """The others are recorded, so it had begun."""
    *done, last = claim(session, *run_ids, process_id=process_id, token=FIRST)
    transitions.finish(session, [FinishedRun(run, DONE) for run in done], FIRST)
    lose(session, process_id)
    assert recovery.take_back(session, lost_attempts=1) == (0, 1)
    assert row(session, last.id).error_type == "WorkerLost"


def test_more_runs_than_one_turn_takes_back_are_seen_together(
    session: Session,
    run_ids: list[int],
    process_id: UUID,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Runs of a token that exceed a turn's limit wait for the next one."""
    monkeypatch.setattr(recovery, "MAX_ROWS_PER_RULE", 4)
    more = [queue(session, make_task().id) for _ in range(4)]
    claim(session, *run_ids, process_id=process_id, token=FIRST)
    claim(session, *more, process_id=process_id, token=SECOND)
    lose(session, process_id)

    back = [recovery.take_back(session, lost_attempts=1) for _ in range(3)]

    assert back == [(3, 0), (4, 0), (0, 0)]
    assert set(session.scalars(select(TaskResult.attempts))) == {0}


def test_a_claim_that_was_under_way_when_its_process_went_is_found(
    session: Session, run_id: int, process_id: UUID
) -> None:
    """Gone processes are checked again for a while."""
    lose(session, process_id)
    recovery.take_back(session, lost_attempts=3)
    running = {"state": RunState.RUNNING, "token": FIRST, "process_id": process_id, "attempts": 1}
    set_columns(session, run_id, **running)
    session.execute(update(Process).values(gone_at=DUE))
    session.commit()
    assert recovery.take_back(session, lost_attempts=3) == (1, 0)
    assert session.scalars(select(Process.cleared)).one() is True


# R2: runs that wait


def test_a_run_is_found_when_its_wait_is_over(session: Session, run_id: int) -> None:
    """Recording an earlier message doesn't change it, since it failed before that."""
    again = FinishedRun(unclaimed(run_id), FAILED, timedelta(hours=1))
    transitions.finish(session, [again], FIRST)
    recovery.note_sent(session, [run_id])
    assert recovery.waiting_runs(session) == []
    run = row(session, run_id)
    assert (run.not_before is None, run.publishes) == (False, 0)
    set_columns(session, run_id, not_before=DUE)
    assert [found.id for found in recovery.waiting_runs(session)] == [run_id]
    recovery.note_sent(session, [run_id])
    assert recovery.waiting_runs(session) == []


# R3: runs without a message


def unheard(
    session: Session, age: timedelta = timedelta(seconds=30), queue: str = QUEUE
) -> list[int]:
    """Return runs that were never sent again."""
    found = recovery.runs_to_republish(session, queue, now(session), after=age)
    assert (found.again, found.given_up) == ([], [])
    return [run.id for run in found.first]


def test_a_run_that_was_sent_long_ago_is_unheard(session: Session, make_task: MakeTask) -> None:
    """Not one of a newer launch, or of one that isn't published."""
    old = queue(session, make_task().id, launch_id=launch(session))
    queue(
        session,
        make_task().id,
        launch_id=launch(session, published=timedelta(), slot=DUE + timedelta(1)),
    )
    opening = launch(session, LaunchState.OPENING, slot=DUE + timedelta(2))
    queue(session, make_task().id, launch_id=opening)
    assert unheard(session) == [old]
    assert unheard(session, queue="other") == []


@pytest.mark.parametrize(
    "values",
    [
        {"state": RunState.RUNNING, "token": uuid4(), "process_id": uuid4()},
        {"not_before": DUE},
        {"state": RunState.SUCCEEDED, "finished_at": DUE},
    ],
    ids=["running", "waiting", "finished"],
)
def test_claimed_and_waiting_runs_are_not_sent_again(
    session: Session, make_task: MakeTask, values: dict[str, object]
) -> None:
    """Other rules apply to these."""
    run_id = queue(session, make_task().id, launch_id=launch(session))
    set_columns(session, run_id, **values)
    assert unheard(session) == []


def test_a_run_that_was_sent_again_waits_again(session: Session, make_task: MakeTask) -> None:
    """Its own last message counts, not the launch's."""
    run_id = queue(session, make_task().id, launch_id=launch(session))
    recovery.note_sent(session, [run_id])
    assert unheard(session) == []
    assert row(session, run_id).publishes == 1
    set_columns(session, run_id, published_at=now(session) - timedelta(minutes=1))
    found = recovery.runs_to_republish(session, QUEUE, now(session), after=timedelta(seconds=29))
    assert ([run.id for run in found.again], found.first) == ([run_id], [])


def test_a_job_whose_start_is_not_recorded_gets_its_time_limit(
    session: Session, make_task: MakeTask
) -> None:
    """It may be running for that long."""
    run_id = queue(session, make_task().id, launch_id=launch(session))
    moment = now(session)

    def look(limit: timedelta) -> list[int]:
        found = recovery.runs_to_republish(
            session, QUEUE, moment, after=timedelta(), unclaimed={"other": timedelta(), JOB: limit}
        )
        return [run.id for run in found.first]

    assert look(timedelta(minutes=2)) == []
    assert look(timedelta(seconds=30)) == [run_id]


@pytest.mark.parametrize(
    ("publishes", "minutes", "found"), [(0, 9, 0), (0, 11, 1), (1, 19, 0), (1, 21, 1), (4, 100, 0)]
)
def test_patience_grows_with_every_sending(
    session: Session, make_task: MakeTask, publishes: int, minutes: int, found: int
) -> None:
    """10, 20, then 40 minutes: a busy worker may hold the message."""
    sent = launch(session, published=timedelta(minutes=minutes))
    set_columns(session, queue(session, make_task().id, launch_id=sent), publishes=publishes)
    runs = recovery.runs_to_republish(session, QUEUE, now(session), after=timedelta(minutes=10))
    assert (len(runs.first), len(runs.again)) == ((0, found) if publishes else (found, 0))


def test_a_run_that_no_worker_takes_is_failed(session: Session, make_task: MakeTask) -> None:
    """After ten more messages: it probably kills workers before they claim it."""
    run_id = queue(session, make_task().id, launch_id=launch(session))
    set_columns(session, run_id, publishes=recovery.MAX_PUBLISHES)
    found = recovery.runs_to_republish(session, QUEUE, now(session), after=timedelta())
    assert (found.first, found.again, found.given_up) == ([], [], [run_id])
    assert recovery.give_up(session, found.given_up) == 1
    run = row(session, run_id)
    assert (run.state, run.error_type) == (RunState.FAILED, "NeverClaimed")
    assert run.finished_at is not None
    assert recovery.give_up(session, [run_id]) == 0


def test_the_oldest_sending_is_that_of_a_launch_with_a_queued_run(
    session: Session, make_task: MakeTask
) -> None:
    """A cheap check before the broker is queried."""
    assert recovery.oldest_publish(session, QUEUE) is None
    launch(session)
    newer = launch(session, published=timedelta(seconds=5), slot=DUE + timedelta(1))
    run_id = queue(session, make_task().id, launch_id=newer)
    sent_at = session.scalar(select(Launch.published_at).where(Launch.id == newer))
    assert recovery.oldest_publish(session, QUEUE) == sent_at
    assert recovery.oldest_publish(session, "other") is None
    finish(session, run_id)
    assert recovery.oldest_publish(session, QUEUE) is None
