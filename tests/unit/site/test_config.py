"""Flask's configuration from environment variables."""

from __future__ import annotations

import logging

import pytest
from celery import Celery
from celery.backends.rpc import RPCBackend
from kombu import Connection
from sqlalchemy import make_url

from taskadmin import ConfigurationError
from taskadmin_site.config import from_environment
from taskadmin_site.stack.environment import REQUIRED

#: Variables that production requires, apart from strong secrets.
PRODUCTION = {"TASKADMIN_ENV": "production", "TRUSTED_HOSTS": "tasks.example.org"}

SCHEDULE = "GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE"
ADDRESS = "expected host:port with a port from 1 to 65535, such as db:5432."


def test_database_url_keeps_every_character_of_the_password(environment: dict[str, str]) -> None:
    """Passwords need no quoting, and the driver is psycopg."""
    url = make_url(from_environment(environment)["SQLALCHEMY_DATABASE_URI"])

    assert (url.drivername, url.username, url.password) == (
        "postgresql+psycopg",
        "pia",
        "p@ss%w/ord$:#1",
    )
    assert (url.host, url.port, url.database) == ("db", 5432, "tasks")


def test_broker_url_keeps_every_character(environment: dict[str, str]) -> None:
    """User, password and virtual host are quoted in the URL."""
    celery = from_environment(environment)["CELERY"]
    broker = Connection(celery["broker_url"])

    assert (broker.userid, broker.password, broker.virtual_host) == (
        "rabbit",
        "r@b%b/it$:#2",
        "a/b",
    )
    assert (broker.hostname, broker.port) == ("mq", 5672)
    app = Celery(backend=celery["result_backend"])
    assert isinstance(app.backend, RPCBackend)


@pytest.mark.parametrize(
    ("host", "expected"), [("mq", ("mq", 5672)), ("10.0.0.7:5673", ("10.0.0.7", 5673))]
)
def test_port_may_be_left_out(
    environment: dict[str, str], host: str, expected: tuple[str, int]
) -> None:
    """The default ports are those of PostgreSQL and AMQP."""
    broker = Connection(
        from_environment(environment | {"RABBITMQ_HOST": host})["CELERY"]["broker_url"]
    )

    assert (broker.hostname, broker.port) == expected


def test_host_may_be_an_ipv6_address(environment: dict[str, str]) -> None:
    """An IPv6 address is written in brackets."""
    config = from_environment(
        environment | {"POSTGRES_HOST": "[::1]:5433", "RABBITMQ_HOST": "[fe80::2]"}
    )
    url = config["SQLALCHEMY_DATABASE_URI"]

    assert (url.host, url.port) == ("::1", 5433)
    assert config["CELERY"]["broker_url"].endswith("@[fe80::2]:5672/a%2Fb")


def test_everything_missing_is_listed_at_once() -> None:
    """The error names all missing variables."""
    with pytest.raises(ConfigurationError) as raised:
        from_environment({})

    assert str(raised.value) == "\n  ".join(
        [
            "The environment variables (dockr/.env) have errors:",
            *(f"{name} is missing." for name in REQUIRED),
        ]
    )


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        *(({name: ""}, rf"\n  {name} is missing\.$") for name in REQUIRED),
        # The site would accept any Host header.
        ({"TASKADMIN_ENV": "production"}, "TRUSTED_HOSTS is missing"),
        # It would be unclear which of the two wins.
        ({"TASKADMIN_LAUNCH_INTERVAL_SECONDS": "60"}, f"set {SCHEDULE}"),
    ],
)
def test_missing_and_duplicate_settings_are_named(
    environment: dict[str, str], given: dict[str, str], problem: str
) -> None:
    """An empty variable counts as missing."""
    with pytest.raises(ConfigurationError, match=problem):
        from_environment(environment | given)


@pytest.mark.parametrize(
    ("value", "seconds"), [("300", 300), ("0.5e2", 50), ("1", 1), ("86400", 86400)]
)
def test_schedule_becomes_the_launch_interval(
    environment: dict[str, str], value: str, seconds: float
) -> None:
    """GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE sets the library's interval."""
    config = from_environment(environment | {SCHEDULE: value})

    assert config["TASKADMIN_LAUNCH_INTERVAL_SECONDS"] == seconds


@pytest.mark.parametrize("given", [{}, {SCHEDULE: ""}])
def test_schedule_is_five_minutes_by_default(
    environment: dict[str, str], given: dict[str, str]
) -> None:
    """The variable is optional."""
    del environment[SCHEDULE]

    assert from_environment(environment | given)["TASKADMIN_LAUNCH_INTERVAL_SECONDS"] == 300


def test_library_settings_are_passed_on(environment: dict[str, str]) -> None:
    """TASKADMIN_* variables set the library's settings; TASKADMIN_ENV is the site's own."""
    config = from_environment(
        environment | {"TASKADMIN_REGISTRATION": "false", "TASKADMIN_ENV": "development"}
    )

    assert config["TASKADMIN_REGISTRATION"] == "false"
    assert "TASKADMIN_ENV" not in config


@pytest.mark.parametrize(
    ("variables", "secure", "name"),
    [({"TASKADMIN_ENV": "development"}, False, "session"), (PRODUCTION, True, "__Host-session")],
)
def test_session_cookie_needs_tls_in_production(
    environment: dict[str, str], variables: dict[str, str], secure: bool, name: str
) -> None:
    """In production, browsers send the cookie over TLS only, and other hosts can't set it."""
    config = from_environment(environment | variables)

    assert config["SESSION_COOKIE_SECURE"] is secure
    assert (config["SESSION_COOKIE_NAME"], config["SESSION_COOKIE_PATH"]) == (name, "/")


def test_earlier_secret_keys_are_listed(environment: dict[str, str]) -> None:
    """There are none by default; the newest comes first."""
    old = {"SECRET_KEY_FALLBACKS": f"{'ab1-_' * 7}, {'cd2.=' * 7},"}

    assert from_environment(environment)["SECRET_KEY_FALLBACKS"] == []
    assert from_environment(environment | old)["SECRET_KEY_FALLBACKS"] == [
        "ab1-_" * 7,
        "cd2.=" * 7,
    ]


def test_example_works_with_a_warning(
    example_environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """The example file starts the site, with a warning that its secrets are public."""
    with caplog.at_level(logging.WARNING):
        from_environment(example_environment)

    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        "UNSAFE: SECRET_KEY is a well-known example: set a random one."
        " POSTGRES_PASSWORD is a well-known example: set a random one."
        " RABBITMQ_PASSWORD is a well-known example: set a random one."
        " Anyone who can reach this site can take it over;"
        " with TASKADMIN_ENV=production it would refuse to start."
    )


def test_example_does_not_start_in_production(example_environment: dict[str, str]) -> None:
    """In production, a well-known secret is an error."""
    with pytest.raises(ConfigurationError) as raised:
        from_environment(example_environment | {"TASKADMIN_ENV": "production"})

    assert str(raised.value).count("is a well-known example") == 3


def test_example_has_every_required_name(
    example_environment: dict[str, str],
) -> None:
    """The example file sets all required variables."""
    secret_key = example_environment.pop("SECRET_KEY")

    assert len(secret_key) == 36 and secret_key.count("-") == 4
    assert example_environment == {
        "POSTGRES_USER": "postgres",
        "POSTGRES_PASSWORD": "postgres",
        "POSTGRES_DB": "flask_test",
        "POSTGRES_HOST": "db:5432",
        "RABBITMQ_USERNAME": "rabbitmq",
        "RABBITMQ_PASSWORD": "rabbitmq",
        "RABBITMQ_VHOST": "rabbitmq",
        "RABBITMQ_HOST": "mq:5672",
        "GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE": "300",
    }


@pytest.mark.parametrize(
    ("variables", "reload"), [({"TASKADMIN_ENV": "development"}, True), (PRODUCTION, False)]
)
def test_templates_are_reloaded_in_development(
    environment: dict[str, str], variables: dict[str, str], reload: bool
) -> None:
    """In production, templates aren't checked for edits."""
    config = from_environment(environment | variables)

    assert config["TEMPLATES_AUTO_RELOAD"] is reload


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        *(
            (SCHEDULE, value, "expected seconds as a number from 1 to 86400.")
            for value in ("5m", "0", "-1", "nan", "inf", "86401", "1,5", "²")
        ),
        *(
            ("POSTGRES_HOST", value, ADDRESS)
            for value in ("db:port", "db:0", "db:65536", ":5432", "db:5432/x", "u@db", "[::1")
        ),
        ("POSTGRES_HOST", "db:²", ADDRESS),
        # A typo must not select development silently.
        ("TASKADMIN_ENV", "prod", "expected development or production."),
        ("TRUSTED_HOSTS", "https://tasks.example.org/", "expected names separated"),
        ("TRUSTED_HOSTS", "*", "expected names separated"),
        ("TASKADMIN_PROXIES", "-1", "expected their number, from 0 to 10."),
        ("TASKADMIN_PROXIES", "yes", "expected their number, from 0 to 10."),
        ("TASKADMIN_PROXIES", "11", "expected their number, from 0 to 10."),
        ("HTTP_LATENCY_PRIVATE_ADDRESSES", "maybe", "expected true or false."),
    ],
)
def test_wrong_values_are_named(
    environment: dict[str, str], name: str, value: str, expected: str
) -> None:
    """The error names the variable and says what is expected."""
    with pytest.raises(ConfigurationError) as raised:
        from_environment(environment | {name: value})

    assert f"{name} is {value!r}; {expected}" in str(raised.value)


@pytest.mark.parametrize(
    ("variables", "open_to_all"),
    [({}, True), ({"TASKADMIN_ENV": "development"}, True), (PRODUCTION, False)],
)
def test_people_register_by_themselves_only_where_it_is_tried(
    environment: dict[str, str], variables: dict[str, str], open_to_all: bool
) -> None:
    """In production, registration is closed unless the variable opens it."""
    config = from_environment(environment | variables)
    assert config["TASKADMIN_REGISTRATION"] is open_to_all

    config = from_environment(environment | variables | {"TASKADMIN_REGISTRATION": "true"})
    assert config["TASKADMIN_REGISTRATION"] == "true"
