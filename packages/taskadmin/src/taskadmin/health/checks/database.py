"""Checks of the database: connection, version, clock, pooler, schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from ... import migrations
from ...errors import RegistrationError
from ...state import get_state
from ...store.database.outage import first_line
from ...store.database.pooler import POOLER_FIX, Pooling, pooling
from ...store.database.transaction import reading
from ...store.reports import health
from ...store.reports.health import Server
from ..finding import Answer, ok, problem, warning
from ..probe import NoAnswer, Probe

if TYPE_CHECKING:
    from flask import Flask

#: Timeout of the database, in seconds.
_QUERY_TIMEOUT_SECONDS = 10.0
_DATABASE_NAMES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
#: PostgreSQL 13 is the oldest tested version; SQLite 3.35 introduced RETURNING.
_OLDEST_VERSIONS = {"postgresql": (13,), "sqlite": (3, 35)}
#: Differences from the database's clock, in seconds.
_SKEW_WARNING, _SKEW_PROBLEM = 2.0, 60.0


def database(app: Flask) -> Answer:
    """Check that the database is reachable and supported."""
    db = get_state(app).db
    if db is None:
        return problem("taskadmin has no database.", "Call Models().init_app(app, db=db).")
    with app.app_context():
        place = _place(db.engine.url)
    try:
        found = Probe(lambda: _ask(app), seconds=_QUERY_TIMEOUT_SECONDS).start().result()
    except NoAnswer:
        return problem(
            f"The database at {place} didn't respond within {_QUERY_TIMEOUT_SECONDS:g} s.",
            "Check that it is running and what keeps it busy, or correct SQLALCHEMY_DATABASE_URI.",
        )
    except SQLAlchemyError as error:
        return problem(
            f"The database at {place} can't be used: {first_line(error)}",
            "Start the database, or correct SQLALCHEMY_DATABASE_URI.",
        )
    name = _DATABASE_NAMES.get(found.dialect, found.dialect)
    version = ".".join(str(number) for number in found.version)
    if found.dialect not in _OLDEST_VERSIONS:
        return problem(
            f"{name} {version} at {place}: taskadmin supports PostgreSQL and SQLite.",
            "Set SQLALCHEMY_DATABASE_URI to a PostgreSQL database.",
        )
    oldest = _OLDEST_VERSIONS[found.dialect]
    if found.version < oldest:
        return problem(
            f"{name} {version} at {place} is too old.",
            f"Upgrade to {name} {'.'.join(str(number) for number in oldest)} or newer.",
        )
    return ok(f"{name} {version} at {place}")


def _ask(app: Flask) -> Server:
    with app.app_context():
        session = get_state(app).session
        with reading(session, seconds=_QUERY_TIMEOUT_SECONDS):
            return health.server(session)


def _place(url: URL) -> str:
    """Return its location without user, password and options, which may contain a password."""
    if url.get_backend_name() == "sqlite":
        return url.database or "memory"
    port = f":{url.port}" if url.port else ""
    return f"{url.host or 'localhost'}{port}/{url.database or ''}"


def clock_skew(app: Flask) -> Answer:
    """Check that the clocks of this machine and the database agree."""
    session = get_state(app).session
    with reading(session, seconds=_QUERY_TIMEOUT_SECONDS):
        found = health.clock_skew(session)
    ahead = found.ahead.total_seconds()
    give_or_take = f"± {found.uncertainty.total_seconds():.3f} s"
    direction = "behind" if ahead > 0 else "ahead of"
    what = (
        f"This machine's clock is {abs(ahead):.3f} s {direction} the database's ({give_or_take})."
    )
    fix = "Synchronize both machines' clocks: timedatectl set-ntp true"
    certain = abs(ahead) - found.uncertainty.total_seconds()
    if certain > _SKEW_PROBLEM:
        return problem(what, fix)
    return warning(what, fix) if certain > _SKEW_WARNING else ok(what)


def pooler(app: Flask) -> Answer:
    """Check that prepared statements work behind a connection pooler."""
    with app.app_context():
        db = get_state(app).db
        assert db is not None  # required by the check of the database
        engine = db.engine
    try:
        found = Probe(lambda: pooling(engine), seconds=_QUERY_TIMEOUT_SECONDS).start().result()
    except NoAnswer:
        return ok("Not checked: no second connection is available.")
    if found is Pooling.FORGOTTEN:
        return problem(
            "A connection pooler gives each transaction another server connection, where the"
            " statements that psycopg prepared don't exist: statements fail, or another client's is"
            " executed.",
            POOLER_FIX,
        )
    if found is Pooling.FOLLOWED:
        return ok(
            "A connection pooler is in front of the database, and tracks prepared statements."
        )
    return ok("Prepared statements work, or none are prepared.")


def schema(app: Flask) -> Answer:
    """Check that the schema matches this version."""
    newest = migrations.newest_revision()
    try:
        current = migrations.current_revision(app)
    except RegistrationError as error:
        return problem(str(error), "Call Models().init_app(app, db=db).")
    if current == newest:
        return ok(f"The schema is at revision {newest}, the newest.")
    if migrations.is_ahead(current):
        return warning(
            f"The schema is at revision {current}, ahead of this version's {newest}.",
            "Install the version of taskadmin that the schema was upgraded for.",
        )
    create = migrations.missing_schema(app) if current is None else None
    return problem(
        f"The schema is at revision {current or 'none'}, this version needs {newest}.",
        f"{create or ''}\nflask taskadmin db upgrade".lstrip(),
    )
