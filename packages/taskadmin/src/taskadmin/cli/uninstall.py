"""``flask taskadmin uninstall``: remove what taskadmin has in the database and at the broker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
from celery import Celery
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy import URL

from .. import migrations
from ..errors import BrokerUnavailable
from ..migrations import ExistingTable
from ..models import Process
from ..queue.celery_app.queues import own_queues
from ..queue.removal import DELAYED_DELIVERY, BrokerObjects, Kept, delete_objects, find_objects
from ..state import get_state
from ..store.database.transaction import reading
from ..store.reports import health
from ..store.reports.health import LiveProcess
from .output import say

#: Timeout of each reply of the broker, and of the query for processes.
_TIMEOUT_SECONDS = 5.0


@click.command("uninstall")
@with_appcontext
@click.option("--yes", is_flag=True, help="Don't ask.")
def uninstall(yes: bool) -> None:
    """Remove all of taskadmin's tables and queues, with everything in them.

    Lists them first and asks. Stop workers, launchers and beat before.
    """
    tables = migrations.existing_tables(current_app)
    _refuse_while_used(tables)
    celery = get_state().celery
    objects, problem = _find(celery)
    if not tables and not any(objects) and problem is None:
        say("Nothing of taskadmin is left.")
        return
    for line in _listed(tables, objects):
        say(line)
    if problem is not None:
        say("The broker can't be reached: its queues, if there are any, will stay.")
    if not yes:
        click.confirm("Remove all of this? It can't be undone.", abort=True)
    migrations.drop_tables(current_app)
    say(f"{len(tables)} tables removed.")
    if celery is not None:
        _remove_from_broker(celery, objects, problem)


def _refuse_while_used(tables: Sequence[ExistingTable]) -> None:
    """Refuse while a process has sent a heartbeat within a lease."""
    if Process.__tablename__ not in {table.name for table in tables}:
        return
    state = get_state()
    with reading(state.session, seconds=_TIMEOUT_SECONDS):
        lease = state.settings.lease_seconds
        live = [
            one
            for one in health.live_processes(state.session)
            if one.silent.total_seconds() < lease
        ]
    if live:
        raise click.ClickException(
            "These processes are running; stop them first, or, if they were killed, wait"
            f" {lease:g} seconds:\n" + "\n".join(map(_process, live))
        )


def _process(one: LiveProcess) -> str:
    return f"  {one.kind} {one.name} (pid {one.pid}), seen {one.silent.total_seconds():.0f} s ago"


def _find(celery: Celery | None) -> tuple[BrokerObjects, str | None]:
    """Return what the broker has, and why it can't be reached."""
    nothing = BrokerObjects([], [], [])
    if celery is None:
        return nothing, None
    try:
        return find_objects(celery, timeout_seconds=_TIMEOUT_SECONDS), None
    except BrokerUnavailable as error:
        return nothing, str(error)


def _listed(tables: Sequence[ExistingTable], objects: BrokerObjects) -> Iterator[str]:
    if tables:
        schema = get_state().settings.database_schema
        yield f"Database {_database()}{'' if schema is None else f', schema {schema}'}:"
        for table in tables:
            yield f"  table {table.name}: {_number(table.rows, 'row')}"
    if any(objects):
        yield "Broker:"
        for queue in objects.queues:
            yield f"  queue {queue.name}: {_number(queue.messages, 'message')}"
        for name in objects.exchanges:
            yield f"  exchange {name}"
        if objects.delayed:
            yield f"  {DELAYED_DELIVERY}, Celery's delayed delivery, unless others use it"


def _database() -> str:
    db = get_state().db
    assert db is not None  # the tables were found there
    url: URL = db.engine.url
    return url.render_as_string(hide_password=True)


def _number(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _remove_from_broker(celery: Celery, objects: BrokerObjects, problem: str | None) -> None:
    kept: list[Kept] = []
    if problem is None:
        try:
            kept = delete_objects(celery, objects, timeout_seconds=_TIMEOUT_SECONDS)
        except BrokerUnavailable as error:
            problem = str(error)
    if problem is not None:
        names = ", ".join(queue.name for queue in own_queues(celery))
        say(
            f"The broker can't be reached ({problem}). If it still has taskadmin's queues, run flask"
            f" taskadmin uninstall again later, or delete these queues and exchanges: {names}; and"
            f" {DELAYED_DELIVERY}, if no other application there uses Celery's quorum queues.",
            err=True,
        )
        return
    say("Queues and exchanges removed." if any(objects) else "The broker had no queues.")
    for one in kept:
        say(f"Kept {one.name}: {one.why}.", err=True)
