"""Is the database there, the right one, with our schema and our time?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from .. import migrations
from ..errors import RegistrationError
from ..state import get_state
from ..store import health
from ..store.health import Server
from ..store.transaction import reading
from .finding import Answer, ok, problem, warning
from .probe import NoAnswer, Probe

if TYPE_CHECKING:
    from flask import Flask

#: Longest wait for the database, in seconds.
_SECONDS = 10.0
_NAMES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
#: PostgreSQL 13 is the oldest that taskadmin is tested with; SQLite 3.35 has RETURNING.
_OLDEST = {"postgresql": (13,), "sqlite": (3, 35)}
#: Seconds between this machine's clock and the database's.
_SKEW_WARNING, _SKEW_PROBLEM = 2.0, 60.0


def database(app: Flask) -> Answer:
    """Whether it can be reached, and is one that taskadmin works on."""
    db = get_state(app).db
    if db is None:
        return problem("taskadmin has no database.", "Call Models().init_app(app, db=db).")
    with app.app_context():
        place = _place(db.engine.url)
    try:
        found = Probe(lambda: _ask(app), seconds=_SECONDS).start().result()
    except NoAnswer:
        return problem(
            f"The database at {place} doesn't answer within {_SECONDS:g} s.",
            "See whether it runs and what keeps it busy; correct SQLALCHEMY_DATABASE_URI.",
        )
    except SQLAlchemyError as error:
        lines = str(getattr(error, "orig", None) or error).strip().splitlines()
        return problem(
            f"The database at {place} can't be used: {lines[0] if lines else type(error).__name__}",
            "Start the database, or correct SQLALCHEMY_DATABASE_URI.",
        )
    name = _NAMES.get(found.dialect, found.dialect)
    version = ".".join(str(number) for number in found.version)
    if found.dialect not in _OLDEST:
        return problem(
            f"{name} {version} at {place}: taskadmin works on PostgreSQL and SQLite.",
            "Let SQLALCHEMY_DATABASE_URI name a PostgreSQL database.",
        )
    oldest = _OLDEST[found.dialect]
    if found.version < oldest:
        return problem(
            f"{name} {version} at {place} is too old.",
            f"Upgrade to {name} {'.'.join(str(number) for number in oldest)} or newer.",
        )
    return ok(f"{name} {version} at {place}")


def _ask(app: Flask) -> Server:
    with app.app_context():
        session = get_state(app).session
        with reading(session, seconds=_SECONDS):
            return health.server(session)


def _place(url: URL) -> str:
    """Where it is, without user, password and options, which may hold another password."""
    if url.get_backend_name() == "sqlite":
        return url.database or "memory"
    port = f":{url.port}" if url.port else ""
    return f"{url.host or 'localhost'}{port}/{url.database or ''}"


def clock_skew(app: Flask) -> Answer:
    """Whether this machine and the database agree about the time."""
    session = get_state(app).session
    with reading(session, seconds=_SECONDS):
        found = health.clock_skew(session)
    ahead = found.ahead.total_seconds()
    give_or_take = f"± {found.uncertainty.total_seconds():.3f} s"
    direction = "behind" if ahead > 0 else "ahead of"
    what = (
        f"This machine's clock is {abs(ahead):.3f} s {direction} the database's ({give_or_take})."
    )
    fix = "Synchronise both machines' clocks: timedatectl set-ntp true"
    certain = abs(ahead) - found.uncertainty.total_seconds()
    if certain > _SKEW_PROBLEM:
        return problem(what, fix)
    return warning(what, fix) if certain > _SKEW_WARNING else ok(what)


def schema(app: Flask) -> Answer:
    """Whether the tables are those of this version."""
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
    return problem(
        f"The schema is at revision {current or 'none'}, this version needs {newest}.",
        "flask taskadmin db upgrade",
    )
