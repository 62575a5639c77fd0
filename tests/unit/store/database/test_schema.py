"""Names of tables in SQL text."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from taskadmin.store.database.schema import schema_of, table_prefix, text_with


@pytest.mark.parametrize(
    ("schema", "prefix"), [(None, ""), ("jobs", '"jobs".'), ('My "Jobs"', '"My ""Jobs""".')]
)
def test_prefix_is_the_quoted_schema(schema: str | None, prefix: str) -> None:
    """It is read from the engine, which adds it to SQLAlchemy's own statements."""
    engine = create_engine("postgresql+psycopg://nowhere")
    if schema is not None:
        engine = engine.execution_options(schema_translate_map={None: schema})

    with Session(engine) as session:
        assert schema_of(session) == schema
        assert table_prefix(session) == prefix


def test_a_colon_in_the_schema_is_no_parameter() -> None:
    """And each text is parsed only once."""
    statement = "SELECT * FROM {prefix}task WHERE id = :id"

    made = text_with(statement, '"a:id".')

    assert [*made.compile().params] == ["id"]
    assert str(made) == 'SELECT * FROM "a:id".task WHERE id = :id'
    assert text_with(statement, '"a:id".') is made
