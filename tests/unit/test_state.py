"""What taskadmin keeps for one application, and the parts that register there."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from taskadmin.errors import ConfigurationError, RegistrationError
from taskadmin.migrations import Migrations
from taskadmin.models import Models
from taskadmin.state import KEY, get_state, register


@pytest.fixture
def bare() -> Flask:
    """An application without anything of taskadmin."""
    app = Flask("shop")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    return app


def test_an_application_without_taskadmin_says_which_line_is_missing(bare: Flask) -> None:
    """Asking for the state names the application and the call to add."""
    with pytest.raises(RegistrationError) as caught:
        get_state(bare)
    assert str(caught.value) == (
        "taskadmin isn't initialised on 'shop': call TaskAdmin().init_app(app, db=db)."
    )


def test_a_second_registration_is_refused(bare: Flask) -> None:
    """A part is initialised once for each application."""
    db = SQLAlchemy(bare)
    Models().init_app(bare, db=db)
    with pytest.raises(RegistrationError) as caught:
        Models().init_app(bare, db=db)
    assert str(caught.value) == (
        "Models is initialised on 'shop' already: call Models().init_app once for each app."
    )


def test_a_missing_part_is_named(bare: Flask) -> None:
    """A part that needs another one says which line comes before it."""
    with pytest.raises(RegistrationError) as caught:
        Migrations().init_app(bare)
    assert str(caught.value) == (
        "Migrations needs Models: call Models().init_app(app, ...) before Migrations().init_app."
    )
    assert KEY not in bare.extensions


def test_models_need_the_database_of_this_application(bare: Flask) -> None:
    """A db that was never initialised on the application is refused."""
    with pytest.raises(RegistrationError) as caught:
        Models().init_app(bare, db=SQLAlchemy())
    assert str(caught.value) == (
        "db isn't the database of 'shop': call db.init_app(app) before taskadmin's init_app."
    )


def test_a_wrong_setting_stops_the_first_part(bare: Flask) -> None:
    """Configuration is read when the first part is initialised, and nothing is left behind."""
    bare.config["TASKADMIN_PAGE_SIZE"] = "many"
    db = SQLAlchemy(bare)
    with pytest.raises(ConfigurationError, match="TASKADMIN_PAGE_SIZE is 'many'"):
        Models().init_app(bare, db=db)
    assert KEY not in bare.extensions


def test_configuration_is_read_once(bare: Flask) -> None:
    """A key that changes after the first part doesn't change the settings."""
    Models().init_app(bare, db=SQLAlchemy(bare))
    bare.config["TASKADMIN_PAGE_SIZE"] = 7
    Migrations().init_app(bare)
    assert get_state(bare).settings.page_size == 2000


def test_two_applications_have_their_own_state(bare: Flask) -> None:
    """Settings and database of one application don't show in another one."""
    other = Flask("other")
    other.config.update(SQLALCHEMY_DATABASE_URI="sqlite://", TASKADMIN_PAGE_SIZE=3)
    first_db, second_db = SQLAlchemy(bare), SQLAlchemy(other)
    Models().init_app(bare, db=first_db)
    Models().init_app(other, db=second_db)
    assert (get_state(bare).db, get_state(other).db) == (first_db, second_db)
    assert get_state(bare).settings.page_size == 2000
    assert get_state(other).settings.page_size == 3


def test_the_state_of_the_current_application_is_the_default(bare: Flask) -> None:
    """Inside an application context no application has to be named."""
    Models().init_app(bare, db=SQLAlchemy(bare))
    with bare.app_context():
        assert get_state() is get_state(bare)


def test_without_a_database_the_session_says_what_to_call(bare: Flask) -> None:
    """A part that needs no models leaves a state without a database."""
    state = register(bare, "Something")
    with pytest.raises(RegistrationError) as caught:
        _ = state.session
    assert str(caught.value) == (
        "taskadmin has no database yet: call Models().init_app(app, db=db)."
    )


def test_nobody_is_signed_in_by_default(bare: Flask) -> None:
    """Without accounts, every page that asks who is there is told: nobody."""
    assert register(bare, "Something").current_user() is None
