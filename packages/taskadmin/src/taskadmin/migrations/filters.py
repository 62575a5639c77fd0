"""Which tables are whose, for taskadmin's Alembic and for the host's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..models import PREFIX

VERSION_TABLE = "taskadmin_alembic_version"


def owns_name(name: str | None, type_: str, parent_names: Mapping[Any, str | None]) -> bool:
    """Alembic's ``include_name`` for taskadmin: its own tables only."""
    return type_ != "table" or (name is not None and name.startswith(PREFIX))


def include_object(
    object_: Any, name: str | None, type_: str, reflected: bool, compare_to: Any
) -> bool:
    """Alembic's ``include_object`` for the host: everything but taskadmin's tables.

    Without it ``flask db migrate`` finds tables that the host's models don't know
    and writes ``drop_table('taskadmin_task')`` into the host's migration. With
    Flask-Migrate: ``Migrate(app, db, include_object=taskadmin.include_object)``.
    """
    if type_ == "table":
        return not (name or "").startswith(PREFIX)
    table = getattr(object_, "table", None)
    return table is None or not str(table.name).startswith(PREFIX)
