"""Names in the database."""

from __future__ import annotations

from taskadmin.models import Base


def test_every_name_begins_with_the_packages() -> None:
    """Tables, constraints and indexes don't clash with a host's in the same schema."""
    names = [
        name
        for table in Base.metadata.tables.values()
        for name in (
            table.name,
            *(one.name for one in table.constraints),
            *(index.name for index in table.indexes),
        )
    ]

    assert len(names) > 50
    assert [name for name in names if not str(name).startswith("taskadmin_")] == []
