"""The compose files, without running them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[4] / "deploy"
TEXT = (DEPLOY / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LONG_RUNNING = ["db", "mq", "web", "beat", "worker", "flower"]
ONCE = ["settings", "migrate"]
OURS = ["web", "beat", "worker", "flower", "migrate"]
OWN = {"HEARTBEAT_FILE", "REMAP_SIGTERM"}
WITH_SETTINGS = ["db", "mq", "migrate", "web", "beat", "worker", "flower"]
IMAGES = {
    "PYTHON_IMAGE": "python:3.13-slim",
    "POSTGRES_IMAGE": "postgres:17-alpine",
    "RABBITMQ_IMAGE": "rabbitmq:4-management",
}


PRODUCTION_TEXT = (DEPLOY / "docker-compose.production.yml").read_text()
#: ``!override`` replaces the other file's list.
PRODUCTION: dict[str, Any] = yaml.safe_load(PRODUCTION_TEXT.replace("!override", ""))["services"]


def test_services() -> None:
    """The six services that run, and the two that prepare them."""
    assert set(SERVICES) == {*LONG_RUNNING, *ONCE}


def test_only_images_are_filled_in_from_outside() -> None:
    """Compose substitutes only image names, and each has a default."""
    filled_in = set(re.findall(r"\$\{(\w+):-([^}]+)\}", TEXT))

    assert filled_in == set(IMAGES.items())
    assert "$" not in re.sub(r"\$\{\w+:-[^}]+\}|\$\$", "", TEXT)


def test_every_docker_compose_reads_it() -> None:
    """There is no `version`, which v2 warns about, and no top-level `name`, which 1.29 refuses."""
    known = {"services", "networks", "volumes"}
    assert {key for key in COMPOSE if not key.startswith("x-")} == known


@pytest.mark.parametrize("name", SERVICES)
def test_settings_come_from_a_volume_of_the_services_own(name: str) -> None:
    """Only the service that writes the settings gets the file with all secrets."""
    service = SERVICES[name]

    assert service.get("env_file") == ("dockr/.env" if name == "settings" else None)
    volumes = [volume for volume in service["volumes"] if "-settings:" in volume]
    if name == "settings":
        assert volumes == [f"{one}-settings:/settings/{one}" for one in WITH_SETTINGS]
        return
    assert volumes == [f"{name}-settings:/run/settings:ro"]
    for name, value in service["environment"].items():
        assert value.startswith(("/run/settings", "/srv/")) or name in OWN


@pytest.mark.parametrize("name", SERVICES)
def test_services_are_fenced_in(name: str) -> None:
    """Only volumes and memory are writable, there are no capabilities, and resources are limited."""
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["mem_limit"]
    assert service["pids_limit"]


@pytest.mark.parametrize(
    ("name", "networks"),
    [
        ("db", ["database"]),
        ("mq", ["broker"]),
        ("migrate", ["database"]),
        ("web", ["database", "broker", "outside"]),
        ("beat", ["database", "broker"]),
        ("worker", ["database", "broker", "outside"]),
        ("flower", ["broker", "outside"]),
    ],
)
def test_each_service_reaches_what_it_needs(name: str, networks: list[str]) -> None:
    """Flower can't reach the database, and other machines can't reach the database or broker."""
    assert SERVICES[name]["networks"] == networks
    internal = {net for net, options in COMPOSE["networks"].items() if options}
    assert internal == {"database", "broker"}
    assert all(COMPOSE["networks"][net] == {"internal": True} for net in internal)


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_is_published_to_the_network(name: str) -> None:
    """web and flower are published on this machine only, db and mq not at all."""
    published = {"web": ["127.0.0.1:8000:8000"], "flower": ["127.0.0.1:5555:5555"]}

    assert SERVICES[name].get("ports", []) == published.get(name, [])
    assert SERVICES[name].get("network_mode") == ("none" if name == "settings" else None)


@pytest.mark.parametrize("name", [*LONG_RUNNING, "migrate"])
def test_no_service_runs_as_root(name: str) -> None:
    """Except for the one that writes to volumes owned by root."""
    assert SERVICES[name]["user"] in {"postgres", "rabbitmq", "app"}


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_long_running_services_are_watched(name: str) -> None:
    """They have a health check, a restart policy and time to stop."""
    service = SERVICES[name]

    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"
    assert service["stop_grace_period"]


@pytest.mark.parametrize("name", ONCE)
def test_preparations_run_once(name: str) -> None:
    """Services that prepare others aren't restarted."""
    assert SERVICES[name]["restart"] == "no"
    assert "healthcheck" not in SERVICES[name]


@pytest.mark.parametrize("name", ["web", "beat", "worker"])
def test_site_waits_for_what_it_needs(name: str) -> None:
    """The site starts after the database and broker are healthy and the tables exist."""
    assert SERVICES[name]["depends_on"] == {
        "db": {"condition": "service_healthy"},
        "mq": {"condition": "service_healthy"},
        "migrate": {"condition": "service_completed_successfully"},
    }


@pytest.mark.parametrize("name", OURS)
def test_sources_are_mounted(name: str) -> None:
    """An edit of the package, the site or its commands needs no new image."""
    mounted = [volume for volume in SERVICES[name]["volumes"] if volume.startswith(".")]
    folders = dict(volume.removesuffix(":ro").split(":") for volume in mounted)

    assert folders == {
        "../packages/taskadmin/src": "/srv/packages/taskadmin/src",
        "./taskadmin_site": "/srv/deploy/taskadmin_site",
        "./dockr/processes": "/srv/deploy/dockr/processes",
    }
    assert all((DEPLOY / folder).is_dir() for folder in folders)


@pytest.mark.parametrize(
    ("name", "folder"), [("db", "/var/lib/postgresql/data"), ("mq", "/var/lib/rabbitmq")]
)
def test_data_is_in_a_named_volume(name: str, folder: str) -> None:
    """Data outlives the container."""
    assert f"{name}-data:{folder}" in SERVICES[name]["volumes"]
    assert f"{name}-data" in COMPOSE["volumes"]


def test_broker_keeps_its_name() -> None:
    """The host name is fixed, because RabbitMQ names its data folder after it."""
    assert SERVICES["mq"]["hostname"] == "mq"


def _commands() -> dict[str, list[str]]:
    procfile = (DEPLOY / "dockr" / "processes" / "web.Procfile").read_text()
    launcher = next(line for line in procfile.splitlines() if line.startswith("launcher:"))
    commands = {name: shlex.split(SERVICES[name]["command"]) for name in OURS}
    return commands | {"launcher": shlex.split(launcher)}


@pytest.mark.parametrize(
    ("name", "queue"), [("launcher", "taskadmin.launch"), ("worker", "taskadmin.runs")]
)
def test_each_worker_reads_its_own_queue(name: str, queue: str) -> None:
    """The launcher runs in web, and jobs run in worker."""
    command = _commands()[name]

    assert command[command.index("--queues") + 1] == queue


def test_worker_sends_flower_its_events() -> None:
    """The worker sends the events that Flower shows."""
    assert "-E" in _commands()["worker"]


def test_no_secret_is_on_a_command_line() -> None:
    """Commands contain no secrets, because every user can list processes."""
    for command in _commands().values():
        assert "PASSWORD" not in " ".join(command)


def test_public_images_only() -> None:
    """Images are public ones under their plain names, unless a variable pins others."""
    dockerfile = (DEPLOY / "dockr" / "Dockerfile").read_text()

    assert f"ARG PYTHON_IMAGE={IMAGES['PYTHON_IMAGE']}\nFROM ${{PYTHON_IMAGE}}\n" in dockerfile
    images = {name: SERVICES[name]["image"] for name in ("settings", "db", "mq")}
    wanted = zip(images, IMAGES.items(), strict=True)
    assert images == {name: f"${{{variable}:-{image}}}" for name, (variable, image) in wanted}
    build = {
        "context": "..",
        "dockerfile": "deploy/dockr/Dockerfile",
        "args": {"PYTHON_IMAGE": images["settings"]},
    }
    assert {json.dumps(SERVICES[name]["build"]) for name in OURS} == {json.dumps(build)}
    assert PRODUCTION["settings"]["build"] == build


@pytest.mark.parametrize("name", [*OURS, "settings"])
def test_production_mounts_no_sources(name: str) -> None:
    """Except for that, services are the same as in the first file."""
    assert PRODUCTION_TEXT.count("volumes: !override") == len(PRODUCTION)
    changed = PRODUCTION[name]
    without = [one for one in SERVICES[name]["volumes"] if not one.startswith(".")]

    assert changed["volumes"] == without
    if name != "settings":
        assert set(changed) == {"volumes", "environment"}
        assert changed["environment"] == {"SOURCES": ""}


def test_production_has_secrets_in_files() -> None:
    """Only the service that writes the settings gets the three secrets."""
    names = ["SECRET_KEY", "POSTGRES_PASSWORD", "RABBITMQ_PASSWORD"]

    assert {name for name, service in PRODUCTION.items() if "secrets" in service} == {"settings"}
    assert PRODUCTION["settings"]["secrets"] == names
    assert PRODUCTION["settings"]["environment"] == {
        "TASKADMIN_ENV": "production",
        **{f"{name}_FILE": f"/run/secrets/{name}" for name in names},
    }
