"""A host with Flask-Security."""

import re

import pytest
from flask import Flask
from flask_security import Security, SQLAlchemyUserDatastore, auth_required, current_user
from flask_security.models import fsqla_v3
from flask_sqlalchemy import SQLAlchemy

from taskadmin import Identity, TaskAdmin

PASSWORD = "correct horse battery"


# docs: begin
def taskadmin_identity():
    """Return the user of the current request, for taskadmin."""
    if not current_user.is_authenticated:
        return None
    return Identity(current_user.email, is_superuser=current_user.has_role("admin"))


def init_taskadmin(app, db):
    TaskAdmin().init_app(
        app,
        db=db,
        identity=taskadmin_identity,
        login_url="security.login",
    )


# docs: end


@pytest.fixture
def app(database_url):
    db = SQLAlchemy()
    fsqla_v3.FsModels.set_db_info(db)

    class Role(db.Model, fsqla_v3.FsRoleMixin):
        pass

    class User(db.Model, fsqla_v3.FsUserMixin):
        pass

    app = Flask("shop")
    app.config.update(
        SECRET_KEY="only for tests",
        SECURITY_PASSWORD_SALT="only for tests",
        SECURITY_PASSWORD_HASH="plaintext",
        SECURITY_PASSWORD_SCHEMES=["plaintext"],
        SQLALCHEMY_DATABASE_URI=database_url,
    )
    db.init_app(app)
    store = SQLAlchemyUserDatastore(db, User, Role)
    Security(app, store)
    init_taskadmin(app, db)

    @app.get("/orders")
    @auth_required()
    def orders():
        return "the host's orders"

    with app.app_context():
        db.create_all()
        admin = store.create_role(name="admin")
        store.create_user(email="ana@example.com", password=PASSWORD, roles=[admin])
        store.create_user(email="ben@example.com", password=PASSWORD)
        db.session.commit()
    return app


def log_in(browser, path, email):
    """Log in at Flask-Security's page, to which *path* redirects, and return where it leads."""
    page = browser.open(path)
    assert page.request.path == "/login"
    token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page.text)[1]
    fields = {"email": email, "password": PASSWORD, "csrf_token": token}
    return browser.client.post(page.request.url, data=fields).location


def test_admins_manage_tasks(browser):
    """Somebody with the role admin is a superuser of taskadmin."""
    assert log_in(browser, "/taskadmin/tasks/", "ana@example.com") == "/taskadmin/tasks/"
    browser.create_and_delete_a_task()
    assert browser.client.post("/logout").status_code == 302
    assert browser.open("/taskadmin/tasks/").request.path == "/login"


def test_others_may_not(browser):
    """Flask-Security's pages work, taskadmin's are refused."""
    log_in(browser, "/orders", "ben@example.com")
    assert browser.open("/orders").text == "the host's orders"
    assert browser.open("/taskadmin/tasks/").status_code == 403
