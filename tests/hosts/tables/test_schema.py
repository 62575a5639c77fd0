"""A host whose tables are in a schema of PostgreSQL, and taskadmin's in another."""

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData, inspect, text

from taskadmin import TaskAdmin

db = SQLAlchemy(metadata=MetaData(schema="shop"))


class Order(db.Model):
    """A table of the host."""

    id = db.Column(db.Integer, primary_key=True)


@pytest.fixture
def app(postgresql_url):
    app = Flask("shop")
    app.config.update(SECRET_KEY="only for tests", SQLALCHEMY_DATABASE_URI=postgresql_url)
    db.init_app(app)
    # docs: begin
    app.config["TASKADMIN_SCHEMA"] = "jobs"
    TaskAdmin().init_app(app, db=db)
    # docs: end
    with app.app_context():
        for schema in ("shop", "jobs"):
            db.session.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
        db.session.commit()
        db.create_all()
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def test_each_has_its_schema(app, browser, run_now, taskadmin_client):
    """Pages, jobs and the host's own queries use their tables, and nothing is in public."""
    browser.log_in()
    browser.create_and_delete_a_task()
    assert run_now("generate_random_number", lower_limit=0, upper_limit=1).state == "succeeded"
    assert taskadmin_client.get("/taskadmin/runs/").status_code == 200
    with app.app_context():
        db.session.add(Order())
        db.session.commit()
        found = inspect(db.engine)
        assert found.get_table_names("shop") == ["order"]
        assert "taskadmin_task" in found.get_table_names("jobs")
        assert found.get_table_names("public") == []
