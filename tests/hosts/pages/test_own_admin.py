"""A host with a Flask-Admin of its own, and with a model called ``Task``, too."""

import pytest
from flask import Flask
from flask_admin import Admin
from flask_admin.contrib.sqla import ModelView
from flask_sqlalchemy import SQLAlchemy

from taskadmin import TaskAdmin

db = SQLAlchemy()


class Task(db.Model):
    """A model of the host."""

    id = db.Column(db.Integer, primary_key=True)
    title = db.Column(db.String(50))


def in_the_hosts_menu(app):
    # docs: begin
    admin = Admin(app, name="Shop")
    admin.add_view(ModelView(Task, db))
    TaskAdmin().init_app(app, db=db, admin=admin)
    # docs: end


def beside_the_hosts(app):
    admin = Admin(app, name="Shop")
    admin.add_view(ModelView(Task, db))
    TaskAdmin().init_app(app, db=db)


@pytest.fixture(params=[in_the_hosts_menu, beside_the_hosts])
def init_taskadmin(request):
    return request.param


@pytest.fixture
def app(database_url, init_taskadmin):
    app = Flask("shop")
    app.config.update(SECRET_KEY="only for tests", SQLALCHEMY_DATABASE_URI=database_url)
    db.init_app(app)
    init_taskadmin(app)
    with app.app_context():
        db.create_all()
        db.session.add(Task(title="water the plants"))
        db.session.commit()
    return app


def test_both_admins_work(browser):
    """Each shows and changes its own tasks."""
    browser.log_in()
    browser.create_and_delete_a_task()
    client = browser.client
    assert client.post("/admin/task/new/", data={"title": "dust"}).location == "/admin/task/"
    page = client.get("/admin/task/").text
    assert "water the plants" in page
    assert "dust" in page


def test_the_hosts_menu_has_taskadmins_pages(browser, init_taskadmin):
    """Only if its admin was passed, and only for those who may open them."""
    assert "/taskadmin/tasks/" not in browser.client.get("/admin/").text
    browser.log_in()
    menu = browser.client.get("/admin/").text
    assert ("/taskadmin/tasks/" in menu) is (init_taskadmin is in_the_hosts_menu)
