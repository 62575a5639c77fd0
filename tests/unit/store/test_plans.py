"""The ledger's statements with generic plans, on a long-lived connection."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import URL, create_engine, event, select, text, update
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask
from services.constants import hidden_constant
from services.ledger.calls import BY_PEOPLE, CALLS, PARTS
from services.ledger.world import World
from services.rows.launches import add_launch
from services.rows.runs import DONE, DUE, register, unclaimed
from taskadmin.models import (
    Launch,
    LaunchKind,
    LaunchState,
    RunState,
    TaskResult,
)
from taskadmin.store.launches import closing, due, slots
from taskadmin.store.reports import failures, health, overdue
from taskadmin.store.runs import open_runs, overlap, transitions
from taskadmin.store.runs.outcome_columns import FinishedRun
from taskadmin.store.tasks import pauses
from taskadmin.store.upkeep import pruning, recovery

pytestmark = pytest.mark.databases("postgresql")

#: psycopg prepares the sixth execution; PostgreSQL may use a generic plan five later.
TIMES = 20
#: Partial indexes that the statements need, and their large tables.
RELIES_ON: list[tuple[Callable[..., Any], str]] = [
    (slots.open_slot, "taskadmin_launch_slot_key"),
    (slots.resumable, "taskadmin_launch_open_idx"),
    (closing.close_finished, "taskadmin_launch_open_idx"),
    (closing.close_finished, "taskadmin_task_result_open_idx"),
    (due.launch_due, "taskadmin_schedule_next_due_idx"),
    (failures.recent_failures, "taskadmin_task_result_error_id_idx"),
    (health.missed_slots, "taskadmin_launch_slot_key"),
    (health.stuck_launches, "taskadmin_launch_open_idx"),
    (health.stuck_runs, "taskadmin_task_result_open_idx"),
    (overdue.oldest_ages, "taskadmin_launch_closed_at_idx"),
    (overdue.oldest_ages, "taskadmin_launch_slot_key"),
    (overdue.oldest_ages, "taskadmin_task_deleted_at_idx"),
    (overlap.release_waiting, "taskadmin_schedule_waiting_run_id_idx"),
    (pauses.resume_due, "taskadmin_pause_resume_at_idx"),
    (pruning.prune_old, "taskadmin_launch_closed_at_idx"),
    (pruning.prune_missed, "taskadmin_launch_slot_key"),
    (pruning.prune_deleted, "taskadmin_task_deleted_at_idx"),
    (recovery.waiting_runs, "taskadmin_task_result_not_before_idx"),
    (recovery.runs_to_republish, "taskadmin_task_result_open_idx"),
    (recovery.oldest_publish, "taskadmin_task_result_open_idx"),
]


@pytest.fixture(params=["auto", "force_generic_plan"])
def world(database_url: URL, request: pytest.FixtureRequest) -> Iterator[World]:
    """A site on one connection, with this plan_cache_mode."""
    engine = create_engine(
        database_url,
        pool_size=1,
        max_overflow=0,
        connect_args={
            # Tables of tests are too small for an index to be worth it; to be forbidden looks
            # so expensive that PostgreSQL would compile each statement.
            "options": f"-c plan_cache_mode={request.param} -c enable_seqscan=off -c jit=off"
        },
    )
    with Session(engine) as session:
        yield World(session)
    engine.dispose()


def _name(function: Callable[..., Any]) -> str:
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"


def _generic_plans(session: Session) -> list[str]:
    """Return the generic plans of the connection's prepared statements."""
    plans = []
    for name, types in session.execute(
        text("SELECT name, cardinality(parameter_types) FROM pg_prepared_statements")
    ).all():
        arguments = f"({', '.join(['NULL'] * types)})" if types else ""
        plan = session.execute(text(f'EXPLAIN EXECUTE "{name}"{arguments}'))
        plans.append("\n".join(plan.scalars()))
    return plans


def test_the_table_has_every_function_of_the_ledger() -> None:
    """A new function needs an entry that calls it."""
    modules = {inspect.getmodule(function) for function in CALLS}
    found = {
        function
        for module in modules
        for name, function in vars(module).items()
        if inspect.isfunction(function)
        and function.__module__ == module.__name__  # type: ignore[union-attr]
        and not name.startswith("_")
        and next(iter(inspect.signature(function).parameters), None) == "session"
    }
    assert found - set(CALLS) - PARTS - BY_PEOPLE == set()


def test_no_statement_fails_under_a_plan_that_knows_no_parameter(world: World) -> None:
    """Drivers prepare repeated statements, and PostgreSQL may plan them without parameters."""
    failed = {}
    for function, call in CALLS.items():
        for number in range(TIMES):
            try:
                call(world.session, world)
                world.session.commit()
            except Exception as error:  # noqa: BLE001 - all that fail are named together
                world.session.rollback()
                failed[_name(function)] = (number, str(error).splitlines()[0])
                break
    assert failed == {}


@pytest.mark.parametrize("world", ["force_generic_plan"], indirect=True)
def test_partial_indexes_are_used_by_generic_plans(world: World) -> None:
    """Their predicates must be literals: PostgreSQL can't match a parameter with them."""
    unused = []
    for function, index in RELIES_ON:
        world.session.rollback()  # forgets what is prepared
        for _ in range(TIMES):
            CALLS[function](world.session, world)
            world.session.commit()
        if not any(index in plan for plan in _generic_plans(world.session)):
            unused.append((_name(function), index))
    assert unused == []


def test_runs_are_looked_up_by_their_ids(
    database_url: URL, session: Session, make_task: MakeTask
) -> None:
    """Also without statistics, and with any cached plan."""
    launch = add_launch(session, make_task().id, {RunState.QUEUED: 20_000})
    ids = list(session.scalars(select(TaskResult.id).where(TaskResult.launch_id == launch.id)))
    owner: dict[str, Any] = {"process_id": register(session), "worker": "w1@host"}
    engine = create_engine(database_url, pool_size=1, max_overflow=0)
    plans: dict[str, str] = {}

    @event.listens_for(engine, "before_cursor_execute")
    def explain(_connection: Any, cursor: Any, statement: str, given: Any, *_: Any) -> None:
        if "= ANY" in statement:
            with cursor.connection.cursor() as own:
                own.execute(f"EXPLAIN {statement}", given, prepare=False)
                plans[statement] = "\n".join(plan for (plan,) in own.fetchall())

    with Session(engine) as working:
        for number in (1, 100):  # a connection keeps a plan from the first that has none
            for _ in range(TIMES):
                some, others = [[ids.pop() for _ in range(number)] for _ in range(2)]
                token = uuid4()
                open_runs.read_open(working, [(run_id, DUE) for run_id in some], token)
                transitions.claim(working, some, token=token, **owner)
                transitions.give_back(working, some, token)
                claimed = transitions.claim(working, some, token=token, **owner)
                for taken in (claimed, [unclaimed(run_id) for run_id in others]):
                    done = [FinishedRun(run, DONE) for run in taken]
                    assert len(transitions.finish(working, done, token)) == number
        kept = [plan for plan in _generic_plans(working) if "(id = ANY (" in plan]
    engine.dispose()
    assert len(plans) == len(kept) == 4
    for plan in (*plans.values(), *kept):
        assert "Index Cond: (id = ANY" in plan, plan
        for slow in ("Seq Scan", "Nested Loop", "Join"):
            assert slow not in plan, plan


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO taskadmin_launch … ON CONFLICT (slot) WHERE kind = %(kind_1)s DO NOTHING",
        "INSERT INTO taskadmin_launch … ON CONFLICT (slot) WHERE kind = ? DO UPDATE SET reason = ?",
        "SELECT id FROM taskadmin_task_result WHERE taskadmin_task_result.state = %(state_1)s",
        "SELECT id FROM taskadmin_launch WHERE kind IN (__[POSTCOMPILE_kind_1])",
        "SELECT id FROM taskadmin_process WHERE ending != ?",
    ],
)
def test_a_parameter_where_a_constant_belongs_is_found(statement: str) -> None:
    """In every statement of all tests."""
    assert hidden_constant(statement) is not None


def test_assignments_are_no_conditions(session: Session, count_queries: CountQueries) -> None:
    """Assigned values can be parameters; compared ones must be literals."""
    with count_queries() as statements:
        session.execute(
            update(Launch)
            .where(Launch.kind == LaunchKind.SLOT, Launch.state.in_([LaunchState.MISSED]))
            .values(state=LaunchState.OPENING, reason="why")
        )
    assert "kind = 'slot'" in statements[-1] and "state IN ('missed')" in statements[-1]
    assert hidden_constant(statements[-1]) is None
