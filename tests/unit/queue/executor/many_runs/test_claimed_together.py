"""Claims of a message's runs: together, as many as begin soon."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from services.ledger.deliveries import QueueRuns, Rows, delivery
from services.ledger.heartbeats import StubHeartbeat
from services.rows.runs import DUE
from taskadmin.models import RunState, TaskResult
from taskadmin.queue.executor.execution import execute
from taskadmin.queue.executor.timing import timing_of
from taskadmin.store.runs import transitions


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch, rows: Rows) -> list[tuple[list[int], list[RunState]]]:
    """Record which runs each statement claimed, and all runs before it."""
    original, claims = transitions.claim, list[tuple[list[int], list[RunState]]]()

    def note(session: Session, run_ids: Sequence[int], **options: Any) -> Any:
        claims.append((list(run_ids), [run.state for run in rows()]))
        return original(session, run_ids, **options)

    monkeypatch.setattr(transitions, "claim", note)
    return claims


@pytest.mark.parametrize(
    ("pace", "first"),
    [
        pytest.param(None, 1, id="nobody knows: one alone"),
        pytest.param(0.0, 8, id="next to nothing: all"),
        pytest.param(0.1, 3, id="a tenth of a second"),
        pytest.param(0.2, 2, id="a fifth"),
        pytest.param(0.25, 1, id="a quarter"),
        pytest.param(3_600.0, 1, id="an hour"),
    ],
)
def test_as_many_are_claimed_together_as_begin_soon(
    session: Session,
    queue_runs: QueueRuns,
    rows: Rows,
    clock: SimpleNamespace,
    claims: list[tuple[list[int], list[RunState]]],
    pace: float | None,
    first: int,
) -> None:
    """Outcomes are recorded before the next claim."""
    if pace is not None:
        timing_of(session).add("a_job", pace)
    ids = queue_runs(lambda: 1, 8)

    assert execute(session, delivery(session, ids, DUE)) == 8

    assert claims[0][0] == ids[:first]
    assert [run_id for claimed, _ in claims for run_id in claimed] == ids, "each once"
    done = 0
    for claimed, before in claims:
        queued = len(ids) - done
        assert before == [RunState.SUCCEEDED] * done + [RunState.QUEUED] * queued
        done += len(claimed)
    assert {(run.state, run.attempts) for run in rows()} == {(RunState.SUCCEEDED, 1)}


def test_a_jobs_pace_is_learnt_from_its_first_run(
    session: Session,
    queue_runs: QueueRuns,
    clock: SimpleNamespace,
    claims: list[tuple[list[int], list[RunState]]],
) -> None:
    """The rest of the message is claimed together, since its runs are short."""
    ids = queue_runs(lambda: 1, 5)
    execute(session, delivery(session, ids, DUE))
    assert [claimed for claimed, _ in claims] == [ids[:1], ids[1:]]


def test_all_that_are_claimed_are_running_while_one_of_them_runs(
    session: Session,
    heartbeat: StubHeartbeat,
    queue_runs: QueueRuns,
    rows: Rows,
    clock: SimpleNamespace,
    take_no_time: None,
) -> None:
    """Pages show it, and other deliveries leave them alone."""
    seen: list[Any] = []

    def look() -> None:
        seen.append({(run.state, run.attempts, run.process_id, run.worker) for run in rows()})
        assert len({run.token for run in rows()}) == 1
        seen.append(execute(session, delivery(session, ids, DUE, redelivered=True)))

    ids = queue_runs(look, 3)

    assert execute(session, delivery(session, ids, DUE, heartbeat=heartbeat)) == 3

    assert seen == [{(RunState.RUNNING, 1, heartbeat.id, "w1@host")}, 0] * 3
    assert {(run.state, run.attempts) for run in rows()} == {(RunState.SUCCEEDED, 1)}


def test_only_those_that_have_to_be_are_claimed(
    session: Session,
    queue_runs: QueueRuns,
    rows: Rows,
    clock: SimpleNamespace,
    take_no_time: None,
    claims: list[tuple[list[int], list[RunState]]],
) -> None:
    """One run of a message was sent before; all are recorded together."""
    ids = queue_runs(lambda: 1, 4, record_start=False)
    session.execute(update(TaskResult).where(TaskResult.id == ids[2]).values(publishes=1))
    session.commit()

    assert execute(session, delivery(session, ids, DUE)) == 4

    assert [claimed for claimed, _ in claims] == [[ids[2]]]
    assert {(run.state, run.attempts) for run in rows()} == {(RunState.SUCCEEDED, 1)}
