"""Databases without tables, and connections to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import URL, Engine, create_engine

from services.servers.databases import bare_app


@pytest.fixture
def empty(empty_database_url: URL) -> Iterator[Flask]:
    """An application on a database without tables."""
    with bare_app(empty_database_url) as app:
        yield app


@pytest.fixture
def sql(empty_database_url: URL) -> Iterator[Engine]:
    """An engine for the same database, independent of the application."""
    engine = create_engine(empty_database_url)
    yield engine
    engine.dispose()
