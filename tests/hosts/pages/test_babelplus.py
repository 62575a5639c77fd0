"""A host with Flask-BabelPlus, as FlaskBB has it."""

import pytest
from flask import Flask, request
from flask_babelplus import Babel, Domain, format_decimal
from flask_sqlalchemy import SQLAlchemy

from taskadmin import TaskAdmin

babel = Babel(default_domain=Domain(domain="shop"))


@pytest.fixture
def app(database_url):
    app = Flask("shop")
    app.config.update(SECRET_KEY="only for tests", SQLALCHEMY_DATABASE_URI=database_url)
    babel.init_app(app)
    babel.localeselector(lambda: request.cookies.get("language", "en"))
    TaskAdmin().init_app(app, db=SQLAlchemy(app))
    app.add_url_rule("/price", view_func=lambda: format_decimal(1.5))
    return app


def test_each_has_its_own_language(browser):
    """taskadmin's follows the browser, and the host's stays as it selects it."""
    browser.client.set_cookie("language", "de")
    assert browser.open("/price").text == "1,5"
    browser.log_in()
    browser.create_and_delete_a_task()
    assert browser.open("/price").text == "1,5"
