"""A host with Flask-Babel, and a function of its own that selects the language."""

import pytest
from flask import Flask, request
from flask_babel import Babel, format_decimal
from flask_sqlalchemy import SQLAlchemy

from taskadmin import TaskAdmin


# docs: begin
def select_locale():
    return request.cookies.get("language", "en")


def init_extensions(app, db):
    Babel(app, locale_selector=select_locale)
    TaskAdmin().init_app(app, db=db)


# docs: end


@pytest.fixture
def app(database_url):
    app = Flask("shop")
    app.config.update(SECRET_KEY="only for tests", SQLALCHEMY_DATABASE_URI=database_url)
    init_extensions(app, SQLAlchemy(app))
    app.add_url_rule("/price", view_func=lambda: format_decimal(1.5))
    return app


@pytest.mark.parametrize(
    ("language", "title", "price"), [("en", "Log in", "1.5"), ("de", "Anmelden", "1,5")]
)
def test_taskadmins_pages_follow_the_host(browser, language, title, price):
    """Both use the language that the host selects."""
    browser.client.set_cookie("language", language)
    page = browser.open("/taskadmin/login").text
    assert f'<html lang="{language}"' in page
    assert title in page
    assert browser.open("/price").text == price
