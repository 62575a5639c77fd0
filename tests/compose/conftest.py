"""The compose stack, run for real from a copy of the sources.

Every test runs once for each docker-compose of this machine (1.29: the command
``docker-compose``; v2: ``docker compose``). The example settings are used as they stand,
and other ones whose passwords have every awkward character.
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
    """Describe the marker; an unknown one is an error."""
    config.addinivalue_line("markers", "compose: runs the compose stack, for minutes")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test over the versions and both settings, each of them at least once."""
    if "kind" not in metafunc.fixturenames:
        return
    versions = installed_versions()
    if not versions:
        kinds = [(Version("none", ()), EXAMPLE)]  # for ``_engine`` to say why nothing runs
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
    """Which docker-compose, and which settings."""
    found: tuple[Version, str] = request.param
    return found


@pytest.fixture(scope="session")
def _engine() -> None:
    """Skip without a Docker engine; in CI that is a failure."""
    if shutil.which("docker") is None:
        reason = "There is no docker on this machine."
    elif not installed_versions():
        reason = "There is neither docker-compose nor docker compose on this machine."
    elif subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        reason = "No Docker engine answers (docker info)."
    else:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def stack(
    _engine: None, kind: tuple[Version, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """All services, started with one ``up -d``; taken down after the last test."""
    version, settings = kind
    folder = copy_sources(tmp_path_factory.mktemp("sources"))
    with Stack(version, folder, project=f"taskadmin-test-{version.name}-{settings}") as stack:
        stack.write_settings(_awkward() if settings == AWKWARD else {})
        stack.build()
        stack.run("up", "-d")
        stack.wait_until_healthy(*stack.services)
        yield stack


@pytest.fixture(scope="session")
def site(stack: Stack) -> Site:
    """The pages of the stack, with a superuser signed in."""
    password = "correct horse battery staple"
    stack.run(
        *("exec", "-T", "-e", f"NEW_PASSWORD={password}", "web"),
        *("flask", "taskadmin", "create-superuser", "ada", "--password-env", "NEW_PASSWORD"),
    )
    site = Site("http://127.0.0.1:8000")
    site.log_in("ada", password)
    return site


def _awkward() -> dict[str, str]:
    """Settings with what shells, URLs and env files stumble over, and a short schedule."""
    return {
        "SECRET_KEY": "'Zk%3q@x/$y#7Jw:Rr,P0dM&h=Vt^9u;L'",
        "POSTGRES_PASSWORD": "'p@ss%w/ord$x#1:,\"q'",
        "RABBITMQ_PASSWORD": "'r@b%b/it$y#2:,\"z'",
        "RABBITMQ_VHOST": "'a/b%2F'",
        "GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE": "10",
        "TASKADMIN_ENV": "development",
    }


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("compose")
