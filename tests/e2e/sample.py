"""The site's users and tasks. The site's processes execute the tasks."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from e2e.history import add_history
from services.servers.processes import wait_for
from taskadmin.models import (
    ChannelKind,
    NotificationChannel,
    NotificationRule,
    NotifiedEvent,
    Overlap,
    RunState,
    TaskResult,
    Throttle,
    User,
)
from taskadmin.schedules import ScheduleKind
from taskadmin.store.database.clock import now
from taskadmin.store.people import tokens, users
from taskadmin.store.people.audit import Actor
from taskadmin.store.people.passwords import hash_password
from taskadmin.store.people.tokens import Scope
from taskadmin.store.tasks import pauses, tasks
from taskadmin.store.tasks.schedules import ScheduleInput

PASSWORD = "a password of people who don't exist"
SUPERUSER, REVIEWER, NOBODY = "ana", "rita", "boris"
#: A user whose password is reset, and whose log in is blocked after failed attempts.
FORGETFUL = "paul"
#: A user who must replace the password that a superuser set.
NEWCOMER = "nova"
PEOPLE = (SUPERUSER, REVIEWER, NOBODY, FORGETFUL, NEWCOMER)
#: The longest name, without a place to break it, and one full of HTML's special characters.
LONG_NAME = "Messwertübertragungsprotokollauswertung" * 3
ODD_NAME = """<b>"Bold" & 'brave'</b> {{ 7 * 7 }} \N{SNOWMAN}"""
EVERY_2_SECONDS = ScheduleInput(
    kind=ScheduleKind.INTERVAL, every_seconds=2, overlap=Overlap.SKIP, max_runs=5
)
#: Runs of a minute, three at once, so that one is always running and the newest keeps running.
EVERY_20_SECONDS = ScheduleInput(
    kind=ScheduleKind.INTERVAL, every_seconds=20, overlap=Overlap.ALLOW
)


@dataclass(frozen=True)
class Sample:
    """Ids of tasks, runs and users for the tests."""

    #: Tasks.
    good: int
    failing: int
    slow: int
    paused: int
    orphaned: int
    #: Runs, by their state.
    runs: dict[RunState, int]
    launch: int
    author: int
    forgetful: int
    #: An API token of the superuser's.
    token: int
    #: A channel with rules.
    channel: int


def add_people(session: Session) -> None:
    """Add a superuser, a reviewer and ordinary users."""
    password_hash = hash_password(PASSWORD)
    ana = users.create_user(session, SUPERUSER, password_hash=password_hash, is_superuser=True)
    users.create_user(session, REVIEWER, password_hash=password_hash, can_review_tasks=True)
    users.create_user(session, NOBODY, password_hash=password_hash)
    users.create_user(session, FORGETFUL, password_hash=password_hash)
    by = Actor(ana.id, ana.username, "192.0.2.1")
    users.create_user(session, NEWCOMER, password_hash=password_hash, actor=by)
    for counter, key, attempts in (
        ("account", FORGETFUL, 23),
        ("address", "2001:db8:1234:5678::/64", 1_120),
    ):
        until = now(session) + timedelta(days=1)
        session.add(Throttle(counter=counter, key=key, attempts=attempts, blocked_until=until))
    session.commit()


def add_tokens(session: Session) -> int:
    """Add API tokens of a superuser and another user, one with a long name; return the first id."""
    names = {SUPERUSER: (ODD_NAME, LONG_NAME[:100]), FORGETFUL: ("Nightly build",)}
    ids = []
    for username, mine in names.items():
        user = session.scalars(select(User).where(User.username == username)).one()
        by = Actor(user.id, username, "192.0.2.1")
        for name, scope in zip(mine, (Scope.MANAGE, Scope.READ), strict=False):
            lasts = timedelta(days=90)
            made = tokens.create_token(
                session, user, name=name, scopes=[scope], lasts=lasts, actor=by
            )
            ids.append(made.token.id)
    tokens.note_used(session, ids[0])
    return ids[0]


def add_channel(session: Session, author: int, task: int) -> int:
    """Add a channel with two rules, whose events don't happen."""
    moment = now(session)
    channel = NotificationChannel(
        name=ODD_NAME,
        kind=ChannelKind.WEBHOOK,
        address="sealed",
        gather_seconds=0,
        read_upto=moment,
        created_by=author,
    )
    session.add(channel)
    session.flush()
    for event, scope in ((NotifiedEvent.SILENT, {}), (NotifiedEvent.FAILED, {"task_id": task})):
        session.add(NotificationRule(channel_id=channel.id, event=event, **scope))
    session.commit()
    return channel.id


@contextmanager
def make_sample(session: Session) -> Iterator[Sample]:
    """Add tasks, and wait until they have runs in all states."""
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
        # All at once, because runs are listed in the order of their creation.
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
            schedule=ScheduleInput(kind=ScheduleKind.INTERVAL, every_seconds=2),
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
        token = add_tokens(session)
        users_ids = (boris.id, paul.id)
        channel = add_channel(session, ana.id, good)
        ids = (*users_ids, token, channel)
        yield Sample(good, failing, slow, paused, orphaned, runs, launch, *ids)


@contextmanager
def _silent_server() -> Iterator[str]:
    """Yield the address of a server that accepts connections and never responds."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


@contextmanager
def _closed_port() -> Iterator[str]:
    """Yield an address on which nothing listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{holder.getsockname()[1]}/"
