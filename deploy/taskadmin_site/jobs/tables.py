"""A job that counts the rows of a table."""

from __future__ import annotations

import difflib
from typing import Annotated

from pydantic import Field
from sqlalchemy import MetaData, Table, func, inspect, select

from taskadmin import job
from taskadmin.state import get_state


class NoSuchTable(Exception):
    """The database has no table with this name."""


@job(time_limit=300)
def table_rows(
    table: Annotated[
        str,
        Field(min_length=1, max_length=63, description="Name of a table in the site's database."),
    ],
) -> int:
    """Count the rows of a table in the site's database."""
    session = get_state().session
    names = inspect(session.connection()).get_table_names()
    if table not in names:
        near = difflib.get_close_matches(table, names, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise NoSuchTable(f"No table is named {table}{hint}")
    return session.scalar(select(func.count()).select_from(Table(table, MetaData()))) or 0
