"""Pages with texts in the reader's language."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask

from fixture_types import MakeApp
from services.reading import Reading, add_pages


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """An application with pages that show their language."""
    app = make_app()
    add_pages(app)
    return app


@pytest.fixture
def reading(app: Flask) -> Reading:
    """A request with the browser's preferred language."""

    @contextmanager
    def read(browser: str) -> Iterator[None]:
        with app.test_request_context(headers={"Accept-Language": browser}):
            yield

    return read
