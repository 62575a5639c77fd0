"""Two applications in one process, each with taskadmin."""

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from taskadmin import TaskAdmin, migrations, service


def create_app(name, url):
    app = Flask(name)
    app.config.update(
        SECRET_KEY=name,
        SQLALCHEMY_DATABASE_URI=url,
        SESSION_COOKIE_NAME=name,
        TASKADMIN_SITE_NAME=name.title(),
    )
    TaskAdmin().init_app(app, db=SQLAlchemy(app))
    return app


@pytest.fixture
def app(database_url):
    return create_app("shop", database_url)


@pytest.fixture
def other(tmp_path):
    other = create_app("forum", f"sqlite:///{tmp_path}/other.sqlite")
    migrations.upgrade(other)
    return other


def test_they_do_not_mix(app, other, browser):
    """Each has its own people, tasks, Celery application and name."""
    browser.log_in()
    browser.create_and_delete_a_task()
    with other.app_context():
        assert service.find_user("ana") is None
    assert "Forum" in other.test_client().get("/taskadmin/login").text
    assert "Shop" in app.test_client().get("/taskadmin/login").text
    assert app.extensions["taskadmin"].celery is not other.extensions["taskadmin"].celery
