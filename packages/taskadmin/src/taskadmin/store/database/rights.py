"""Find privileges that a database role lacks (PostgreSQL)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from ...models import (
    AuditEntry,
    Base,
    JobDuration,
    Launch,
    LedgerState,
    MinuteCount,
    Process,
    RunProgress,
    Task,
    TaskPause,
    TaskResult,
    TaskSchedule,
    User,
)
from .schema import schema_of, table_prefix

#: Prefix of a process's trouble if its role lacks a privilege.
LACKS_A_RIGHT = "It lacks a right"

_USUAL_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
#: Exceptions from ``_USUAL_RIGHTS``. For example, no role needs to change the audit trail.
_UNUSUAL_RIGHTS = {
    AuditEntry.__tablename__: ("SELECT", "INSERT"),
    LedgerState.__tablename__: ("SELECT", "UPDATE"),
    User.__tablename__: ("SELECT", "INSERT", "UPDATE"),
}
#: Tables that workers use. Users and sessions aren't among them, so that a job's code can't make
#: anyone a superuser.
_WORKER_TABLES = {
    table.__tablename__
    for table in (
        *(Task, TaskSchedule, TaskPause, Launch, TaskResult, RunProgress),
        *(Process, LedgerState, MinuteCount, JobDuration),
    )
}
# A serial column's sequence (deptype "a") needs its own privilege; an identity column's doesn't.
# to_regclass fails for a schema that the connected role may not use.
_LACKING_RIGHTS = """
    WITH t AS (
      SELECT name, needed, CASE WHEN CAST(:schema AS text) IS NULL THEN to_regclass(name) ELSE (
        SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = :schema AND c.relname = name
      ) END AS oid
      FROM unnest(CAST(:names AS text[]), CAST(:rights AS text[])) AS given(name, needed)
    )
    SELECT role.name::text, missing.name, missing.rights::text[]
    FROM ({roles}) AS role(name) CROSS JOIN LATERAL (
      SELECT 'SCHEMA ' || quote_ident(n.nspname) AS name, ARRAY['USAGE'] AS rights
      FROM pg_namespace n
      WHERE n.nspname = :schema AND NOT has_schema_privilege(role.name, n.oid, 'USAGE')
      UNION ALL
      SELECT :prefix || t.name, array_agg(r.missing) FILTER (
        WHERE NOT has_table_privilege(role.name, t.oid, r.missing)
      )
      FROM t CROSS JOIN LATERAL unnest(string_to_array(t.needed, ' ')) AS r(missing)
      WHERE t.oid IS NOT NULL
      GROUP BY t.name
      UNION ALL
      SELECT 'SEQUENCE ' || s.oid::regclass::text, ARRAY['USAGE']
      FROM t JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass
        AND d.refobjid = t.oid AND d.deptype = 'a'
      JOIN pg_class s ON d.classid = 'pg_class'::regclass AND s.oid = d.objid
      WHERE CASE
        WHEN s.relkind = 'S' THEN NOT has_sequence_privilege(role.name, s.oid, 'USAGE')
      END
    ) AS missing
    WHERE missing.rights IS NOT NULL
    ORDER BY role.name, missing.name
    """
_OWN_LACKING_RIGHTS = text(_LACKING_RIGHTS.format(roles="SELECT current_user"))
_OF_ROLE = text(_LACKING_RIGHTS.format(roles="SELECT CAST(:role AS name)"))
# Roles that can't change results don't execute runs: reports, backups, beat.
_OF_SESSIONS = text(
    _LACKING_RIGHTS.format(
        roles="""
        SELECT DISTINCT usename FROM pg_stat_activity
        WHERE datname = current_database() AND usename <> current_user
          AND has_table_privilege(
            usename, (SELECT oid FROM t WHERE name = :results), 'INSERT, UPDATE, DELETE')"""
    )
)


class RolePurpose(StrEnum):
    """What a role is used for."""

    #: Pages, launchers and the command line.
    PAGES = "pages"
    WORKER = "worker"
    BEAT = "beat"


class Lacking(NamedTuple):
    """Privileges on one table, sequence or schema that a role lacks."""

    role: str
    #: As in GRANT: a table, or ``SEQUENCE`` or ``SCHEMA`` and its name.
    on: str
    rights: tuple[str, ...]

    @property
    def grant(self) -> str:
        """Return the statement that grants them."""
        role = self.role.replace('"', '""')
        return f'GRANT {", ".join(self.rights)} ON {self.on} TO "{role}";'


def lacking_rights(
    session: Session, part: RolePurpose = RolePurpose.PAGES, *, version_table: str | None = None
) -> Sequence[Lacking]:
    """Return the privileges for *part* that the connected role lacks; none on SQLite."""
    return _lacking(session, _OWN_LACKING_RIGHTS, _needed(part, version_table))


def rights_lacking_elsewhere(session: Session) -> Sequence[Lacking]:
    """Return the privileges of a worker that other connected roles lack, if they change results."""
    results = TaskResult.__tablename__
    return _lacking(session, _OF_SESSIONS, _needed(RolePurpose.WORKER), results=results)


def grant_rights(
    session: Session, role: str, part: RolePurpose, *, version_table: str
) -> Sequence[Lacking]:
    """Grant a role the privileges for *part* that it lacks, inside the caller's transaction.

    Returns:
        What was granted.
    """
    lacking = _lacking(session, _OF_ROLE, _needed(part, version_table), role=role)
    for one in lacking:
        session.execute(text(one.grant.replace(":", "\\:")))
    return lacking


def _needed(part: RolePurpose, version_table: str | None = None) -> dict[str, Sequence[str]]:
    """Return the privileges that *part* needs on each table."""
    if part is RolePurpose.BEAT:
        return {Process.__tablename__: ("SELECT", "INSERT", "UPDATE")}
    names = _WORKER_TABLES if part is RolePurpose.WORKER else set(Base.metadata.tables)
    needed: dict[str, Sequence[str]] = {
        name: _UNUSUAL_RIGHTS.get(name, _USUAL_RIGHTS) for name in sorted(names)
    }
    if version_table is not None and part is RolePurpose.PAGES:
        needed[version_table] = ("SELECT",)
    return needed


def _lacking(
    session: Session, statement: TextClause, needed: Mapping[str, Sequence[str]], **values: object
) -> Sequence[Lacking]:
    if session.get_bind().dialect.name != "postgresql":
        return []
    rights = [" ".join(some) for some in needed.values()]
    where = {"schema": schema_of(session), "prefix": table_prefix(session)}
    given = {"names": list(needed), "rights": rights, **where, **values}
    rows = session.execute(statement, given)
    return [Lacking(role, on, tuple(rights)) for role, on, rights in rows]


@lru_cache(maxsize=64)
def log_once(logger: logging.Logger, text: str) -> None:
    """Log an error once per process: it stays until an administrator grants the privilege."""
    logger.error("%s", text)
