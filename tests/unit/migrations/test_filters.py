"""Separation of taskadmin's and the host's tables."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, MetaData, Table

import taskadmin
from taskadmin.migrations import VERSION_TABLE
from taskadmin.migrations.filters import owns_name
from taskadmin.models import Base

host = MetaData()
invoice = Table("invoice", host, Column("id", Integer, primary_key=True))
task = Base.metadata.tables["taskadmin_task"]


def test_every_name_in_the_schema_is_prefixed() -> None:
    """Tables, constraints and indexes, so that they don't clash with a host's."""
    names = [VERSION_TABLE]
    for table in Base.metadata.tables.values():
        names += [table.name]
        names += [str(constraint.name) for constraint in table.constraints]
        names += [str(index.name) for index in table.indexes]
    assert [name for name in names if not name.startswith("taskadmin_")] == []


def test_the_host_sees_everything_but_taskadmins_tables() -> None:
    """Reflected or from its models, with columns and indexes."""
    include = taskadmin.include_object
    assert include(invoice, "invoice", "table", False, None)
    assert include(invoice.c.id, "id", "column", False, None)
    assert not include(task, "taskadmin_task", "table", True, None)
    assert not include(None, VERSION_TABLE, "table", True, None)
    assert not include(task.c.id, "id", "column", True, None)
    assert not include(next(iter(task.indexes)), "any", "index", True, None)
    assert include(Index("any", invoice.c.id), "any", "index", True, None)


def test_taskadmin_sees_its_own_tables_only() -> None:
    """All others belong to the host."""
    assert owns_name("taskadmin_task", "table", {})
    assert not owns_name("invoice", "table", {})
    assert not owns_name(None, "table", {})
    assert owns_name(None, "schema", {})
    assert owns_name("any", "column", {"table_name": "taskadmin_task"})
