"""A host whose tests roll back what they change."""

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text

from taskadmin import TaskAdmin, service
from taskadmin.testing import joined

db = SQLAlchemy(session_options={"join_transaction_mode": "create_savepoint"})


class Order(db.Model):
    """A table of the host."""

    id = db.Column(db.Integer, primary_key=True)


@pytest.fixture(params=[None, "jobs"])
def app(postgresql_url, request):
    app = Flask("shop")
    app.config.update(SECRET_KEY="only for tests", SQLALCHEMY_DATABASE_URI=postgresql_url)
    if request.param:
        app.config["TASKADMIN_SCHEMA"] = request.param
    db.init_app(app)
    TaskAdmin().init_app(app, db=db)
    with app.app_context():
        db.session.execute(text("CREATE SCHEMA IF NOT EXISTS jobs"))
        db.session.commit()
        db.create_all()
    yield app
    with app.app_context():
        db.engine.dispose()


# docs: begin
@pytest.fixture
def rolled_back(app, taskadmin_tables, monkeypatch):
    """Roll back all changes of a test, the host's and taskadmin's."""
    with app.app_context(), db.engine.connect() as connection:
        transaction = connection.begin()
        monkeypatch.setitem(db.engines, None, connection)
        with joined(app, connection):
            yield
        db.session.remove()
        transaction.rollback()
        monkeypatch.undo()


# docs: end


@pytest.fixture
def nothing_left(app, taskadmin_tables):
    """Look at the tables after the rollback."""
    yield
    with app.app_context():
        assert service.find_tasks() == []
        assert service.find_runs() == []
        assert service.find_user("taskadmin-tests") is None
        assert db.session.query(Order).count() == 0


def test_nothing_is_left(app, nothing_left, rolled_back, run_now, taskadmin_client):
    """The host's rows, jobs, runs and pages: commits release savepoints."""
    with app.app_context():
        db.session.add(Order())
        db.session.commit()
    run = run_now("generate_random_number", lower_limit=0, upper_limit=1)
    assert run.state == "succeeded"
    page = taskadmin_client.get(f"/taskadmin/runs/details/?id={run.id}")
    assert page.status_code == 200
    with app.app_context():
        assert db.session.query(Order).count() == 1
        assert len(service.find_tasks()) == 1
