"""Names of tables in SQL text; SQLAlchemy adds the schema to its own statements."""

from __future__ import annotations

from functools import cache

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session


def schema_of(session: Session) -> str | None:
    """Return ``TASKADMIN_SCHEMA``: what the session's engine adds to names of tables."""
    schemas = session.get_bind().get_execution_options().get("schema_translate_map", {})
    schema: str | None = schemas.get(None)
    return schema


def table_prefix(session: Session) -> str:
    """Return what precedes a table's name: the quoted schema and a dot, or nothing."""
    schema = schema_of(session)
    if schema is None:
        return ""
    # SQLAlchemy's function also doubles percent signs, for the driver.
    quoted = schema.replace('"', '""')
    return f'"{quoted}".'


@cache
def text_with(statement: str, prefix: str) -> TextClause:
    """Return *statement* with *prefix*, from ``table_prefix``, in the place of ``{prefix}``."""
    return text(statement.replace("{prefix}", prefix.replace(":", "\\:")))
