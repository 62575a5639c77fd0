"""taskadmin's state of an application, and its parts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from taskadmin.errors import ConfigurationError, RegistrationError
from taskadmin.migrations import Migrations
from taskadmin.models import Models
from taskadmin.state import EXTENSION_KEY, get_state, register


@pytest.fixture
def bare() -> Flask:
    """An application without taskadmin."""
    app = Flask("shop")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    return app


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (
            get_state,
            "taskadmin isn't initialized on 'shop': call TaskAdmin().init_app(app, db=db).",
        ),
        (
            Migrations().init_app,
            (
                "Migrations needs Models: call Models().init_app(app, ...) before"
                " Migrations().init_app."
            ),
        ),
        (
            lambda app: Models().init_app(app, db=SQLAlchemy()),
            "db isn't the database of 'shop': call db.init_app(app) before taskadmin's init_app.",
        ),
        (
            lambda app: register(app, "Something").session,
            "taskadmin has no database yet: call Models().init_app(app, db=db).",
        ),
    ],
    ids=["nothing", "no models", "another database", "no database"],
)
def test_a_missing_part_is_reported_with_the_line_to_add(
    bare: Flask, act: Callable[[Flask], object], said: str
) -> None:
    """With the application's name and the part that must come first."""
    with pytest.raises(RegistrationError) as caught:
        act(bare)
    assert str(caught.value) == said


def test_a_second_registration_is_refused(bare: Flask) -> None:
    """A part is initialized once per application."""
    db = SQLAlchemy(bare)
    Models().init_app(bare, db=db)
    with pytest.raises(RegistrationError) as caught:
        Models().init_app(bare, db=db)
    assert str(caught.value) == (
        "Models is already initialized on 'shop': call Models().init_app once per app."
    )


def test_a_wrong_setting_stops_the_first_part(bare: Flask) -> None:
    """Configuration is read by the first part, and nothing is registered on errors."""
    bare.config["TASKADMIN_PAGE_SIZE"] = "many"
    db = SQLAlchemy(bare)
    with pytest.raises(ConfigurationError, match="TASKADMIN_PAGE_SIZE is 'many'"):
        Models().init_app(bare, db=db)
    assert EXTENSION_KEY not in bare.extensions


def test_configuration_is_read_once(bare: Flask) -> None:
    """Later changes of a key have no effect."""
    Models().init_app(bare, db=SQLAlchemy(bare))
    bare.config["TASKADMIN_PAGE_SIZE"] = 7
    Migrations().init_app(bare)
    assert get_state(bare).settings.page_size == 2000


def test_two_applications_have_their_own_state(bare: Flask) -> None:
    """They share neither settings nor database."""
    other = Flask("other")
    other.config.update(SQLALCHEMY_DATABASE_URI="sqlite://", TASKADMIN_PAGE_SIZE=3)
    first_db, second_db = SQLAlchemy(bare), SQLAlchemy(other)
    Models().init_app(bare, db=first_db)
    Models().init_app(other, db=second_db)
    assert (get_state(bare).db, get_state(other).db) == (first_db, second_db)
    assert get_state(bare).settings.page_size == 2000
    assert get_state(other).settings.page_size == 3


def test_the_state_of_the_current_application_is_the_default(bare: Flask) -> None:
    """Inside an application context, the application is optional."""
    Models().init_app(bare, db=SQLAlchemy(bare))
    with bare.app_context():
        assert get_state() is get_state(bare)


def test_nobody_is_signed_in_by_default(bare: Flask) -> None:
    """Without accounts, there is no current user."""
    assert register(bare, "Something").current_user() is None
