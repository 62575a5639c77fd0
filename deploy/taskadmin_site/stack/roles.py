"""Create PostgreSQL roles: the owner of taskadmin's tables, and one per service that uses them.

``taskadmin.store.database.rights`` grants them privileges on tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import LiteralString

from psycopg import Connection
from psycopg.sql import SQL, Identifier, Literal

#: Any constant; it must differ from other advisory locks.
_ADVISORY_KEY = 7_238_140_612
_NO_ADMINISTRATOR = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
#: Tables and functions with another owner, as in stacks made before there were roles.
_TABLES: LiteralString = (
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    " AND starts_with(relname, 'taskadmin_') AND relowner <> CAST(%s AS regrole)"
)
_FUNCTIONS: LiteralString = (
    "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    " AND starts_with(proname, 'taskadmin_') AND proowner <> CAST(%s AS regrole)"
)


def make_roles(
    connection: Connection,
    *,
    owner: str,
    passwords: Mapping[str, str],
    temporary: Sequence[str],
) -> None:
    """Create the roles, and allow only them to connect to the database of *connection*.

    Args:
        connection: As the server's administrator.
        owner: The role that creates and changes tables.
        passwords: Passwords of all roles, by name.
        temporary: Roles that may create temporary tables; the doctor does, to check for free space.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_KEY])
        for name, password in passwords.items():
            _make(connection, name, password)
        database = Identifier(connection.info.dbname)
        everybody = SQL(", ").join(map(Identifier, passwords))
        some = SQL(", ").join(map(Identifier, temporary))
        for statement in (
            SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database),
            SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, everybody),
            SQL("GRANT TEMPORARY ON DATABASE {} TO {}").format(database, some),
            SQL("REVOKE CREATE ON SCHEMA public FROM PUBLIC"),
            SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(Identifier(owner)),
        ):
            connection.execute(statement)
        for found, kind in ((_TABLES, SQL("TABLE")), (_FUNCTIONS, SQL("FUNCTION"))):
            for (name,) in connection.execute(found, [_quoted(owner)]).fetchall():
                change = SQL("ALTER {} public.{} OWNER TO {}")
                connection.execute(change.format(kind, Identifier(name), Identifier(owner)))


def _make(connection: Connection, name: str, password: str) -> None:
    there = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    if there is None:
        connection.execute(SQL("CREATE ROLE {}").format(Identifier(name)))
    # Hashed on the client, because the server may log the statement.
    hashed = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
    change = SQL("ALTER ROLE {} LOGIN {} PASSWORD {}")
    connection.execute(
        change.format(Identifier(name), SQL(_NO_ADMINISTRATOR), Literal(hashed.decode()))
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
