"""Filters that separate taskadmin's tables from the host's, for both Alembics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..models import TABLE_PREFIX

VERSION_TABLE = "taskadmin_alembic_version"


def owns_name(name: str | None, type_: str, parent_names: Mapping[Any, str | None]) -> bool:
    """Alembic's ``include_name`` for taskadmin: only its own tables."""
    return type_ != "table" or (name is not None and name.startswith(TABLE_PREFIX))


def include_object(
    object_: object, name: str | None, type_: str, reflected: bool, compare_to: object
) -> bool:
    """Alembic's ``include_object`` for the host: everything except taskadmin's tables.

    Without it, ``flask db migrate`` finds tables that the host's models don't have, and writes
    ``drop_table('taskadmin_task')`` into the host's migration. With Flask-Migrate:
    ``Migrate(app, db, include_object=taskadmin.include_object)``.
    """
    if type_ == "table":
        return not (name or "").startswith(TABLE_PREFIX)
    table = getattr(object_, "table", None)
    return table is None or not str(table.name).startswith(TABLE_PREFIX)
