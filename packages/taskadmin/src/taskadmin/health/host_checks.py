"""Would the host's own migrations drop our tables?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, Table

from ..migrations import VERSION_TABLE
from ..models import Base
from .finding import Answer, ok, problem, warning

if TYPE_CHECKING:
    from flask import Flask

_FIX = "Migrate(app, db, include_object=taskadmin.include_object)"


def include_object(app: Flask) -> Answer:
    """Whether a host that uses Flask-Migrate leaves our tables out, by asking its own filter."""
    migrate = app.extensions.get("migrate")
    if migrate is None:
        return ok("The application doesn't use Flask-Migrate.")
    arguments: Mapping[str, Any] = getattr(migrate, "configure_args", {})
    try:
        seen = [table.name for table in _tables() if not _is_left_out(table, arguments)]
    except Exception as error:  # noqa: BLE001 - the host's own function may raise anything
        return warning(
            f"Flask-Migrate's filter can't be tried: {type(error).__name__}: {error}", _FIX
        )
    if not seen:
        return ok("Flask-Migrate leaves taskadmin's tables out.")
    environment = _environment(str(getattr(migrate, "directory", "migrations")))
    if "include_object" in environment or "include_name" in environment:
        if "taskadmin" in environment:
            return ok(
                "The env.py of the application's migrations has a filter with taskadmin in it."
            )
        return warning(
            "The env.py of the application's migrations has a filter, which can't be tried from here.",
            "Let it leave out tables whose names begin with taskadmin_, or call"
            " taskadmin.include_object in it.",
        )
    return problem(
        f"The next flask db migrate would drop taskadmin's tables: it sees {seen[0]}"
        + (f" and {len(seen) - 1} more." if len(seen) > 1 else "."),
        _FIX,
    )


def _tables() -> list[Table]:
    return [*Base.metadata.sorted_tables, Table(VERSION_TABLE, MetaData())]


def _is_left_out(table: Table, arguments: Mapping[str, Any]) -> bool:
    """Ask as Alembic would about a table of the database that the host's models don't have."""
    names: Callable[..., Any] | None = arguments.get("include_name")
    parents = {"schema_name": None, "schema_qualified_table_name": table.name}
    if names is not None and not names(table.name, "table", parents):
        return True
    objects: Callable[..., Any] | None = arguments.get("include_object")
    return objects is not None and not objects(table, table.name, "table", True, None)


def _environment(directory: str) -> str:
    try:
        return (Path(directory) / "env.py").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not made yet, or somewhere else
        return ""
