"""Run the compose stack from a copy of the sources.

Every test runs with each docker-compose on this machine (1.29: the command ``docker-compose``;
v2: ``docker compose``), with the example settings and with passwords full of special characters.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from compose.site import Site
from compose.stack import Stack, Version, copy_sources, installed_versions

EXAMPLE = "example"
AWKWARD = "awkward"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; unknown ones are errors."""
    config.addinivalue_line("markers", "compose: runs the compose stack, for minutes")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test with the versions and both settings, each of them at least once."""
    if "kind" not in metafunc.fixturenames:
        return
    versions = installed_versions()
    if not versions:
        kinds = [(Version("none", ()), EXAMPLE)]  # so that ``_engine`` reports the reason
    elif len(versions) == 1:
        kinds = [(versions[0], EXAMPLE), (versions[0], AWKWARD)]
    else:
        kinds = list(zip(versions, (AWKWARD, EXAMPLE), strict=False))
    metafunc.parametrize(
        "kind",
        kinds,
        ids=[f"{version.name}-{settings}" for version, settings in kinds],
        scope="session",
        indirect=True,
    )


@pytest.fixture(scope="session")
def kind(request: pytest.FixtureRequest) -> tuple[Version, str]:
    """The docker-compose version and the settings."""
    found: tuple[Version, str] = request.param
    return found


@pytest.fixture(scope="session")
def _engine() -> None:
    """Skip without a Docker engine, and fail in CI."""
    if shutil.which("docker") is None:
        reason = "docker isn't installed."
    elif not installed_versions():
        reason = "Neither docker-compose nor docker compose is installed."
    elif subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        reason = "No Docker engine answers (docker info)."
    else:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def stack(
    request: pytest.FixtureRequest,
    _engine: None,
    kind: tuple[Version, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """All services, started with one ``up -d`` and removed after the last test."""
    version, settings = kind
    folder = copy_sources(tmp_path_factory.mktemp("sources"))
    with Stack(version, folder, project=f"taskadmin-test-{version.name}-{settings}") as stack:
        stack.write_settings(request.getfixturevalue("awkward") if settings == AWKWARD else {})
        stack.build()
        stack.run("up", "-d")
        stack.wait_until_healthy(*stack.services)
        yield stack


@pytest.fixture(scope="session")
def site(stack: Stack) -> Site:
    """The stack's pages, with a superuser logged in."""
    password = "correct horse battery staple"
    stack.run(
        *("exec", "-T", "-e", f"NEW_PASSWORD={password}", "web"),
        *("flask", "taskadmin", "create-superuser", "ada", "--password-env", "NEW_PASSWORD"),
    )
    site = Site("http://127.0.0.1:8000")
    site.log_in("ada", password)
    return site


@pytest.fixture(scope="session")
def awkward() -> dict[str, str]:
    """Settings with special characters of shells, URLs and env files, and a short schedule."""
    return {
        "SECRET_KEY": "'Zk%3q@x/$y#7Jw:Rr,P0dM&h=Vt^9u;L'",
        "POSTGRES_PASSWORD": "'p@ss%w/ord$x#1:,\"q'",
        "RABBITMQ_PASSWORD": "'r@b%b/it$y#2:,\"z'",
        "RABBITMQ_VHOST": "'a/b%2F'",
        "GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE": "10",
        "TASKADMIN_ENV": "development",
    }


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("compose")
