"""The stack in production: sources in the image, secrets in files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from compose.site import Site
from compose.stack import SERVICES, Stack, copy_sources, installed_versions

ADDRESS = "http://127.0.0.1:8000"
FILES = ("docker-compose.yml", "docker-compose.production.yml")


@pytest.fixture(scope="module")
def production(
    _engine: None, tmp_path_factory: pytest.TempPathFactory, awkward: dict[str, str]
) -> Iterator[Stack]:
    """All services, with the newest docker compose."""
    version = installed_versions()[-1]
    if not version.is_for_production:
        pytest.skip("docker-compose.production.yml needs docker compose 2.24 or newer.")
    folder = copy_sources(tmp_path_factory.mktemp("production"))
    with Stack(version, folder, project="taskadmin-test-production", files=FILES) as stack:
        stack.write_settings(awkward | {"TRUSTED_HOSTS": "localhost"})
        stack.move_secrets_into_files()
        stack.build()
        stack.run("up", "-d")
        stack.wait_until_healthy(*SERVICES)
        yield stack


def test_no_source_is_mounted(production: Stack) -> None:
    """A container mounts only its settings and its data."""
    for service in SERVICES:
        mounts = production.inspect(service)["Mounts"]
        assert {mount["Type"] for mount in mounts} == {"volume"}
        writable = {mount["Destination"] for mount in mounts if mount["RW"]}
        data = {"db": {"/var/lib/postgresql/data"}, "mq": {"/var/lib/rabbitmq"}}
        assert writable == data.get(service, set())


def test_only_settings_mounts_the_users_secrets(production: Stack) -> None:
    """Only the settings container has /run/secrets."""
    for service in SERVICES:
        there = production.run(
            "exec", "-T", service, "sh", "-c", "ls /run/secrets 2>/dev/null || :"
        )
        assert there == ""


def test_production_reloads_nothing(production: Stack) -> None:
    """The sources aren't watched."""
    assert "Reloader is on" not in production.logs("web")
    for service in ("web", "beat", "worker", "flower"):
        processes = production.run("top", service).splitlines()
        assert not [one for one in processes if "reload.py" in one and "docker-init" not in one]


def test_cookies_need_tls(production: Stack) -> None:
    """Browsers don't send the session cookie over plain HTTP."""
    answer = requests.get(f"{ADDRESS}/taskadmin/login", timeout=10)

    assert answer.status_code == 200
    assert "Secure" in answer.headers["Set-Cookie"]


def test_runs_are_executed(production: Stack) -> None:
    """The worker replies to a message, and the schema is the newest."""
    assert "answered after" in production.run("exec", "-T", "web", "flask", "taskadmin", "ping")
    assert "healthy" in str(production.inspect("worker")["State"]["Health"])
    assert Site(ADDRESS).get("/readyz")
