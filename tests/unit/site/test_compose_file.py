"""What the compose file promises, read from the file alone."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[3] / "deploy"
TEXT = (DEPLOY / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LONG_RUNNING = ["db", "mq", "web", "beat", "worker", "flower"]
OURS = ["web", "beat", "worker", "flower", "migrate"]


def test_services_are_the_missions() -> None:
    """The six services that are started by name, and the one-shot that migrates."""
    assert set(SERVICES) == {*LONG_RUNNING, "migrate"}


def test_nothing_is_interpolated() -> None:
    """dockr/.env is the containers' environment, which this file is not completed with."""
    assert "${" not in TEXT
    assert "$" not in TEXT.replace("$$", "")


def test_every_docker_compose_reads_it() -> None:
    """No `version`, which v2 warns of, and no top-level `name`, which 1.29 refuses."""
    assert {key for key in COMPOSE if not key.startswith("x-")} == {"services", "volumes"}


@pytest.mark.parametrize("name", SERVICES)
def test_settings_come_from_the_env_file(name: str) -> None:
    """Every service gets the same file, and no secret stands anywhere else."""
    assert SERVICES[name]["env_file"] == "dockr/.env"
    assert set(SERVICES[name].get("environment", {})) <= {"HEARTBEAT_FILE", "REMAP_SIGTERM"}


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_is_published_to_the_network(name: str) -> None:
    """web and flower are reached from this machine only, db and mq from the stack only."""
    published = {"web": ["127.0.0.1:8000:8000"], "flower": ["127.0.0.1:5555:5555"]}

    assert SERVICES[name].get("ports", []) == published.get(name, [])
    assert "network_mode" not in SERVICES[name]


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_runs_as_root(name: str) -> None:
    """Each has a user of its image."""
    assert SERVICES[name]["user"] in {"postgres", "rabbitmq", "app"}
    assert "no-new-privileges:true" in SERVICES[name]["security_opt"]


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_long_running_services_are_watched(name: str) -> None:
    """They have a health check, come back by themselves and are given time to stop."""
    service = SERVICES[name]

    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"
    assert service["stop_grace_period"]


def test_migrate_runs_once() -> None:
    """A finished migration isn't started again."""
    assert SERVICES["migrate"]["restart"] == "no"
    assert "healthcheck" not in SERVICES["migrate"]


@pytest.mark.parametrize("name", ["web", "beat", "worker"])
def test_site_waits_for_what_it_needs(name: str) -> None:
    """Database and broker answer and the tables are there before the site starts."""
    assert SERVICES[name]["depends_on"] == {
        "db": {"condition": "service_healthy"},
        "mq": {"condition": "service_healthy"},
        "migrate": {"condition": "service_completed_successfully"},
    }


@pytest.mark.parametrize("name", OURS)
def test_sources_are_mounted(name: str) -> None:
    """An edit of package, site or process commands needs no new image."""
    folders = dict(volume.removesuffix(":ro").split(":") for volume in SERVICES[name]["volumes"])

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
    """A new container finds the data of the old one."""
    (volume,) = SERVICES[name]["volumes"]

    assert volume == f"{name}-data:{folder}"
    assert f"{name}-data" in COMPOSE["volumes"]


def test_broker_keeps_its_name() -> None:
    """RabbitMQ's data folder is called after the host."""
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
    """The launcher runs in web, jobs run in worker."""
    command = _commands()[name]

    assert command[command.index("--queues") + 1] == queue


def test_worker_tells_flower_what_it_does() -> None:
    """Flower shows events, which a worker sends if told to."""
    assert "-E" in _commands()["worker"]


def test_no_secret_is_on_a_command_line() -> None:
    """Commands name no variable that holds a secret; any user could list them."""
    for command in _commands().values():
        assert "PASSWORD" not in " ".join(command)


def test_public_images_only() -> None:
    """Images are the public ones, under their plain names."""
    dockerfile = (DEPLOY / "dockr" / "Dockerfile").read_text()

    assert "FROM python:3.13-slim\n" in dockerfile
    assert SERVICES["db"]["image"] == "postgres:17-alpine"
    assert SERVICES["mq"]["image"] == "rabbitmq:4-management"
    assert {json.dumps(SERVICES[name]["build"]) for name in OURS} == {
        json.dumps({"context": "..", "dockerfile": "deploy/dockr/Dockerfile"})
    }
