"""A host with a second database in ``SQLALCHEMY_BINDS``."""

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import inspect

from taskadmin import TaskAdmin

db = SQLAlchemy()


class Order(db.Model):
    """A table of the host's first database."""

    id = db.Column(db.Integer, primary_key=True)


class OldOrder(db.Model):
    """A table of the host's second database."""

    __bind_key__ = "archive"
    id = db.Column(db.Integer, primary_key=True)


@pytest.fixture
def app(database_url, tmp_path):
    app = Flask("shop")
    app.config.update(
        SECRET_KEY="only for tests",
        SQLALCHEMY_DATABASE_URI=database_url,
        SQLALCHEMY_BINDS={"archive": f"sqlite:///{tmp_path}/archive.sqlite"},
    )
    db.init_app(app)
    TaskAdmin().init_app(app, db=db)
    with app.app_context():
        db.create_all()
    return app


def test_taskadmin_uses_the_first_database(app, browser, run_now):
    """Its tables are there, and the second database has the host's only."""
    browser.log_in()
    run = run_now("generate_random_number", lower_limit=0, upper_limit=1)
    assert run.state == "succeeded"
    with app.app_context():
        db.session.add_all([Order(), OldOrder()])
        db.session.commit()
        assert {"order", "taskadmin_task"} <= set(inspect(db.engine).get_table_names())
        assert inspect(db.engines["archive"]).get_table_names() == ["old_order"]
