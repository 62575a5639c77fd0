"""Claimed runs: given to one delivery, completed by it, taken back from processes that are gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from fixture_types import AtOnce, MakeTask
from taskadmin.jobs import all_jobs
from taskadmin.models import Process, ProcessEnd, ProcessKind, RunState, Task, TaskResult
from taskadmin.store import claims, processes, recovery, results, run_updates, tasks, unclaimed
from taskadmin.store.claims import ClaimedRun
from taskadmin.store.clock import now
from taskadmin.store.outcome import Outcome
from taskadmin.store.processes import Identity
from taskadmin.store.run_updates import LOG_LENGTH

DUE = datetime(2026, 1, 1, tzinfo=UTC)
DONE = Outcome(worker="w1@host", elapsed=timedelta(seconds=2), result=0.25)
FAILED = Outcome(worker="w1@host", elapsed=timedelta(), error_type="ValueError", error="no")

#: The program of all processes but those of a stranger.
BOOT = UUID(int=1)


@pytest.fixture
def run_id(session: Session, make_task: MakeTask) -> int:
    """A queued run."""
    return queue(session, make_task())


def queue(session: Session, task: Task) -> int:
    results.insert_runs(session, [task], launch_id=5, due_at=DUE, jobs=all_jobs())
    session.commit()
    found = session.scalar(select(TaskResult.id).where(TaskResult.task_id == task.id))
    assert found is not None
    return found


@pytest.fixture
def process_id(session: Session) -> UUID:
    """A process that lives."""
    return register(session)


def register(session: Session, pid: int = 1) -> UUID:
    return processes.register(
        session, Identity(ProcessKind.CHILD, "w1@host", "host", pid, parent_pid=100, boot=BOOT)
    )


def claim(session: Session, run_id: int, process_id: UUID, token: UUID) -> ClaimedRun | None:
    return claims.claim(session, run_id, DUE, token=token, process_id=process_id, worker="w1@host")


def row(session: Session, run_id: int) -> TaskResult:
    return session.get_one(TaskResult, run_id, populate_existing=True)


def lose(session: Session, process_id: UUID, ending: ProcessEnd = ProcessEnd.LOST) -> None:
    assert processes.mark_gone(session, process_id, ending, "It was killed.")


def wait_is_over(session: Session) -> None:
    session.execute(update(TaskResult).values(not_before=DUE))
    session.commit()


# Claiming


def test_a_claim_makes_the_run_running(session: Session, run_id: int, process_id: UUID) -> None:
    """With process, worker, start and attempt; no transaction stays open."""
    token = uuid4()
    claimed = claim(session, run_id, process_id, token)
    assert claimed is not None
    assert not session.in_transaction()
    assert (claimed.attempts, claimed.max_attempts, claimed.job) == (1, 1, "generate_random_number")
    assert claimed.task_params == {"lower_limit": 0.0, "upper_limit": 1.0, "author_id": 1}
    run = row(session, run_id)
    assert (run.state, run.token, run.process_id) == (RunState.RUNNING, token, process_id)
    assert (run.worker, run.started_at) == ("w1@host", claimed.started_at)


def test_a_claim_can_be_repeated(session: Session, run_id: int, process_id: UUID) -> None:
    """Its answer was lost with the connection: the same token gets the same run, as one attempt."""
    token = uuid4()
    claim(session, run_id, process_id, token)
    again = claim(session, run_id, process_id, token)
    assert again is not None
    assert again.attempts == 1


def test_another_delivery_gets_nothing(session: Session, run_id: int, process_id: UUID) -> None:
    """The message was sent or delivered twice."""
    claim(session, run_id, process_id, uuid4())
    assert claim(session, run_id, process_id, uuid4()) is None


def test_of_deliveries_at_once_one_gets_the_run(
    engine: Engine, run_id: int, process_id: UUID, at_once: AtOnce
) -> None:
    """The database decides."""

    def try_it() -> bool:
        with Session(engine) as own:
            return claim(own, run_id, process_id, uuid4()) is not None

    assert sorted(at_once(*[try_it] * 4)) == [False, False, False, True]


def test_a_process_that_is_gone_gets_nothing(
    session: Session, run_id: int, process_id: UUID
) -> None:
    """What it got would be taken back at once."""
    lose(session, process_id)
    assert claim(session, run_id, process_id, uuid4()) is None
    assert claim(session, run_id, uuid4(), uuid4()) is None


def test_a_run_that_waits_is_not_to_be_had_before_its_time(
    session: Session, run_id: int, process_id: UUID
) -> None:
    """An old message of it must not shorten the wait."""
    later = now(session) + timedelta(hours=1)
    session.execute(update(TaskResult).values(not_before=later))
    session.commit()
    assert claim(session, run_id, process_id, uuid4()) is None
    wait_is_over(session)
    assert claim(session, run_id, process_id, uuid4()) is not None
    assert row(session, run_id).not_before is None


def test_a_message_for_another_due_time_means_another_run(
    session: Session, run_id: int, process_id: UUID
) -> None:
    """As for runs that aren't claimed."""
    assert (
        claims.claim(
            session,
            run_id,
            DUE + timedelta(seconds=1),
            token=uuid4(),
            process_id=process_id,
            worker="w",
        )
        is None
    )


# Completing


def claimed_run(session: Session, run_id: int, process_id: UUID) -> tuple[ClaimedRun, UUID]:
    token = uuid4()
    run = claim(session, run_id, process_id, token)
    assert run is not None
    return run, token


def test_the_outcome_of_a_claimed_run_is_recorded(
    session: Session, run_id: int, process_id: UUID
) -> None:
    """And can be recorded again when the answer was lost, but not changed."""
    run, token = claimed_run(session, run_id, process_id)
    assert claims.complete(session, run_id, run, token, DONE)
    first = row(session, run_id)
    assert (first.state, first.result, first.attempt_log) == (RunState.SUCCEEDED, 0.25, None)
    finished = first.finished_at

    assert claims.complete(session, run_id, run, token, DONE), "it is recorded"
    assert not claims.complete(session, run_id, run, uuid4(), FAILED)

    again = row(session, run_id)
    assert (again.state, again.result, again.finished_at) == (RunState.SUCCEEDED, 0.25, finished)


def test_an_outcome_without_a_claim_can_be_recorded_again(session: Session, run_id: int) -> None:
    """The same delivery's statement was repeated; a stranger's isn't believed."""
    token = uuid4()
    assert unclaimed.complete_unclaimed(session, run_id, DUE, token, DONE)
    assert unclaimed.complete_unclaimed(session, run_id, DUE, token, DONE)
    assert not unclaimed.complete_unclaimed(session, run_id, DUE, uuid4(), DONE)


def test_a_late_writer_is_fenced_off(session: Session, run_id: int, process_id: UUID) -> None:
    """Its run was taken back and given to another one, whose outcome counts."""
    run, token = claimed_run(session, run_id, process_id)
    lose(session, process_id)
    recovery.take_back(session, lost_attempts=3)
    wait_is_over(session)
    other, other_token = claimed_run(session, run_id, register(session, 2))
    assert other.attempts == 2

    assert not claims.complete(session, run_id, run, token, FAILED)
    assert claims.complete(session, run_id, other, other_token, DONE)
    assert not claims.complete(session, run_id, run, token, FAILED)

    assert row(session, run_id).state == RunState.SUCCEEDED


def test_a_late_result_counts_while_nobody_else_has_the_run(
    session: Session, run_id: int, process_id: UUID
) -> None:
    """It was taken back but not yet claimed: the work is done."""
    run, token = claimed_run(session, run_id, process_id)
    lose(session, process_id)
    recovery.take_back(session, lost_attempts=3)

    assert claims.complete(session, run_id, run, token, DONE)

    done = row(session, run_id)
    assert (done.state, done.not_before) == (RunState.SUCCEEDED, None)
    assert claim(session, run_id, register(session, 2), uuid4()) is None


def test_a_failed_attempt_waits_for_the_next(
    session: Session, run_id: int, process_id: UUID
) -> None:
    """Queued again with what happened in the log."""
    run, token = claimed_run(session, run_id, process_id)
    delay = timedelta(minutes=5)

    assert claims.retry_later(session, run_id, run, token, FAILED, delay)
    assert claims.retry_later(session, run_id, run, token, FAILED, delay), "repeated"

    waiting = row(session, run_id)
    assert (waiting.state, waiting.process_id, waiting.error) == (RunState.QUEUED, None, None)
    assert waiting.not_before is not None
    assert abs(waiting.not_before - now(session) - delay) < timedelta(seconds=30)
    assert waiting.attempt_log is not None
    (entry,) = waiting.attempt_log
    assert (entry["attempt"], entry["error_type"], entry["error"]) == (1, "ValueError", "no")
    assert entry["worker"] == "w1@host"
    assert entry["started_at"] == run.started_at.isoformat()
    assert recovery.waiting_runs(session) == []
    wait_is_over(session)
    assert [found.id for found in recovery.waiting_runs(session)] == [run_id]


def test_noting_a_sending_leaves_a_newer_wait(
    session: Session, run_id: int, process_id: UUID
) -> None:
    """It was sent, claimed, and has failed again before its sending was noted."""
    run, token = claimed_run(session, run_id, process_id)
    claims.retry_later(session, run_id, run, token, FAILED, timedelta(hours=1))
    recovery.note_sent(session, [run_id])
    waiting = row(session, run_id)
    assert waiting.not_before is not None
    assert waiting.publishes == 0


def test_a_claim_clears_what_was_sent_in_vain(
    session: Session, run_id: int, process_id: UUID
) -> None:
    """Only sendings that nobody answered count against a run."""
    recovery.note_sent(session, [run_id])
    claimed_run(session, run_id, process_id)
    assert row(session, run_id).publishes == 0


def test_the_first_failure_of_an_unclaimed_run_is_an_attempt(
    session: Session, run_id: int, process_id: UUID
) -> None:
    """From then on the run is claimed."""
    token = uuid4()
    for _ in range(2):  # repeated
        assert unclaimed.retry_unclaimed(session, run_id, DUE, token, FAILED, timedelta())
    assert not unclaimed.retry_unclaimed(session, run_id, DUE, uuid4(), FAILED, timedelta())
    assert not unclaimed.complete_unclaimed(session, run_id, DUE, uuid4(), DONE)
    run, mine = claimed_run(session, run_id, process_id)
    assert run.attempts == 2
    assert claims.complete(session, run_id, run, mine, DONE)
    done = row(session, run_id)
    assert done.attempt_log is not None
    assert [entry["error_type"] for entry in done.attempt_log] == ["ValueError", None]


def test_the_log_of_attempts_is_bounded(session: Session, run_id: int, process_id: UUID) -> None:
    """A run that is tried for weeks doesn't fill its page."""
    long = Outcome(worker="w", elapsed=timedelta(), error_type="E", error="x" * 100_000)
    for _ in range(LOG_LENGTH + 5):
        run, token = claimed_run(session, run_id, process_id)
        claims.retry_later(session, run_id, run, token, long, timedelta(hours=-1))
    log = row(session, run_id).attempt_log
    assert log is not None
    assert [entry["attempt"] for entry in log] == list(range(6, LOG_LENGTH + 6))
    assert all(len(entry["error"]) <= run_updates.LOG_ERROR_LENGTH for entry in log)


# Taking back


def test_runs_of_a_lost_process_are_queued_again(
    session: Session, run_id: int, process_id: UUID, make_task: MakeTask
) -> None:
    """With the reason in the log; those of the living stay."""
    claimed_run(session, run_id, process_id)
    other = queue(session, make_task())
    claimed_run(session, other, register(session, 2))
    lose(session, process_id)

    assert recovery.take_back(session, lost_attempts=3) == (1, 0)
    assert recovery.take_back(session, lost_attempts=3) == (0, 0)

    run = row(session, run_id)
    assert (run.state, run.attempts, run.process_id) == (RunState.QUEUED, 1, None)
    assert run.not_before is not None
    assert run.attempt_log is not None
    assert run.attempt_log[0]["error_type"] == "WorkerLost"
    assert run.attempt_log[0]["error"] == "It was killed."
    assert row(session, other).state == RunState.RUNNING


@pytest.mark.parametrize(("max_attempts", "lost_attempts", "executed"), [(1, 3, 3), (5, 3, 5)])
def test_a_run_that_loses_every_worker_is_failed(
    session: Session, run_id: int, max_attempts: int, lost_attempts: int, executed: int
) -> None:
    """After so many attempts, or its job's if that has more; and it says why."""
    session.execute(update(TaskResult).values(max_attempts=max_attempts))
    session.commit()
    for attempt in range(1, executed + 1):
        process_id = register(session, attempt)
        wait_is_over(session)
        claimed_run(session, run_id, process_id)
        lose(session, process_id)
        back = recovery.take_back(session, lost_attempts=lost_attempts)
        assert back == ((1, 0) if attempt < executed else (0, 1))
    run = row(session, run_id)
    assert (run.state, run.error_type, run.attempts) == (RunState.FAILED, "WorkerLost", executed)
    assert run.error == (f"It was killed. Attempt {executed} of {executed}: it isn't tried again.")
    assert run.finished_at is not None


def test_a_stop_is_not_charged(session: Session, run_id: int, process_id: UUID) -> None:
    """The worker was told to stop: its run goes to another one as if nothing had been."""
    claimed_run(session, run_id, process_id)
    processes.mark_stopped(
        session,
        Identity(ProcessKind.WORKER, "w1@host", "host", 100, boot=BOOT),
        "It was told to stop.",
    )
    assert recovery.take_back(session, lost_attempts=1) == (1, 0)
    run = row(session, run_id)
    assert (run.state, run.attempts, run.attempt_log) == (RunState.QUEUED, 0, None)
    wait_is_over(session)
    assert claimed_run(session, run_id, register(session, 2))[0].attempts == 1


@pytest.mark.parametrize(("max_attempts", "state"), [(1, "failed"), (2, "queued")])
def test_a_run_over_its_time_limit_has_its_jobs_attempts(
    session: Session, run_id: int, process_id: UUID, max_attempts: int, state: str
) -> None:
    """It is the job's error, not the worker's."""
    session.execute(update(TaskResult).values(max_attempts=max_attempts))
    session.commit()
    claimed_run(session, run_id, process_id)
    lose(session, process_id, ProcessEnd.TIME_LIMIT)
    recovery.take_back(session, lost_attempts=3)
    run = row(session, run_id)
    assert run.state == state
    assert run.attempt_log is not None
    assert run.attempt_log[0]["error_type"] == "TimeLimitExceeded"


def test_a_claim_that_was_under_way_when_its_process_went_is_found(
    session: Session, run_id: int, process_id: UUID
) -> None:
    """Its process is looked at again for a while, and then never more."""
    lose(session, process_id)
    recovery.take_back(session, lost_attempts=3)
    session.execute(
        update(TaskResult).values(
            state=RunState.RUNNING, token=uuid4(), process_id=process_id, attempts=1
        )
    )
    session.execute(update(Process).values(gone_at=DUE))
    session.commit()
    assert recovery.take_back(session, lost_attempts=3) == (1, 0)
    assert session.scalars(select(Process.cleared)).one() is True


def test_a_deleted_tasks_running_run_is_not_completed(
    session: Session, run_id: int, process_id: UUID
) -> None:
    """It was cancelled by the deletion, which is final."""
    run, token = claimed_run(session, run_id, process_id)
    tasks.delete_tasks(session, [run.task_id])
    assert not claims.complete(session, run_id, run, token, DONE)
    assert row(session, run_id).state == RunState.CANCELLED


def any_of(session: Session, what: Any) -> list[Any]:
    found = list(session.scalars(select(what)))
    session.rollback()
    return found


# Processes


def test_a_process_beats_until_it_is_gone(session: Session, process_id: UUID) -> None:
    """Gone is final for an id: the process gets another one."""
    assert processes.beat(session, process_id)
    lose(session, process_id)
    assert not processes.beat(session, process_id)
    assert not processes.mark_gone(session, process_id, ProcessEnd.TIME_LIMIT, "again")
    assert any_of(session, Process.ending) == [ProcessEnd.LOST]


def test_silent_processes_expire(session: Session, process_id: UUID) -> None:
    """By the database's clock; whoever beat within the lease stays."""
    silent = register(session, 2)
    session.execute(
        update(Process)
        .where(Process.id == silent)
        .values(seen_at=now(session) - timedelta(seconds=31))
    )
    session.commit()
    assert processes.expire(session, timedelta(seconds=30)) == 1
    assert processes.expire(session, timedelta(seconds=30)) == 0
    assert [process.id for process in processes.living(session)] == [process_id]


def test_a_worker_that_stops_takes_its_children_with_it(session: Session, process_id: UUID) -> None:
    """Not another worker's, nor beat's in the same process, nor those of a container like it."""
    other = child(session, 3, parent_pid=200)
    elsewhere = child(session, 1, boot=uuid4())
    beat = processes.register(session, Identity(ProcessKind.BEAT, "beat", "host", 100, boot=BOOT))
    worker = Identity(ProcessKind.WORKER, "w1@host", "host", 100, boot=BOOT)
    processes.register(session, worker)
    assert processes.mark_stopped(session, worker, "It was told to stop.") == 2
    assert {process.id for process in processes.living(session)} == {other, elsewhere, beat}


def test_a_child_that_died_is_known_by_its_pid(session: Session, process_id: UUID) -> None:
    """Among those of its program: in containers host names and pids are often the same."""
    elsewhere = child(session, 1, boot=uuid4())
    assert processes.mark_gone_by_pid(session, BOOT, [1], ProcessEnd.LOST, "SIGKILL") == 1
    assert [process.id for process in processes.living(session)] == [elsewhere]


def child(session: Session, pid: int, *, parent_pid: int = 100, boot: UUID | None = None) -> UUID:
    return processes.register(
        session,
        Identity(
            ProcessKind.CHILD, "w1@host", "host", pid, parent_pid=parent_pid, boot=boot or BOOT
        ),
    )


def test_a_run_that_is_handed_back_is_somebody_elses(
    session: Session, run_id: int, process_id: UUID
) -> None:
    """At once, and its attempt isn't counted; a second time there is nothing to hand back."""
    token = uuid4()
    claim(session, run_id, process_id, token)
    assert claims.hand_back(session, run_id, token, problem=None, lost_attempts=3)
    run = row(session, run_id)
    assert (run.state, run.attempts, run.token) == (RunState.QUEUED, 0, None)
    assert not claims.hand_back(session, run_id, token, problem=None, lost_attempts=3)
    again = claim(session, run_id, process_id, uuid4())
    assert again is not None
    assert not claims.hand_back(session, run_id, token, problem=None, lost_attempts=3)


def test_a_run_that_fails_its_worker_each_time_is_failed(
    session: Session, run_id: int, process_id: UUID
) -> None:
    """It would otherwise go round for ever."""
    for attempt in range(1, 4):
        token = uuid4()
        assert claim(session, run_id, process_id, token) is not None
        claims.hand_back(session, run_id, token, problem="It broke.", lost_attempts=3)
        run = row(session, run_id)
        assert run.attempts == attempt
        if attempt < 3:
            assert run.not_before is not None
            session.execute(
                update(TaskResult).where(TaskResult.id == run_id).values(not_before=None)
            )
            session.commit()
    assert (run.state, run.error_type, run.error) == (RunState.FAILED, "WorkerFailed", "It broke.")
    assert run.attempt_log is not None
    assert [entry["attempt"] for entry in run.attempt_log] == [1, 2, 3]


def test_processes_that_are_gone_for_long_are_forgotten(session: Session, process_id: UUID) -> None:
    """When nothing of theirs can be left."""
    lose(session, process_id)
    session.execute(update(Process).values(gone_at=DUE))
    session.commit()
    assert processes.forget(session) == 0
    recovery.take_back(session, lost_attempts=3)
    assert processes.forget(session) == 1
