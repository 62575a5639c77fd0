"""A host with users of its own, who have UUIDs and log in with Flask-Login."""

import re
import uuid

import pytest
from flask import Flask, abort, redirect, request
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_sqlalchemy import SQLAlchemy
from werkzeug.test import Client

from taskadmin import Identity, TaskAdmin
from taskadmin.api import Api

db = SQLAlchemy()
login_manager = LoginManager()


class User(db.Model, UserMixin):
    """A user of the host."""

    id = db.Column(db.Uuid, primary_key=True, default=uuid.uuid4)
    name = db.Column(db.String(50), unique=True)
    is_staff = db.Column(db.Boolean, default=False)


@login_manager.user_loader
def load_user(key):
    return db.session.get(User, uuid.UUID(key))


# docs: begin
def identity(user):
    return Identity(user.name, is_superuser=user.is_staff)


def taskadmin_identity():
    """Return the user of the current request, for taskadmin."""
    return identity(current_user) if current_user.is_authenticated else None


def taskadmin_identity_of(name):
    """Return the user with this name, whose token a program sends to the API."""
    user = db.session.scalar(db.select(User).filter_by(name=name))
    return identity(user) if user else None


def init_taskadmin(app):
    TaskAdmin().init_app(
        app,
        db=db,
        identity=taskadmin_identity,
        identity_of=taskadmin_identity_of,
        login_url="login",
        logout_url="logout",
    )


# docs: end


@pytest.fixture
def app(database_url):
    app = Flask("shop")
    app.config.update(SECRET_KEY="only for tests", SQLALCHEMY_DATABASE_URI=database_url)
    db.init_app(app)
    login_manager.init_app(app)
    init_taskadmin(app)
    Api().init_app(app)

    @app.route("/login", methods=["GET", "POST"])
    def login():
        if request.method == "GET":
            return "the host's log in page"
        user = db.session.scalar(db.select(User).filter_by(name=request.form["name"]))
        login_user(user or abort(401))
        return redirect(request.args.get("next", "/"))

    @app.get("/logout")
    def logout():
        logout_user()
        return "logged out"

    with app.app_context():
        db.create_all()
        db.session.add_all([User(name="ana", is_staff=True), User(name="ben")])
        db.session.commit()
    return app


def test_staff_manage_tasks(browser):
    """Staff of the host are superusers of taskadmin, after log in at the host's page."""
    page = browser.open("/taskadmin/tasks/")
    assert page.text == "the host's log in page"
    back = browser.client.post(page.request.url, data={"name": "ana"})
    assert back.location == "/taskadmin/tasks/"
    browser.create_and_delete_a_task()
    assert 'href="/logout"' in browser.open("/taskadmin/tasks/").text


def test_others_may_not(browser):
    """They are logged in, but have no role."""
    browser.client.post("/login", data={"name": "ben"})
    assert browser.open("/taskadmin/tasks/").status_code == 403


def test_a_token_has_the_roles_of_the_moment(browser):
    """Not those that the user had when it was created."""
    browser.client.post("/login", data={"name": "ana"})
    page = browser.submit("/taskadmin/tokens/new", name="Build", scope="read", days="7")
    token = re.search(r"taskadmin_\w+", page.text)[0]

    def status():
        headers = {"Authorization": f"Bearer {token}"}
        return Client(browser.app).get("/taskadmin/api/v1/tasks", headers=headers).status_code

    assert status() == 200
    with browser.app.app_context():
        db.session.execute(db.update(User).values(is_staff=False))
        db.session.commit()
    assert status() == 403


def test_the_hosts_log_in_stays(browser):
    """taskadmin adds no log in of its own, and leaves the host's manager alone."""
    assert browser.app.login_manager is login_manager
    assert browser.open("/taskadmin/login").status_code == 404
