"""The site's configuration, read from the environment variables of ``dockr/.env.example``."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL

from taskadmin.errors import ConfigurationError

from .secrets_check import weak_secrets

log = logging.getLogger("taskadmin_site.config")

REQUIRED = (
    "SECRET_KEY",
    "POSTGRES_USER",
    "POSTGRES_PASSWORD",
    "POSTGRES_DB",
    "POSTGRES_HOST",
    "RABBITMQ_USERNAME",
    "RABBITMQ_PASSWORD",
    "RABBITMQ_VHOST",
    "RABBITMQ_HOST",
)
SCHEDULE = "GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE"
#: Modules of the site's own jobs.
JOBS = "taskadmin_site.jobs"
ENVIRONMENTS = ("development", "production")
#: Ports that a host without one means: PostgreSQL's and AMQP's registered ones.
POSTGRES_PORT, RABBITMQ_PORT = 5432, 5672


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Flask's configuration for what *environ* says.

    ``TASKADMIN_*`` variables are the library's settings of the same name, but for
    ``TASKADMIN_ENV``: ``production`` refuses weak and example secrets, which are otherwise
    warned of (``development``, the default).

    Raises:
        ConfigurationError: If variables are missing, wrong or, in production, weak; it names
            all of them, and never a secret's value.
    """
    problems = [f"{name} is missing." for name in REQUIRED if not environ.get(name)]
    postgres = _address(environ, "POSTGRES_HOST", POSTGRES_PORT, problems)
    rabbitmq = _address(environ, "RABBITMQ_HOST", RABBITMQ_PORT, problems)
    interval = _schedule(environ, problems)
    production = _is_production(environ, problems)
    weak = weak_secrets(environ)
    if production:
        problems += weak
    if problems:
        raise ConfigurationError(
            "The environment (dockr/.env) isn't complete and correct:"
            + "".join(f"\n  {problem}" for problem in problems)
        )
    if weak:
        log.warning(
            "UNSAFE: %s Whoever reaches this site can take it over;"
            " with TASKADMIN_ENV=production it wouldn't start.",
            " ".join(weak),
        )
    return {
        "TASKADMIN_JOBS": JOBS,
        **{
            name: value
            for name, value in environ.items()
            if name.startswith("TASKADMIN_") and name != "TASKADMIN_ENV"
        },
        "TASKADMIN_LAUNCH_INTERVAL_SECONDS": interval,
        "SECRET_KEY": environ["SECRET_KEY"],
        # A browser keeps such a cookie from plain http; production stands behind TLS.
        "SESSION_COOKIE_SECURE": production,
        # An object, not text: no character of the password needs quoting, and its repr hides it.
        "SQLALCHEMY_DATABASE_URI": URL.create(
            "postgresql+psycopg",
            username=environ["POSTGRES_USER"],
            password=environ["POSTGRES_PASSWORD"],
            host=postgres[0],
            port=postgres[1],
            database=environ["POSTGRES_DB"],
        ),
        "SQLALCHEMY_ENGINE_OPTIONS": {
            # Connections that a restarted database has dropped are replaced unnoticed.
            "pool_pre_ping": True,
            # In seconds but for the last one, which is in milliseconds: a link that passes
            # nothing any more is given up, instead of after the system's quarter of an hour.
            "connect_args": {
                "connect_timeout": 5,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": 20_000,
            },
        },
        "CELERY": {
            "broker_url": _broker_url(environ, *rabbitmq),
            "result_backend": "rpc://",
        },
    }


def _broker_url(environ: Mapping[str, str], host: str, port: int) -> str:
    user, password, vhost = (
        quote(environ[name], safe="")
        for name in ("RABBITMQ_USERNAME", "RABBITMQ_PASSWORD", "RABBITMQ_VHOST")
    )
    return f"amqp://{user}:{password}@{f'[{host}]' if ':' in host else host}:{port}/{vhost}"


def _address(
    environ: Mapping[str, str], name: str, default_port: int, problems: list[str]
) -> tuple[str, int]:
    value = environ.get(name, "").strip()
    if value.startswith("["):  # an IPv6 address
        host, closed, rest = value[1:].partition("]")
        port = rest.removeprefix(":") if closed else "none"
    else:
        host, _, port = value.partition(":")
    if value and (
        not host
        or (port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536))
        or any(character in host for character in "/@ ")
    ):
        problems.append(
            f"{name} is {value!r}; expected host:port with a port from 1 to 65535,"
            f" such as {'db' if 'POSTGRES' in name else 'mq'}:{default_port}."
        )
        return host, default_port
    return host, int(port or default_port)


def _schedule(environ: Mapping[str, str], problems: list[str]) -> float:
    own = "TASKADMIN_LAUNCH_INTERVAL_SECONDS"
    if own in environ:
        problems.append(f"{own} has another name here: set {SCHEDULE} instead.")
    value = environ.get(SCHEDULE) or "300"
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 1 <= seconds <= 86400:
        problems.append(f"{SCHEDULE} is {value!r}; expected seconds as a number from 1 to 86400.")
    return seconds


def _is_production(environ: Mapping[str, str], problems: list[str]) -> bool:
    value = environ.get("TASKADMIN_ENV") or ENVIRONMENTS[0]
    if value not in ENVIRONMENTS:
        problems.append(f"TASKADMIN_ENV is {value!r}; expected {' or '.join(ENVIRONMENTS)}.")
    return value == "production"
