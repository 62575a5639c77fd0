"""The language of a request, in hosts with and without Flask-Babel."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from flask import Flask
from flask_admin import Admin
from flask_babel import Babel
from sqlalchemy.orm import Session

from fixture_types import MakeHost, MakeUser
from services.browser import sign_in
from services.reading import Integer, add_pages, said
from taskadmin import TaskAdmin
from taskadmin.store.people import users

pytestmark = pytest.mark.databases("sqlite")
ENGLISH = "en en Not a valid integer value."


class BabelPlusState:
    """What Flask-BabelPlus and Flask-BabelEx keep in ``app.extensions``."""

    def __init__(self, app: Flask) -> None:
        self.babel = SimpleNamespace(locale_selector_func=lambda: "uk")
        self.app = app
        self.domain = object()
        self.locale_cache: dict[str, object] = {}


@pytest.mark.parametrize("is_first", [True, False])
def test_a_hosts_flask_babel_keeps_its_selector(
    make_host: MakeHost, session: Session, make_user: MakeUser, is_first: bool
) -> None:
    """It decides for users without a language in taskadmin, whichever is initialized first."""
    app, db = make_host()
    babel = Babel(locale_selector=lambda: "uk")
    if is_first:
        babel.init_app(app, locale_selector=lambda: "uk")
    TaskAdmin().init_app(app, db=db)
    if not is_first:
        babel.init_app(app, locale_selector=lambda: "uk")
    add_pages(app)
    client = app.test_client()

    assert app.extensions["babel"].instance is babel
    assert said(client, "/ours", "de").startswith("uk uk")
    assert '<html lang="uk"' in client.get("/taskadmin/login").text
    user = make_user("ana")
    users.set_preferences(session, user, language="de", zone=None)
    sign_in(client, user)
    assert said(client, "/ours").startswith("de de")
    assert said(client, "/hosts").startswith("uk uk")


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("make_other", [BabelPlusState, lambda _: object(), lambda _: None])
def test_pages_work_beside_another_babel(
    make_host: MakeHost,
    session: Session,
    make_user: MakeUser,
    make_other: Callable[[Flask], object],
    is_first: bool,
) -> None:
    """The browser chooses, then the user; the other extension keeps its place."""
    app, db = make_host()
    other = make_other(app)
    if is_first:
        app.extensions["babel"] = other
    TaskAdmin().init_app(app, db=db)
    app.extensions["babel"] = other if not is_first else app.extensions["babel"]
    add_pages(app)
    client = app.test_client()

    assert app.extensions["babel"] is other
    assert said(client, "/ours", "fr") == "fr fr N'est pas un entier valide."
    assert said(client, "/ours") == ENGLISH
    assert (
        '<html lang="fr"' in client.get("/taskadmin/login", headers={"Accept-Language": "fr"}).text
    )
    assert client.get("/taskadmin/no/such/page").status_code == 404
    user = make_user("ana", is_superuser=True)
    users.set_preferences(session, user, language="de", zone=None)
    sign_in(client, user)
    assert said(client, "/ours", "fr") == "de de Keine gültige, ganze Zahl."
    for page in ("dashboard", "tasks", "runs", "users"):
        assert '<html lang="de"' in client.get(f"/taskadmin/{page}/").text
    saved = client.post("/taskadmin/preferences", data={"language": "", "zone": ""})
    assert saved.status_code == 302
    assert said(client, "/ours", "fr").startswith("fr fr ")


@pytest.mark.parametrize("extensions", [{}, {"babel": object()}])
def test_the_pages_of_a_host_without_flask_babel_stay_english(
    make_host: MakeHost, extensions: dict[str, object]
) -> None:
    """Its forms, also before a request reaches its view, and its Flask-Admin."""
    app, db = make_host()
    app.extensions.update(extensions)
    admin = Admin(app, name="Shop")
    early: list[str] = []

    @app.before_request
    def validate() -> None:
        form = Integer(meta={"csrf": False})
        form.validate()
        early.extend(map(str, form.number.errors))

    TaskAdmin().init_app(app, db=db, admin=admin)
    add_pages(app)
    client = app.test_client()

    assert said(client, "/hosts", "fr") == ENGLISH
    assert early == ["Not a valid integer value."]
    assert client.get("/admin/", headers={"Accept-Language": "fr"}).status_code == 200
