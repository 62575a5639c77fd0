"""Checks of the role's privileges and of free disk space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from ...migrations import VERSION_TABLE
from ...state import get_state
from ...store.database.capacity import try_to_write
from ...store.database.outage import first_line
from ...store.database.rights import Lacking, lacking_rights, rights_lacking_elsewhere
from ...store.database.transaction import reading
from ..finding import Answer, ok, problem, size_in_words, warning

if TYPE_CHECKING:
    from flask import Flask

#: Statement timeout, in seconds.
_QUERY_TIMEOUT_SECONDS = 5.0
#: Free bytes of a SQLite file that are few, and that are none.
_LOW_FREE_BYTES, _FULL_FREE_BYTES = 100 * 2**20, 2 * 2**20
#: PostgreSQL's SQLSTATEs, and SQLite's names of the same errors.
_FULL_ERRORS = ("53100", "SQLITE_FULL")
_READ_ONLY_ERRORS = ("25006", "SQLITE_READONLY")
#: The role may not create temporary tables, so the disk can't be checked.
_MAY_NOT = ("42501",)


def rights(app: Flask) -> Answer:
    """Check the privileges of this process's role and of other connected roles."""
    session = get_state(app).session
    with reading(session, seconds=_QUERY_TIMEOUT_SECONDS):
        own = lacking_rights(session, version_table=VERSION_TABLE)
        others = rights_lacking_elsewhere(session)
    if not own and not others:
        return ok("The role has all rights that it needs.")
    found = [f"The role {role} lacks {what}." for role, what in _by_role(own)] + [
        f"The role {role}, which other processes use, lacks {what}."
        for role, what in _by_role(others)
    ]
    grants = "\n".join(one.grant for one in (*own, *others))
    return (problem if own else warning)(" ".join(found), grants)


def _by_role(lacking: Sequence[Lacking]) -> Iterator[tuple[str, str]]:
    for role, some in groupby(lacking, lambda one: one.role):
        yield (
            role,
            "; ".join(
                f"{', '.join(one.rights)} on {one.on.removeprefix('SEQUENCE ')}" for one in some
            ),
        )


def room(app: Flask) -> Answer:
    """Check that the database accepts more rows, by a write that is rolled back."""
    session = get_state(app).session
    try:
        with reading(session, seconds=_QUERY_TIMEOUT_SECONDS):
            left = try_to_write(session)
    except DBAPIError as error:
        code = _code(error)
        if code.startswith(_FULL_ERRORS):
            return problem(
                f"The database's disk is full: {first_line(error)}",
                "Free space on it, or keep fewer results: TASKADMIN_RESULT_RETENTION_DAYS",
            )
        if code.startswith(_READ_ONLY_ERRORS):
            return problem(
                f"The database is read-only: {first_line(error)}",
                "Set SQLALCHEMY_DATABASE_URI to a database that this user may write to.",
            )
        if code.startswith(_MAY_NOT):
            return ok("Not checked: this role may not create temporary tables.")
        raise
    if left is None:
        return ok("The database accepts writes.")
    least = min(left)
    size = size_in_words(least)
    if least >= _LOW_FREE_BYTES:
        return ok(f"The database accepts writes; {size} are free.")
    if least < _FULL_FREE_BYTES:
        return problem(f"No space is left for the database: {size}.", "Free space on its disk.")
    return warning(f"Little space is left for the database: {size}.", "Free space on its disk.")


def _code(error: DBAPIError) -> str:
    """Return PostgreSQL's SQLSTATE, or SQLite's name of the error."""
    for attribute in ("sqlstate", "sqlite_errorname"):
        code = getattr(error.orig, attribute, None)
        if code:
            return str(code)
    return ""
