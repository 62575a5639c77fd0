"""Hosts that use some of the parts."""

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

import taskadmin
from taskadmin import Accounts, AdminViews, Migrations, Models, TaskQueue


@pytest.fixture
def app(database_url):
    app = Flask("shop")
    app.config.update(SECRET_KEY="only for tests", SQLALCHEMY_DATABASE_URI=database_url)
    SQLAlchemy(app)
    return app


def rules(app):
    return {rule.rule for rule in app.url_map.iter_rules()} - {"/static/<path:filename>"}


def test_a_process_that_only_migrates(app):
    """It has neither pages nor Celery."""
    db = app.extensions["sqlalchemy"]
    # docs: begin
    Models().init_app(app, db=db)
    Migrations().init_app(app)
    # docs: end
    taskadmin.migrations.upgrade(app)
    taskadmin.migrations.check(app)
    assert rules(app) == set()
    assert app.extensions["taskadmin"].celery is None


def test_pages_without_a_queue(app, request):
    """Tasks can be managed where nothing is sent to a broker."""
    db = app.extensions["sqlalchemy"]
    Models().init_app(app, db=db)
    Accounts().init_app(app)
    AdminViews().init_app(app)
    browser = request.getfixturevalue("browser")
    browser.log_in()
    browser.create_and_delete_a_task()


def test_jobs_without_pages(app, request):
    """Jobs run, and the host gets no page."""
    Models().init_app(app, db=app.extensions["sqlalchemy"])
    TaskQueue().init_app(app)
    run_now = request.getfixturevalue("run_now")
    assert run_now("generate_random_number", lower_limit=0, upper_limit=1).state == "succeeded"
    assert rules(app) == set()
