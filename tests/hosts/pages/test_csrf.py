"""A host with forms of its own, with and without Flask-WTF's ``CSRFProtect``."""

import pytest
from flask import Flask, render_template_string
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect, FlaskForm
from wtforms import StringField

from taskadmin import TaskAdmin

db = SQLAlchemy()
csrf = CSRFProtect()


def create_app(**config):
    app = Flask("shop")
    app.config.update(config)
    # docs: begin
    db.init_app(app)
    csrf.init_app(app)
    TaskAdmin().init_app(app, db=db)
    # docs: end
    return app


class OrderForm(FlaskForm):
    """A form of the host."""

    article = StringField()


def order():
    form = OrderForm()
    if form.validate_on_submit():
        return f"Ordered {form.article.data}", 201
    return render_template_string("<form method=post>{{ form.hidden_tag() }}</form>", form=form)


def no_protection(**config):
    app = Flask("shop")
    app.config.update(config)
    db.init_app(app)
    TaskAdmin().init_app(app, db=db)
    return app


HOSTS = {
    "protected": (create_app, {}),
    "protected, no default check": (create_app, {"WTF_CSRF_CHECK_DEFAULT": False}),
    "protected, another field": (create_app, {"WTF_CSRF_FIELD_NAME": "token"}),
    "not protected": (no_protection, {}),
}


@pytest.fixture(params=HOSTS.values(), ids=HOSTS)
def app(request, database_url):
    create, config = request.param
    app = create(SECRET_KEY="only for tests", SQLALCHEMY_DATABASE_URI=database_url, **config)
    app.add_url_rule("/order", view_func=order, methods=["GET", "POST"])
    return app


def test_forms_of_both_work(browser):
    """A superuser uses taskadmin's forms, and the host's, in the same session."""
    browser.log_in()
    browser.create_and_delete_a_task()
    assert browser.submit("/order", article="nuts").text == "Ordered nuts"


def test_forms_of_both_refuse_requests_without_a_token(browser):
    """taskadmin's own forms also without the host's protection."""
    browser.log_in()
    client = browser.client
    task = {"job": "generate_random_number", "lower_limit": "0", "upper_limit": "1"}
    assert client.post("/taskadmin/tasks/new/", data=task).status_code in (400, 422)
    assert "No tasks" in browser.open("/taskadmin/tasks/").text
    assert client.post("/order", data={"article": "nuts"}).status_code != 201
