"""People and tasks of the site. What tasks do is real: the site's processes run them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from e2e.history import add_history
from services.processes import wait_for
from taskadmin.accounts.passwords import hash_password
from taskadmin.models import Overlap, RunState, TaskResult
from taskadmin.schedules import ScheduleKind
from taskadmin.store import pauses, tasks, users
from taskadmin.store.audit import Actor
from taskadmin.store.schedules import ScheduleInput

PASSWORD = "a password of people who don't exist"
SUPERUSER, REVIEWER, NOBODY = "ana", "rita", "boris"
#: Whose password is reset, which ends sessions.
FORGETFUL = "paul"
PEOPLE = (SUPERUSER, REVIEWER, NOBODY, FORGETFUL)
#: As long as names may be, without a place to break it; and everything that HTML minds.
LONG_NAME = "Messwertübertragungsprotokollauswertung" * 3
ODD_NAME = """<b>"Bold" & 'brave'</b> {{ 7 * 7 }} \N{SNOWMAN}"""
EVERY_2_SECONDS = ScheduleInput(
    kind=ScheduleKind.INTERVAL, every_s=2, overlap=Overlap.SKIP, max_runs=5
)
#: Three at once of runs that take a minute: some run is running whenever a page is looked at, and
#: the newest of them for a while yet.
EVERY_20_SECONDS = ScheduleInput(kind=ScheduleKind.INTERVAL, every_s=20, overlap=Overlap.ALLOW)


@dataclass(frozen=True)
class Sample:
    """Ids of what there is to look at."""

    #: Of tasks, by what is special about them.
    good: int
    failing: int
    slow: int
    paused: int
    orphaned: int
    #: Of runs, by their state.
    runs: dict[RunState, int]
    launch: int
    author: int
    forgetful: int


def add_people(session: Session) -> None:
    """A superuser, a reviewer and somebody without rights."""
    password_hash = hash_password(PASSWORD)
    users.create_user(session, SUPERUSER, password_hash=password_hash, is_superuser=True)
    users.create_user(session, REVIEWER, password_hash=password_hash, can_review_tasks=True)
    users.create_user(session, NOBODY, password_hash=password_hash)
    users.create_user(session, FORGETFUL, password_hash=password_hash)


@contextmanager
def make_sample(session: Session) -> Iterator[Sample]:
    """Add tasks and wait until their runs have come to every state that they can have."""
    people = {name: users.find_user(session, name) for name in PEOPLE}
    ana, boris, paul = people[SUPERUSER], people[NOBODY], people[FORGETFUL]
    assert ana is not None
    assert boris is not None
    assert paul is not None
    actor = Actor(ana.id, ana.username, "192.0.2.1")

    def random(name: str, lower: float, upper: float, author: int = ana.id) -> int:
        arguments = {"lower_limit": lower, "upper_limit": upper}
        return tasks.create_task(session, author_id=author, name=name, arguments=arguments).id

    with _silent_server() as silent, _closed_port() as closed:
        good = random("Dice", 1, 6)
        # At once: runs are listed in the order in which they came.
        add_history(session, [good, random("Unit interval", 0, 1)])
        random(LONG_NAME, -1.7e308, 1.7e308)
        random(ODD_NAME, 0, 1, boris.id)
        paused = random("Paused", 2.5, 2.75)
        pauses.pause_tasks(session, [paused], actor=actor, note="The sensor is being repaired.")
        failing = tasks.create_task(
            session,
            author_id=ana.id,
            name="Latency of the shop",
            job="http_latency",
            arguments={"url": closed, "timeout": 2.5},
            schedule=ScheduleInput(kind=ScheduleKind.INTERVAL, every_s=2),
        ).id
        slow = tasks.create_task(
            session,
            author_id=ana.id,
            name="Latency of a page that hangs",
            job="http_latency",
            arguments={"url": silent, "timeout": 60},
            schedule=EVERY_2_SECONDS,
        ).id
        tasks.create_task(
            session,
            author_id=ana.id,
            name="Latency of another page that hangs",
            job="http_latency",
            arguments={"url": silent, "timeout": 60},
            schedule=EVERY_20_SECONDS,
        )
        orphaned = tasks.create_task(
            session,
            author_id=ana.id,
            name="Of a job that is gone",
            job="gone",
            arguments={"to": "ana"},
        ).id
        tasks.create_task(
            session,
            author_id=ana.id,
            name="Results on record",
            job="table_rows",
            arguments={"table": "taskadmin_task_result"},
            schedule=ScheduleInput(kind=ScheduleKind.CRON, cron="30 2 * * *", zone="Europe/Berlin"),
        )

        def newest() -> dict[RunState, int]:
            session.rollback()
            wanted = {
                RunState.SUCCEEDED: good,
                RunState.FAILED: failing,
                RunState.RUNNING: slow,
                RunState.SKIPPED: slow,
            }
            found = {}
            for state, task_id in wanted.items():
                run_id = session.scalar(
                    select(TaskResult.id)
                    .where(TaskResult.state == state, TaskResult.task_id == task_id)
                    .order_by(TaskResult.id.desc())
                    .limit(1)
                )
                if run_id is not None:
                    found[state] = run_id
            return found if len(found) == len(wanted) else {}

        runs = wait_for(newest, seconds=60, what="runs in every state")
        launch = session.scalar(
            select(TaskResult.launch_id).where(TaskResult.id == runs[RunState.SUCCEEDED])
        )
        assert launch is not None
        session.rollback()
        yield Sample(good, failing, slow, paused, orphaned, runs, launch, boris.id, paul.id)


@contextmanager
def _silent_server() -> Iterator[str]:
    """Address of a server that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


@contextmanager
def _closed_port() -> Iterator[str]:
    """Address at which nothing listens, and nothing will."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{holder.getsockname()[1]}/"
