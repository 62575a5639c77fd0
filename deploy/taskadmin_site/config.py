"""The site's configuration, from the environment variables of ``dockr/.env.example``."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL

from taskadmin.errors import ConfigurationError

from .stack.environment import missing, with_files
from .stack.secrets_check import old_secret_keys, weak_secrets
from .web import addresses

log = logging.getLogger("taskadmin_site.config")

SCHEDULE = "GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE"
#: Module with the site's own jobs.
JOBS = "taskadmin_site.jobs"
#: Whether the job http_latency may request this machine and private networks.
PRIVATE_ADDRESSES = "HTTP_LATENCY_PRIVATE_ADDRESSES"
#: The site's variables that aren't settings of the library.
_OF_THE_SITE = {"TASKADMIN_ENV", addresses.PROXIES}
ENVIRONMENTS = ("development", "production")
#: Default ports: those registered for PostgreSQL and AMQP.
POSTGRES_PORT, RABBITMQ_PORT = 5432, 5672


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return Flask's configuration for *environ*.

    Required variables can be read from files, named by ``NAME_FILE`` or ``SETTINGS_FOLDER``.
    ``TASKADMIN_*`` variables set the library's settings of the same name, with two exceptions:
    ``TASKADMIN_ENV=production`` refuses weak and example secrets, for which ``development``, the
    default, logs a warning; ``TASKADMIN_PROXIES`` is described in ``addresses``.

    Raises:
        ConfigurationError: If variables are missing, invalid or, in production, weak. The message
            names all of them, and never a secret's value.
    """
    environ, problems = with_files(environ)
    problems += missing(environ)
    postgres = _address(environ, "POSTGRES_HOST", POSTGRES_PORT, problems)
    _address(environ, "RABBITMQ_HOST", RABBITMQ_PORT, problems)
    interval = _schedule(environ, problems)
    production = _is_production(environ, problems)
    reached_at = addresses.from_environment(environ, problems, production=production)
    private_addresses = _is_true(environ, PRIVATE_ADDRESSES, problems)
    weak = weak_secrets(environ)
    if production:
        problems += weak
    if problems:
        raise ConfigurationError(
            "The environment variables (dockr/.env) have errors:"
            + "".join(f"\n  {problem}" for problem in problems)
        )
    if weak:
        log.warning(
            "UNSAFE: %s Anyone who can reach this site can take it over;"
            " with TASKADMIN_ENV=production it would refuse to start.",
            " ".join(weak),
        )
    return {
        "TASKADMIN_JOBS": JOBS,
        # Registration is open for a first try; in production, only if the variable allows it.
        "TASKADMIN_REGISTRATION": not production,
        **{
            name: value
            for name, value in environ.items()
            if name.startswith("TASKADMIN_") and name not in _OF_THE_SITE
        },
        "TASKADMIN_LAUNCH_INTERVAL_SECONDS": interval,
        "SECRET_KEY": environ["SECRET_KEY"],
        "SECRET_KEY_FALLBACKS": old_secret_keys(environ),
        **reached_at,
        PRIVATE_ADDRESSES: private_addresses,
        # Browsers send such cookies over TLS only; production runs behind TLS. They accept the
        # prefix __Host- only from this host, over TLS, and with this path (ASVS 5, 3.3.1).
        "SESSION_COOKIE_SECURE": production,
        "SESSION_COOKIE_NAME": "__Host-session" if production else "session",
        "SESSION_COOKIE_PATH": "/",
        # For development: it checks each template file on each request.
        "TEMPLATES_AUTO_RELOAD": not production,
        # A URL object: the password needs no quoting, and the repr hides it.
        "SQLALCHEMY_DATABASE_URI": URL.create(
            "postgresql+psycopg",
            username=environ["POSTGRES_USER"],
            password=environ["POSTGRES_PASSWORD"],
            host=postgres[0],
            port=postgres[1],
            database=environ["POSTGRES_DB"],
        ),
        "SQLALCHEMY_ENGINE_OPTIONS": {
            # Replaces connections that a restarted database has dropped.
            "pool_pre_ping": True,
            # In seconds, the last one in milliseconds: a dead connection is given up soon
            # instead of after the operating system's 15 minutes.
            "connect_args": {
                "connect_timeout": 5,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": 20_000,
            },
        },
        "CELERY": {
            "broker_url": broker_url(environ),
            "result_backend": "taskadmin_site.replies:Replies",
            "worker_consumer": "taskadmin_site.consumer:SiteConsumer",
        },
    }


def broker_url(environ: Mapping[str, str]) -> str:
    """Return the broker's address for Celery, with the password."""
    host, port = _address(environ, "RABBITMQ_HOST", RABBITMQ_PORT, [])
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
        problems.append(f"{own} isn't used here; set {SCHEDULE} instead.")
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


def _is_true(environ: Mapping[str, str], name: str, problems: list[str]) -> bool:
    value = environ.get(name) or "false"
    if value not in ("true", "false"):
        problems.append(f"{name} is {value!r}; expected true or false.")
    return value == "true"
