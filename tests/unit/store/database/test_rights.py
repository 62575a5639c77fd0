"""Privileges of PostgreSQL roles: as many as needed, and no more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import URL, create_engine, text
from sqlalchemy.orm import Session

from taskadmin.cli import taskadmin_cli
from taskadmin.migrations import VERSION_TABLE
from taskadmin.models import Base
from taskadmin.store.database.rights import RolePurpose, lacking_rights

pytestmark = pytest.mark.databases("postgresql")

EVERYTHING = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
#: Privileges that each part doesn't get, on tables that distinguish them.
REFUSED: dict[RolePurpose, dict[str, tuple[str, ...]]] = {
    RolePurpose.PAGES: {
        "taskadmin_user": ("DELETE",),
        "taskadmin_audit": ("UPDATE", "DELETE"),
        VERSION_TABLE: ("INSERT", "UPDATE", "DELETE"),
    },
    RolePurpose.WORKER: {
        "taskadmin_user": ("SELECT", "INSERT", "UPDATE", "DELETE"),
        "taskadmin_audit": ("SELECT", "INSERT", "UPDATE", "DELETE"),
        "taskadmin_session": ("SELECT", "INSERT", "UPDATE", "DELETE"),
        "taskadmin_api_request": ("SELECT", "INSERT", "UPDATE", "DELETE"),
        "taskadmin_api_token": ("SELECT", "INSERT", "UPDATE", "DELETE"),
        VERSION_TABLE: ("SELECT", "INSERT", "UPDATE", "DELETE"),
    },
    RolePurpose.BEAT: {
        "taskadmin_task": ("SELECT", "INSERT", "UPDATE", "DELETE"),
        "taskadmin_task_result": ("SELECT", "INSERT", "UPDATE", "DELETE"),
        "taskadmin_process": ("DELETE",),
    },
}


@pytest.fixture
def role(session: Session, database_url: URL) -> Iterator[str]:
    """A role that can only log in; its name needs quoting."""
    name = f'{database_url.database}:"a"'
    quoted = '"' + name.replace('"', '""') + '"'
    session.execute(text(f"CREATE ROLE {quoted} LOGIN PASSWORD 'role'".replace(":", "\\:")))
    session.commit()
    yield name
    session.rollback()
    session.execute(text(f"DROP OWNED BY {quoted}".replace(":", "\\:")))
    session.execute(text(f"DROP ROLE {quoted}".replace(":", "\\:")))
    session.commit()


def granted(session: Session, role: str) -> set[tuple[str, str]]:
    """Return tables with the role's privileges."""
    names = [*Base.metadata.tables, VERSION_TABLE]
    rows = session.execute(
        text(
            "SELECT name, wanted FROM unnest(CAST(:names AS text[])) name,"
            " unnest(CAST(:wanted AS text[])) wanted"
            " WHERE has_table_privilege(CAST(:role AS name), to_regclass(name), wanted)"
        ),
        {"names": names, "wanted": list(EVERYTHING), "role": role},
    )
    return {(name, wanted) for name, wanted in rows}


@pytest.mark.parametrize("part", RolePurpose)
def test_a_role_gets_what_its_part_needs_and_no_more(
    app: Flask, session: Session, database_url: URL, role: str, part: RolePurpose
) -> None:
    """It lacks no privilege, has none of the other parts', and can't alter tables."""
    runner = app.test_cli_runner()

    done = runner.invoke(taskadmin_cli, ["db", "grant", role, "--for", part.value])

    assert done.exit_code == 0, done.output
    assert "GRANT " in done.output
    assert done.output.endswith(f"{role} has every privilege for {part}.\n")
    engine = create_engine(database_url.set(username=role, password="role"))
    with Session(engine) as theirs:
        assert lacking_rights(theirs, part, version_table=VERSION_TABLE) == []
    engine.dispose()
    has = granted(session, role)
    assert {right for _, right in has} <= {"SELECT", "INSERT", "UPDATE", "DELETE"}
    for table, refused in REFUSED[part].items():
        assert not has & {(table, right) for right in refused}
    again = runner.invoke(taskadmin_cli, ["db", "grant", role, "--for", part.value])
    assert "GRANT" not in again.output


def test_a_role_that_is_not_there_is_named(app: Flask, session: Session) -> None:
    """The error is a sentence, not a traceback."""
    done = app.test_cli_runner().invoke(taskadmin_cli, ["db", "grant", "nobody_of_this_name"])

    assert done.exit_code == 1
    assert 'role "nobody_of_this_name" does not exist' in done.output
