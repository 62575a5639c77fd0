"""Pages that show one text each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from flask import Blueprint, Flask
from flask.testing import FlaskClient
from flask_babel import get_locale as babel_locale
from wtforms import IntegerField

from taskadmin.translation import i18n
from taskadmin.web.layout import PageForm

Reading = Callable[..., AbstractContextManager[None]]


class Integer(PageForm):
    """A form with a message of WTForms."""

    number = IntegerField()


def said(client: FlaskClient, path: str, browser: str = "") -> str:
    """Return the language that the page at *path* has for a browser's language."""
    headers = {"Accept-Language": browser} if browser else {}
    return client.post(path, data={"number": "x"}, headers=headers).text


def add_pages(app: Flask) -> None:
    """Add a page of the host and one of taskadmin."""

    def language() -> str:
        form = Integer(meta={"csrf": False})
        form.validate()
        return f"{babel_locale()} {i18n.language_tag()} {' '.join(map(str, form.number.errors))}"

    app.add_url_rule("/hosts", "hosts", language, methods=["POST"])
    blueprint = Blueprint("taskadmin_test", "taskadmin_test")
    blueprint.add_url_rule("/ours", "ours", language, methods=["POST"])
    app.register_blueprint(blueprint)
