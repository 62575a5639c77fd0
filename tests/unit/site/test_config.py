"""The configuration that the environment gives."""

from __future__ import annotations

import logging

import pytest
from kombu import Connection
from sqlalchemy import make_url

from taskadmin import ConfigurationError
from taskadmin_site.config import REQUIRED, from_environment


def test_database_url_keeps_every_character_of_the_password(environment: dict[str, str]) -> None:
    """No character of the password needs quoting, and the driver is psycopg."""
    url = make_url(from_environment(environment)["SQLALCHEMY_DATABASE_URI"])

    assert (url.drivername, url.username, url.password) == (
        "postgresql+psycopg",
        "pia",
        "p@ss%w/ord$:#1",
    )
    assert (url.host, url.port, url.database) == ("db", 5432, "tasks")


def test_broker_url_keeps_every_character(environment: dict[str, str]) -> None:
    """User, password and virtual host arrive at the broker as they were written."""
    celery = from_environment(environment)["CELERY"]
    broker = Connection(celery["broker_url"])

    assert (broker.userid, broker.password, broker.virtual_host) == (
        "rabbit",
        "r@b%b/it$:#2",
        "a/b",
    )
    assert (broker.hostname, broker.port) == ("mq", 5672)
    assert celery["result_backend"] == "rpc://"


@pytest.mark.parametrize(
    ("host", "expected"), [("mq", ("mq", 5672)), ("10.0.0.7:5673", ("10.0.0.7", 5673))]
)
def test_port_may_be_left_out(
    environment: dict[str, str], host: str, expected: tuple[str, int]
) -> None:
    """A host without a port means the usual one."""
    broker = Connection(
        from_environment(environment | {"RABBITMQ_HOST": host})["CELERY"]["broker_url"]
    )

    assert (broker.hostname, broker.port) == expected


def test_host_may_be_an_ipv6_address(environment: dict[str, str]) -> None:
    """An IPv6 address stands in brackets."""
    config = from_environment(
        environment | {"POSTGRES_HOST": "[::1]:5433", "RABBITMQ_HOST": "[fe80::2]"}
    )
    url = config["SQLALCHEMY_DATABASE_URI"]

    assert (url.host, url.port) == ("::1", 5433)
    assert config["CELERY"]["broker_url"].endswith("@[fe80::2]:5672/a%2Fb")


def test_everything_missing_is_listed_at_once() -> None:
    """Without any variable, the error names all that are needed."""
    with pytest.raises(ConfigurationError) as raised:
        from_environment({})

    assert str(raised.value) == "\n  ".join(
        [
            "The environment (dockr/.env) isn't complete and correct:",
            *(f"{name} is missing." for name in REQUIRED),
        ]
    )


@pytest.mark.parametrize("name", REQUIRED)
def test_empty_value_is_missing(environment: dict[str, str], name: str) -> None:
    """A variable without a value is as good as none."""
    with pytest.raises(ConfigurationError, match=rf"\n  {name} is missing\.$"):
        from_environment(environment | {name: ""})


@pytest.mark.parametrize(
    ("value", "seconds"), [("300", 300), ("0.5e2", 50), ("1", 1), ("86400", 86400)]
)
def test_schedule_becomes_the_launch_interval(
    environment: dict[str, str], value: str, seconds: float
) -> None:
    """The mission's variable sets the library's interval."""
    config = from_environment(environment | {"GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE": value})

    assert config["TASKADMIN_LAUNCH_INTERVAL_SECONDS"] == seconds


@pytest.mark.parametrize("given", [{}, {"GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE": ""}])
def test_schedule_is_five_minutes_by_default(
    environment: dict[str, str], given: dict[str, str]
) -> None:
    """The schedule may be left out."""
    del environment["GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE"]

    assert from_environment(environment | given)["TASKADMIN_LAUNCH_INTERVAL_SECONDS"] == 300


@pytest.mark.parametrize("value", ["5m", "0", "-1", "nan", "inf", "86401", "1,5", "²"])
def test_wrong_schedule_is_refused_under_its_own_name(
    environment: dict[str, str], value: str
) -> None:
    """The message has the variable's name and value, and what is expected."""
    with pytest.raises(ConfigurationError) as raised:
        from_environment(environment | {"GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE": value})

    assert str(raised.value).endswith(
        f"\n  GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE is {value!r};"
        " expected seconds as a number from 1 to 86400."
    )


@pytest.mark.parametrize(
    "value", ["db:port", "db:0", "db:65536", ":5432", "db:5432/x", "u@db", "[::1", "db:²"]
)
def test_wrong_address_is_refused(environment: dict[str, str], value: str) -> None:
    """The message shows what an address looks like."""
    with pytest.raises(ConfigurationError) as raised:
        from_environment(environment | {"POSTGRES_HOST": value})

    assert str(raised.value).endswith(
        f"\n  POSTGRES_HOST is {value!r}; expected host:port with a port from 1 to 65535,"
        " such as db:5432."
    )


def test_library_settings_are_passed_on(environment: dict[str, str]) -> None:
    """TASKADMIN_* variables are the library's settings; TASKADMIN_ENV is the site's."""
    config = from_environment(
        environment | {"TASKADMIN_REGISTRATION": "false", "TASKADMIN_ENV": "development"}
    )

    assert config["TASKADMIN_REGISTRATION"] == "false"
    assert "TASKADMIN_ENV" not in config


def test_interval_has_one_name_only(environment: dict[str, str]) -> None:
    """Two variables for one thing would leave open which one wins."""
    with pytest.raises(ConfigurationError, match="set GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE"):
        from_environment(environment | {"TASKADMIN_LAUNCH_INTERVAL_SECONDS": "60"})


def test_misspelt_environment_is_refused(environment: dict[str, str]) -> None:
    """'prod' must not quietly mean development."""
    with pytest.raises(ConfigurationError) as raised:
        from_environment(environment | {"TASKADMIN_ENV": "prod"})

    assert str(raised.value).endswith(
        "\n  TASKADMIN_ENV is 'prod'; expected development or production."
    )


@pytest.mark.parametrize(("env", "secure"), [("development", False), ("production", True)])
def test_session_cookie_needs_tls_in_production(
    environment: dict[str, str], env: str, secure: bool
) -> None:
    """In production the cookie never travels over plain http."""
    config = from_environment(environment | {"TASKADMIN_ENV": env})

    assert config["SESSION_COOKIE_SECURE"] is secure


def test_example_works_with_a_warning(
    example_environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """The example file brings the site up, and says loudly that its secrets are known."""
    with caplog.at_level(logging.WARNING):
        from_environment(example_environment)

    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        "UNSAFE: SECRET_KEY is an example's, which everyone knows: set a random one."
        " POSTGRES_PASSWORD is an example's, which everyone knows: set a random one."
        " RABBITMQ_PASSWORD is an example's, which everyone knows: set a random one."
        " Whoever reaches this site can take it over;"
        " with TASKADMIN_ENV=production it wouldn't start."
    )


def test_example_does_not_start_in_production(example_environment: dict[str, str]) -> None:
    """In production each known secret stops the site."""
    with pytest.raises(ConfigurationError) as raised:
        from_environment(example_environment | {"TASKADMIN_ENV": "production"})

    assert str(raised.value).count("is an example's, which everyone knows") == 3


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("SECRET_KEY", "tooshort", "has fewer than 32 characters"),
        ("SECRET_KEY", "ab" * 20, "repeats a few characters"),
        ("SECRET_KEY", "ChangeMe", "is an example's, which everyone knows"),
        ("POSTGRES_PASSWORD", "pia", "is the user's name"),
        ("RABBITMQ_PASSWORD", "guest", "is an example's, which everyone knows"),
        ("RABBITMQ_PASSWORD", "k3dfq8", "has fewer than 10 characters"),
    ],
)
def test_weak_secret_stops_production(
    environment: dict[str, str], name: str, value: str, why: str
) -> None:
    """A secret that can be guessed is refused, without repeating it."""
    weak = environment | {name: value, "TASKADMIN_ENV": "production"}

    with pytest.raises(ConfigurationError) as raised:
        from_environment(weak)

    assert str(raised.value).endswith(f"\n  {name} {why}: set a random one.")


def test_strong_secrets_give_no_warning(
    environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Who has set everything is left in peace."""
    with caplog.at_level(logging.DEBUG):
        from_environment(environment | {"TASKADMIN_ENV": "production"})

    assert caplog.records == []


def test_example_has_the_names_and_values_of_the_mission(
    example_environment: dict[str, str],
) -> None:
    """The example file is the one that was asked for."""
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
