"""The real site with its processes, and users in a real browser: ``nox -s e2e``.

``E2E_FOLDER`` or ``--folder`` names the folder for screenshots of every page.
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
from services.servers.postgresql import PostgresqlServer
from services.servers.rabbitmq import delete_queues

#: Length of the common slot; a new user's first result takes as long.
INTERVAL_SECONDS = 5

MakeVisitor = Callable[..., Visitor]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the screenshots' folder."""
    parser.addoption(
        "--folder",
        default=os.environ.get("E2E_FOLDER"),
        help="folder for the screenshots (default: a temporary one)",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests of first steps first, which need a site without tasks, and the sample's last."""
    items.sort(
        key=lambda item: (
            item.path.name != "test_first_steps.py",
            "sample" in getattr(item, "fixturenames", ()),
        )
    )


@pytest.fixture(scope="session")
def pictures(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the screenshots."""
    given = pytestconfig.getoption("--folder")
    folder = Path(given) if given else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def site_database(postgresql: PostgresqlServer) -> Iterator[URL]:
    """The site's database with its superuser, reviewer and ordinary user."""
    url = postgresql.create()
    yield url
    postgresql.drop(url)


@pytest.fixture(scope="session")
def site_broker(rabbitmq: str) -> Iterator[str]:
    """A virtual host that other tests don't use."""
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
    """The running site, with users and without tasks."""
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
    """Tasks of every kind, with runs in every state."""
    engine = create_engine(site_database)
    with Session(engine) as session, make_sample(session) as sample:
        yield sample
    engine.dispose()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser; each visitor has a separate profile."""
    with running_browser() as browser:
        yield browser


@pytest.fixture
def make_visitor(browser: Browser, site: RunningSite) -> Iterator[MakeVisitor]:
    """Create visitors, logged in if they have a name; fail if their browsers report problems."""
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
