"""Services that are started by name, one at a time, from nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compose.stack import SERVICES, Stack, Version, copy_sources


@pytest.fixture
def empty(
    _engine: None, kind: tuple[Version, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack of which nothing runs."""
    version, _ = kind
    folder = copy_sources(tmp_path_factory.mktemp("one-by-one"))
    with Stack(version, folder, project=f"taskadmin-test-{version.name}-single") as stack:
        stack.build()
        yield stack


def test_each_service_starts_on_its_own(empty: Stack) -> None:
    """Each brings what it needs with it, the most demanding first: nothing else has to be up."""
    for service in ("flower", "worker", "beat", "web", "mq", "db"):
        empty.run("up", "-d", service)
        empty.wait_until_healthy(service)

    assert all(empty.is_healthy(service) for service in SERVICES)
