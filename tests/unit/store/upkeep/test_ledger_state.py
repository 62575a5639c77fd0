"""The launchers' watch, and their counters."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.rows.runs import DUE
from taskadmin.models import LedgerState
from taskadmin.store.upkeep import ledger_state

LEASE, TICK = timedelta(seconds=30), timedelta(seconds=5)


@pytest.fixture
def turns(session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Begin a turn that many seconds after the first one."""

    def turn(seconds: float) -> bool:
        monkeypatch.setattr(ledger_state, "now", lambda _: DUE + timedelta(seconds=seconds))
        return ledger_state.begin_turn(session, lease=LEASE, tick=TICK).whole_lease

    return turn  # type: ignore[return-value]


def test_a_lease_must_be_watched_without_a_gap(turns) -> None:  # type: ignore[no-untyped-def]
    """A launcher that has just started concludes nothing."""
    assert [turns(second) for second in (0, 5, 10, 15, 20, 25)] == [False] * 6
    assert turns(30)
    assert turns(44)


def test_a_gap_restarts_the_watch(turns) -> None:  # type: ignore[no-untyped-def]
    """After an outage all processes look silent, but none counts as gone."""
    for second in range(0, 31, 5):
        turns(second)
    assert not turns(46)
    assert not turns(60)
    assert not turns(75)
    assert turns(76)


def test_a_clock_that_is_set_back_restarts_the_watch(turns) -> None:  # type: ignore[no-untyped-def]
    """Ages are meaningless then."""
    for second in range(0, 31, 5):
        turns(second)
    assert not turns(10)


def test_counters_only_grow(session: Session) -> None:
    """Over all turns."""
    ledger_state.increase_counters(session, taken_back=2, pruned=0)
    ledger_state.increase_counters(session, taken_back=1, missed=5)
    state = session.get_one(LedgerState, 1)
    assert (state.taken_back, state.missed, state.pruned) == (3, 5, 0)


def test_the_ledgers_state_is_one_row(session: Session) -> None:
    """The migration inserts it."""
    assert session.scalar(select(func.count()).select_from(LedgerState)) == 1
