"""All pages for each role, language, theme and width."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from playwright.sync_api import Browser
from sqlalchemy import URL, create_engine, text

from e2e.looking import (
    NO_POLLING,
    OTHER_WIDTHS,
    THEMES,
    WIDTHS,
    AccessibilityCheck,
    Visitor,
    cut_placeholders,
    picture,
    wider_than_window,
)
from e2e.pages import VISITS, Visit
from e2e.running_site import RunningSite
from e2e.sample import NEWCOMER, NOBODY, PASSWORD, REVIEWER, SUPERUSER, Sample
from taskadmin import TaskAdmin
from taskadmin.notifications import Notifications
from taskadmin.translation.i18n import tag_of
from taskadmin.translation.languages import LANGUAGES

ROLES = (SUPERUSER, REVIEWER, NOBODY, None)
#: Pages in the menu, and those that reviewers see.
MENU = (
    "dashboard",
    "tasks",
    "runs",
    "launches",
    "failures",
    "workers",
    "review",
    "users",
    "audit",
    "notifications",
)
FOR_REVIEWERS = {"review"}
TAGS = [tag_of(name) for name in LANGUAGES]
#: Pages with the most words beside each other.
CROWDED = (
    "dashboard/",
    "tasks/",
    "runs/",
    "launches/",
    "failures/",
    "workers/",
    "tasks/new/",
    "audit/",
    "users/",
)
#: GET endpoints that aren't pages: files, fragments, health checks and redirects.
NO_PAGES = {
    *("static", "taskadmin.static", "taskadmin_layout.static"),
    *("taskadmin_health.healthz", "taskadmin_health.readyz", "taskadmin.index"),
    *("taskadmin_tasks.export", "taskadmin_runs.export_view", "taskadmin_audit.export_view"),
    "taskadmin_runs.output_view",
    "taskadmin_tasks.preview_view",
    # Flask-Admin's own, which the views answer with 403 or 404.
    *("taskadmin_tasks.ajax_lookup", "taskadmin_users.ajax_lookup", "taskadmin_users.export"),
    *("taskadmin_users.create_view", "taskadmin_users.details_view"),
    # Only after a password: test_second_factor.py.
    "taskadmin_accounts.enter_code",
}


@pytest.fixture(scope="module")
def visitors(browser: Browser, site: RunningSite) -> Iterator[dict[str | None, Visitor]]:
    """A browser for each role, logged in once."""
    visitors = {}
    for role in (*ROLES, NEWCOMER):
        visitor = Visitor(browser, site.address)
        visitor.context.add_init_script(NO_POLLING)
        if role is not None:
            visitor.log_in(role, PASSWORD)
        visitors[role] = visitor
    yield visitors
    for visitor in visitors.values():
        visitor.close()


@pytest.fixture
def passwords_entered(sample: Sample, site_database: URL) -> Iterator[Callable[[timedelta], None]]:
    """Set how long ago all users have entered their passwords."""
    engine = create_engine(site_database)

    def enter(ago: timedelta) -> None:
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE taskadmin_session SET confirmed_at = now() - :ago"), {"ago": ago}
            )

    yield enter
    engine.dispose()


@pytest.fixture(scope="module")
def accessibility() -> AccessibilityCheck:
    """axe."""
    return AccessibilityCheck()


@pytest.mark.parametrize("visit", VISITS, ids=str)
def test_page(
    visit: Visit,
    sample: Sample,
    visitors: dict[str | None, Visitor],
    passwords_entered: Callable[[timedelta], None],
    accessibility: AccessibilityCheck,
    pictures: Path,
) -> None:
    """The page works in every language and under the policy, fits, and passes axe."""
    visitor = visitors[visit.who]
    page = visitor.page
    # The test of all pages takes longer than an entered password stays valid (15 min).
    passwords_entered(timedelta(hours=1 if visit.late else 0))
    visitor.show("wide", "light")
    path = f"/taskadmin/{visit.path(sample)}"
    assert visitor.open(path) == visit.status
    assert page.url == visitor.address + path, "it leads elsewhere"
    if visit.then is not None:
        visit.then(page)

    assert page.locator("h1").count() == 1
    assert page.title().strip(" ·") not in ("", "taskadmin")
    problems = [problem for tag in TAGS for problem in visitor.wrong_in(tag)]
    for theme in THEMES:
        for width in WIDTHS:
            visitor.show(width, theme)
            look = f"{width}, {theme}: "
            problems += [look + one for one in wider_than_window(page)]
            problems += [look + one for one in cut_placeholders(page)]
            problems += [look + one for one in accessibility.violations(page)]
            picture(page, pictures / f"{visit}-{width}-{theme}.png")
    for pixels in OTHER_WIDTHS:
        page.set_viewport_size({"width": pixels, "height": 800})
        problems += [f"{pixels}: {one}" for one in wider_than_window(page)]
    picture(page, pictures / f"{visit}-tablet-dark.png")
    assert visitor.take_problems() + problems == []


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.usefixtures("sample")
def test_crowded_pages_fit_in_every_language(
    tag: str,
    browser: Browser,
    site: RunningSite,
    visitors: dict[str | None, Visitor],
    pictures: Path,
) -> None:
    """Longer words don't break the layout."""
    visitor = Visitor(browser, site.address, language=tag)
    visitor.context.add_init_script(NO_POLLING)
    visitor.context.add_cookies(visitors[SUPERUSER].context.cookies())
    problems = []
    for path in CROWDED:
        assert visitor.open(f"/taskadmin/{path}") == 200
        for width in WIDTHS:
            visitor.show(width, "light")
            for found in (wider_than_window(visitor.page), cut_placeholders(visitor.page)):
                problems += [f"{path}, {width}: {one}" for one in found]
            picture(
                visitor.page, pictures / f"{tag}-{path.strip('/').replace('/', '-')}-{width}.png"
            )
    problems += visitor.take_problems()
    visitor.close()
    assert problems == []


@pytest.mark.parametrize("role", ROLES, ids=str)
def test_menu_links_only_to_accessible_pages(
    role: str | None, visitors: dict[str | None, Visitor]
) -> None:
    """Pages of the menu respond; others are forbidden or redirect to log in."""
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


def test_all_pages_are_listed() -> None:
    """A new page must be added to the list."""
    app = Flask("addresses")
    app.config.update(
        SECRET_KEY="of an application that answers nobody",
        SQLALCHEMY_DATABASE_URI="sqlite://",
        CELERY={"broker_url": "memory://localhost/"},
    )
    TaskAdmin().init_app(app, db=SQLAlchemy(app))
    Notifications().init_app(app)
    pages = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.methods is not None and "GET" in rule.methods
    }
    ones = dict.fromkeys(("launch", "author", "forgetful", "token", "channel"), 1)
    anything = Sample(1, 1, 1, 1, 1, runs=_AnyRun(), **ones)
    addresses = app.url_map.bind("")

    visited = {
        addresses.match("/taskadmin/" + urlsplit(visit.path(anything)).path)[0] for visit in VISITS
    }

    assert pages - visited == NO_PAGES


class _AnyRun(dict):  # type: ignore[type-arg]
    def __missing__(self, key: object) -> int:
        return 1
