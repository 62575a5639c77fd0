"""Services that are started one at a time, by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compose.stack import SERVICES, Stack, copy_sources, installed_versions


@pytest.fixture
def empty(_engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack without containers, with the oldest docker-compose."""
    version = installed_versions()[0]
    folder = copy_sources(tmp_path_factory.mktemp("one-by-one"))
    with Stack(version, folder, project=f"taskadmin-test-{version.name}-single") as stack:
        stack.build()
        yield stack


def test_each_service_starts_on_its_own(empty: Stack) -> None:
    """Each service starts those that it depends on."""
    for service in ("flower", "worker", "beat", "web", "mq", "db"):
        empty.run("up", "-d", service)
        empty.wait_until_healthy(service)

    assert all(empty.is_healthy(service) for service in SERVICES)
