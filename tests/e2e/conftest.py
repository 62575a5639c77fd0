"""The real site, people at it in a real browser, and tasks that run.

``nox -s e2e``. Pictures of every page are kept in the folder that ``E2E_FOLDER`` or
``--folder`` names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from sqlalchemy import URL, create_engine
from sqlalchemy.orm import Session

from e2e.looking import Visitor, running_browser
from e2e.running_site import RunningSite, environment
from e2e.sample import PASSWORD, PEOPLE, Sample, add_people, make_sample
from services.postgresql import PostgresqlServer
from services.rabbitmq import delete_queues

#: Length of the common slot: a newcomer's first result comes within it.
INTERVAL_SECONDS = 5

MakeVisitor = Callable[..., Visitor]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the pictures be kept somewhere."""
    parser.addoption(
        "--folder",
        default=os.environ.get("E2E_FOLDER"),
        help="folder for the pictures of every page (default: a temporary one)",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who is new to the site comes first: it has no tasks until the others need them."""
    items.sort(key=lambda item: "sample" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def pictures(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the pictures."""
    given = pytestconfig.getoption("--folder")
    folder = Path(given) if given else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def site_database(postgresql: PostgresqlServer) -> Iterator[URL]:
    """A database of the site's own, with its first superuser, reviewer and ordinary user."""
    url = postgresql.create()
    yield url
    postgresql.drop(url)


@pytest.fixture(scope="session")
def site_broker(rabbitmq: str) -> Iterator[str]:
    """A broker that nobody else uses at the same time."""
    if os.environ.get("CI") == "true" and "/taskadmin-test-" not in rabbitmq:
        pytest.fail(
            "There is no virtual host for this site alone: rabbitmqctl can't make one. The other"
            " tests, which run at the same time, would delete its queues."
        )
    delete_queues(rabbitmq)
    yield rabbitmq
    delete_queues(rabbitmq)


@pytest.fixture(scope="session")
def site(
    site_database: URL, site_broker: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSite]:
    """The site, as its administrator has started it: with people, without tasks."""
    site = RunningSite(
        tmp_path_factory.mktemp("site"),
        environment(site_database, site_broker, interval_seconds=INTERVAL_SECONDS),
    )
    site.migrate()
    engine = create_engine(site_database)
    with Session(engine) as session:
        add_people(session)
    engine.dispose()
    try:
        site.start()
        yield site
    finally:
        site.stop()


@pytest.fixture(scope="session")
def sample(site: RunningSite, site_database: URL) -> Iterator[Sample]:
    """Tasks of every kind, which have run: well, badly, not at all, and which run now."""
    engine = create_engine(site_database)
    with Session(engine) as session, make_sample(session) as sample:
        yield sample
    engine.dispose()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser; each visitor has a profile of its own in it."""
    with running_browser() as browser:
        yield browser


@pytest.fixture
def make_visitor(browser: Browser, site: RunningSite) -> Iterator[MakeVisitor]:
    """People at the site, signed in if they are known by name; nothing may go wrong for them."""
    made: list[Visitor] = []

    def make(name: str | None = None, *, javascript: bool = True) -> Visitor:
        visitor = Visitor(browser, site.address, javascript=javascript)
        made.append(visitor)
        if name is not None:
            assert name in PEOPLE
            visitor.log_in(name, PASSWORD)
        return visitor

    yield make
    problems = [problem for visitor in made for problem in visitor.take_problems()]
    for visitor in made:
        visitor.close()
    assert problems == []
