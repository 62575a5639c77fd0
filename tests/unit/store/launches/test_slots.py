"""Launches of slots, opened once each."""

from __future__ import annotations

from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.orm import Session

from fixture_types import AtOnce, CountQueries, MakeTask
from services.ledger.launchers import (
    DAY,
)
from taskadmin.models import Launch, LaunchKind, LaunchState
from taskadmin.store.database import clock
from taskadmin.store.launches import launches, slots


def test_the_due_slot_is_opened_once(session: Session, make_task: MakeTask) -> None:
    """With the tasks that exist now, at the slot's time by the database's clock."""
    last = [make_task().id for _ in range(3)][-1]
    launch_id = slots.open_slot(session, DAY)
    assert slots.open_slot(session, DAY) is None
    launch = session.get_one(Launch, launch_id)
    assert (launch.kind, launch.state) == (LaunchKind.SLOT, LaunchState.OPENING)
    assert launch.slot == clock.slot_of(launch.opened_at, DAY)
    assert (launch.after_task_id, launch.upto_task_id) == (0, last)
    assert (launch.interval_seconds, launch.owner) == (DAY, None)


def test_launchers_at_once_open_a_slot_once(
    engine: Engine, make_task: MakeTask, at_once: AtOnce
) -> None:
    """Only one of them gets the launch."""
    make_task()

    def open_slot() -> int | None:
        with Session(engine) as own:
            return slots.open_slot(own, DAY)

    opened = at_once(*[open_slot] * 8)
    assert [type(result) for result in opened if result is not None] == [int]
    with Session(engine) as own:
        assert own.scalar(select(func.count()).select_from(Launch)) == 1


def test_looking_for_a_slot_writes_nothing_when_none_is_due(
    session: Session, count_queries: CountQueries
) -> None:
    """Most ticks find none."""
    slots.open_slot(session, DAY)
    with count_queries() as statements:
        slots.open_slot(session, DAY)
    assert [statement.split()[0] for statement in statements] == ["SELECT"] * 3


def test_a_missed_slot_is_opened_while_it_lasts(session: Session, make_task: MakeTask) -> None:
    """A clock that jumped forward and back may have recorded the current slot as missed."""
    launch_id = slots.open_slot(session, DAY)
    session.execute(update(Launch).values(state=LaunchState.MISSED, reason="the clock jumped"))
    session.commit()
    task = make_task()
    assert slots.open_slot(session, DAY) == launch_id
    launch = session.get_one(Launch, launch_id)
    assert (launch.state, launch.reason) == (LaunchState.OPENING, None)
    assert launch.upto_task_id == task.id


def test_missed_slots_are_not_among_the_open_launches(session: Session) -> None:
    """The index of open launches doesn't grow with missed slots, and is used."""
    dialect = session.get_bind().dialect.name
    catalog = (
        "SELECT indexdef FROM pg_indexes WHERE indexname = :name"
        if dialect == "postgresql"
        else "SELECT sql FROM sqlite_master WHERE name = :name"
    )
    name = "taskadmin_launch_open_idx"
    assert "'missed'" in session.execute(text(catalog), {"name": name}).scalar_one()
    if dialect == "postgresql":
        session.execute(text("SET LOCAL enable_seqscan = off"))
        session.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
    query = select(Launch.id).where(launches.IS_OPEN_LAUNCH, Launch.state == LaunchState.OPENING)
    compiled = str(
        query.order_by(Launch.id).compile(
            session.get_bind(), compile_kwargs={"literal_binds": True}
        )
    )
    explain = "EXPLAIN" if dialect == "postgresql" else "EXPLAIN QUERY PLAN"
    plan = session.execute(text(f"{explain} {compiled}")).all()
    assert name in str(plan)
