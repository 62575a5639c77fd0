"""The job that counts the rows of a table."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from taskadmin_site.jobs import table_rows, tables


def test_rows_of_a_table(app: Flask, make_user: Callable[..., object]) -> None:
    """The rows are counted exactly."""
    with app.app_context():
        assert table_rows("taskadmin_user") == 0
    make_user("ana")
    with app.app_context():
        assert table_rows("taskadmin_user") == 1


@pytest.mark.parametrize("name", ["taskadmin_users", 'x"; DROP TABLE taskadmin_user; --'])
def test_an_unknown_table_is_refused(app: Flask, name: str) -> None:
    """An unknown name isn't put into a query."""
    with app.app_context(), pytest.raises(tables.NoSuchTable, match="No table is named"):
        table_rows(name)
