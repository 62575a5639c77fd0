"""Every page, for everybody, light and dark, wide and as on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from playwright.sync_api import Browser

from e2e.looking import (
    NO_POLLING,
    OTHER_WIDTHS,
    THEMES,
    WIDTHS,
    AccessibilityCheck,
    Visitor,
    picture,
    wider_than_window,
)
from e2e.pages import VISITS, Visit
from e2e.running_site import RunningSite
from e2e.sample import NOBODY, PASSWORD, REVIEWER, SUPERUSER, Sample
from taskadmin import TaskAdmin

ROLES = (SUPERUSER, REVIEWER, NOBODY, None)
#: The menu, and who is in it for whom.
MENU = ("dashboard", "tasks", "runs", "launches", "failures", "workers", "review", "users", "audit")
FOR_REVIEWERS = {"review"}
#: GET addresses that are no pages: files, fragments, machines' and ways to pages.
NO_PAGES = {
    *("static", "taskadmin.static", "taskadmin_shell.static"),
    *("taskadmin_health.healthz", "taskadmin_health.readyz", "taskadmin.index"),
    *("taskadmin_tasks.export", "taskadmin_runs.export_view", "taskadmin_audit.export_view"),
    "taskadmin_tasks.preview_view",
    # Flask-Admin's own, which the views answer with 403 or 404.
    *("taskadmin_tasks.ajax_lookup", "taskadmin_users.ajax_lookup", "taskadmin_users.export"),
    *("taskadmin_users.create_view", "taskadmin_users.details_view"),
}


@pytest.fixture(scope="module")
def visitors(browser: Browser, site: RunningSite) -> Iterator[dict[str | None, Visitor]]:
    """One browser for each kind of person, logged in once."""
    visitors = {}
    for role in ROLES:
        visitor = Visitor(browser, site.address)
        visitor.context.add_init_script(NO_POLLING)
        if role is not None:
            visitor.log_in(role, PASSWORD)
        visitors[role] = visitor
    yield visitors
    for visitor in visitors.values():
        visitor.close()


@pytest.fixture(scope="module")
def accessibility() -> AccessibilityCheck:
    """axe."""
    return AccessibilityCheck()


@pytest.mark.parametrize("visit", VISITS, ids=str)
def test_page(
    visit: Visit,
    sample: Sample,
    visitors: dict[str | None, Visitor],
    accessibility: AccessibilityCheck,
    pictures: Path,
) -> None:
    """It answers, works under the policy, fits into the window, and axe finds nothing."""
    visitor = visitors[visit.who]
    page = visitor.page
    visitor.show("wide", "light")
    path = f"/taskadmin/{visit.path(sample)}"
    assert visitor.open(path) == visit.status
    assert page.url == visitor.address + path, "it leads elsewhere"
    if visit.then is not None:
        visit.then(page)

    assert page.locator("h1").count() == 1
    assert page.title().strip(" ·") not in ("", "taskadmin")
    problems = []
    for theme in THEMES:
        for width in WIDTHS:
            visitor.show(width, theme)
            look = f"{width}, {theme}: "
            problems += [look + one for one in wider_than_window(page)]
            problems += [look + one for one in accessibility.violations(page)]
            picture(page, pictures / f"{visit}-{width}-{theme}.png")
    for pixels in OTHER_WIDTHS:
        page.set_viewport_size({"width": pixels, "height": 800})
        problems += [f"{pixels}: {one}" for one in wider_than_window(page)]
    picture(page, pictures / f"{visit}-tablet-dark.png")
    assert visitor.take_problems() + problems == []


@pytest.mark.parametrize("role", ROLES, ids=str)
def test_menu_shows_what_may_be_opened(
    role: str | None, visitors: dict[str | None, Visitor]
) -> None:
    """The pages of the menu answer; all others refuse, or lead those without a name to log in."""
    visitor = visitors[role]
    may_open = {SUPERUSER: {*MENU}, REVIEWER: FOR_REVIEWERS}.get(role or "", set())
    visitor.open("/taskadmin/profile")
    links = visitor.page.locator("nav#menu a")
    shown = {urlsplit(link.get_attribute("href")).path for link in links.all()}

    answers = {
        name: visitor.context.request.get(f"{visitor.address}/taskadmin/{name}/") for name in MENU
    }

    assert shown == {f"/taskadmin/{name}/" for name in may_open}
    for name, answer in answers.items():
        if role is None:
            assert answer.url.startswith(f"{visitor.address}/taskadmin/login?next="), name
        else:
            assert answer.status == (200 if name in may_open else 403), name


def test_no_page_is_left_out() -> None:
    """Whoever adds a page adds it here."""
    app = Flask("addresses")
    app.config.update(
        SECRET_KEY="of an application that answers nobody",
        SQLALCHEMY_DATABASE_URI="sqlite://",
        CELERY={"broker_url": "memory://localhost/"},
    )
    TaskAdmin().init_app(app, db=SQLAlchemy(app))
    pages = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.methods is not None and "GET" in rule.methods
    }
    anything = Sample(1, 1, 1, 1, 1, runs=_AnyRun(), launch=1, author=1, forgetful=1)
    addresses = app.url_map.bind("")

    visited = {
        addresses.match("/taskadmin/" + urlsplit(visit.path(anything)).path)[0] for visit in VISITS
    }

    assert pages - visited == NO_PAGES


class _AnyRun(dict):  # type: ignore[type-arg]
    def __missing__(self, key: object) -> int:
        return 1
