"""Each service gets its own settings, and no other service's secrets."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from taskadmin_site import migrate
from taskadmin_site.config import from_environment
from taskadmin_site.logs import setup as log_setup
from taskadmin_site.stack.services import settings_of

SITE = Path(__file__).parents[4] / "deploy" / "taskadmin_site"
ALL = {"db", "mq", "migrate", "web", "beat", "worker", "flower"}
#: Secrets of dockr/.env, with the services that get them.
SECRETS = {
    "SECRET_KEY": {"web"},
    "POSTGRES_PASSWORD": {"db", "migrate"},
    "RABBITMQ_PASSWORD": {"flower"},
}


def nothing(_service: str, _name: str) -> str:
    """Files of a new stack: none."""
    return ""


def split(folder: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the module as docker-compose.yml does, with the standard library only."""
    return subprocess.run(
        [sys.executable, "-B", "-S", "-m", "stack.services", str(folder)],
        cwd=SITE,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_goes_where_it_is_needed(environment: dict[str, str], name: str) -> None:
    """Other services' files don't contain it, not even inside another value."""
    found = settings_of(environment, nothing)

    assert set(found) == ALL
    holders = {one for one, files in found.items() if environment[name] in "".join(files.values())}
    assert holders == SECRETS[name]


def test_only_the_pages_have_the_token_of_metrics(environment: dict[str, str]) -> None:
    """Jobs of workers could read it."""
    token = {"TASKADMIN_METRICS_TOKEN": "what Prometheus sends"}
    found = settings_of(environment | token, nothing)

    assert {one for one, files in found.items() if token.items() <= files.items()} == {"web"}
    assert sum("TASKADMIN_METRICS_TOKEN" in files for files in found.values()) == 1


def test_no_two_services_share_a_secret(environment: dict[str, str]) -> None:
    """Except for migrate, which sets each database role's password."""
    found = settings_of(environment, nothing)
    del found["migrate"]
    secrets = [
        value
        for files in found.values()
        for name, value in files.items()
        if name.endswith(("_PASSWORD", "SECRET_KEY"))
    ]

    assert len(secrets) == len(set(secrets)) == 12
    assert all(len(value) > 40 for value in secrets if value not in environment.values())


@pytest.mark.parametrize("service", ["web", "worker", "beat", "migrate"])
def test_a_service_of_the_site_has_what_the_site_asks_for(
    environment: dict[str, str], service: str
) -> None:
    """The site's configuration accepts each service's settings, including those of the package."""
    given = environment | {"TASKADMIN_SITE_NAME": "Ours", "LOG_LEVEL": "ERROR", "OTHER": "x"}
    found = settings_of(given, nothing)[service]

    config = from_environment(found)

    assert config["TASKADMIN_SITE_NAME"] == "Ours"
    assert log_setup.settings(found, is_terminal=False)["root"]["level"] == "ERROR"
    assert "OTHER" not in found


def test_every_variable_of_the_site_is_handed_on(environment: dict[str, str]) -> None:
    """If this fails, add the variable to _PUBLIC in stack/services.py."""
    read = re.findall(
        r'environ(?:\.get\(|\[)"([A-Z_]+)"',
        "".join((SITE / name).read_text() for name in ("config.py", "logs/setup.py")),
    )
    given = environment | dict.fromkeys(read, "value")

    assert "SECRET_KEY" in read
    assert set(read) <= set(settings_of(given, nothing)["web"])


def test_migrate_has_the_password_of_each_role(environment: dict[str, str]) -> None:
    """Only migrate also has the administrator's password."""
    found = settings_of(environment, nothing)

    for service in migrate.PARTS:
        given = found["migrate"][f"{service.upper()}_POSTGRES_PASSWORD"]
        assert given == found[service]["POSTGRES_PASSWORD"]
    assert found["migrate"]["ADMIN_POSTGRES_USER"] == "pia"


def test_files_stay_until_something_changes(tmp_path: Path, environment: dict[str, str]) -> None:
    """Random passwords are kept, changed values are replaced and unused files deleted."""
    assert split(tmp_path, environment | {"LOG_LEVEL": "DEBUG"}).returncode == 0
    first = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*/*")}

    assert split(tmp_path, environment | {"POSTGRES_DB": "another"}).returncode == 0

    second = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*/*")}
    gone = {file.relative_to(tmp_path).as_posix() for file in set(first) - set(second)}
    assert gone == {f"{one}/LOG_LEVEL" for one in ALL - {"db", "mq"}}
    changed = {file.name for file in second if first[file] != second[file]}
    assert changed == {"POSTGRES_DB"}
    assert not list(tmp_path.glob("*/.*"))


def test_a_password_may_be_given(tmp_path: Path, environment: dict[str, str]) -> None:
    """A service's password can be set by a variable or a file."""
    (tmp_path / "password").write_text("of a file\n")
    given = {
        "WORKER_RABBITMQ_PASSWORD": "of a variable",
        "WEB_POSTGRES_PASSWORD_FILE": str(tmp_path / "password"),
    }

    (tmp_path / "out").mkdir()
    done = split(tmp_path / "out", environment | given)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/worker/RABBITMQ_PASSWORD").read_text() == "of a variable"
    assert (tmp_path / "out/web/POSTGRES_PASSWORD").read_text() == "of a file"


def test_the_example_works_with_a_warning(
    tmp_path: Path, example_environment: dict[str, str]
) -> None:
    """The warning names each well-known secret."""
    done = split(tmp_path, example_environment)

    assert done.returncode == 0
    assert done.stderr == (
        "UNSAFE: SECRET_KEY is a well-known example: set a random one."
        " POSTGRES_PASSWORD is a well-known example: set a random one."
        " RABBITMQ_PASSWORD is a well-known example: set a random one."
        " Anyone who can reach the site can take it over.\n"
    )


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY is missing."),
        (
            {"POSTGRES_USER": "taskadmin_web"},
            "POSTGRES_USER is taskadmin_web, the username of a service: choose another.",
        ),
        (
            {"RABBITMQ_USERNAME": "taskadmin_flower"},
            "RABBITMQ_USERNAME is taskadmin_flower, the username of a service: choose another.",
        ),
        (
            {"TASKADMIN_ENV": "production", "RABBITMQ_PASSWORD": "guest"},
            "RABBITMQ_PASSWORD is a well-known example: set a random one.",
        ),
        (
            {"SECRET_KEY": "", "SECRET_KEY_FILE": "/no"},
            "SECRET_KEY_FILE names /no, which can't be read: No such file or directory.",
        ),
    ],
)
def test_errors_name_the_variable(
    tmp_path: Path, environment: dict[str, str], given: dict[str, str], problem: str
) -> None:
    """Errors are printed, and no file is written."""
    done = split(tmp_path, environment | given)

    assert done.returncode == 1
    assert done.stderr == f"The environment variables (dockr/.env) have errors:\n  {problem}\n"
    assert list(tmp_path.iterdir()) == []
