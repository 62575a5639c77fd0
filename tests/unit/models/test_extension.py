"""``Models`` in hosts' applications."""

from __future__ import annotations

import pytest
from flask_sqlalchemy import SQLAlchemy

from services.hosts import host_app
from taskadmin import Models, RegistrationError
from taskadmin.state import get_state


def test_the_hosts_database_is_used() -> None:
    """Its metadata doesn't include taskadmin's tables."""
    app, db = host_app()

    Models().init_app(app, db=db)

    assert get_state(app).db is db
    assert not db.metadata.tables


def test_another_database_is_refused() -> None:
    """The error shows the line that must come first."""
    app, _ = host_app()

    with pytest.raises(RegistrationError) as refused:
        Models().init_app(app, db=SQLAlchemy())

    assert str(refused.value) == (
        "db isn't the database of 'shop': call db.init_app(app) before taskadmin's init_app."
    )


def test_a_second_call_is_refused() -> None:
    """An application has one database."""
    app, db = host_app()
    Models().init_app(app, db=db)

    with pytest.raises(RegistrationError, match="call Models"):
        Models().init_app(app, db=db)
