"""Test runs without PostgreSQL or RabbitMQ, and with another PostgreSQL."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from services.servers import postgresql, rabbitmq

#: Port 1 on the loopback, where nothing listens.
NO_POSTGRESQL = "postgresql+psycopg://postgres:secret@127.0.0.1:1/postgres"
NO_RABBITMQ = "amqp://guest:secret@127.0.0.1:1//"


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is configured or running at the usual addresses."""
    monkeypatch.delenv("CI", raising=False)
    for module, nobody in ((postgresql, NO_POSTGRESQL), (rabbitmq, NO_RABBITMQ)):
        monkeypatch.setattr(module, "NAMED", None)
        monkeypatch.setattr(module, "USUAL", nobody)
    monkeypatch.setattr(postgresql, "PROGRAMS", None)


def test_without_rabbitmq_its_tests_are_skipped_with_the_reason() -> None:
    """Outside of CI; the reason has no password."""
    with pytest.raises(pytest.skip.Exception) as caught, rabbitmq.rabbitmq_server():
        pytest.fail("there is none")
    assert str(caught.value).startswith("No RabbitMQ at amqp://guest:**@127.0.0.1:1// (")
    assert str(caught.value).endswith("): start it, or set TASKADMIN_TEST_BROKER_URL.")


@pytest.mark.parametrize("named", [True, False])
def test_a_missing_rabbitmq_fails_in_ci_and_when_it_was_named(
    monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """A skipped check must not look like a passed one."""
    if named:
        monkeypatch.setattr(rabbitmq, "NAMED", NO_RABBITMQ)
    else:
        monkeypatch.setenv("CI", "true")
    with (
        pytest.raises(pytest.fail.Exception, match="No RabbitMQ at"),
        rabbitmq.rabbitmq_server(),
    ):
        raise AssertionError


@pytest.mark.parametrize("named", [True, False])
def test_a_missing_postgresql_fails_in_ci_and_when_it_was_named(
    monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """No other server is started, and the message has no password."""
    if named:
        monkeypatch.setattr(postgresql, "NAMED", NO_POSTGRESQL)
    else:
        monkeypatch.setenv("CI", "true")
    with (
        pytest.raises(pytest.fail.Exception) as caught,
        postgresql.postgresql_server(),
    ):
        raise AssertionError
    assert "No PostgreSQL at postgresql+psycopg://postgres:***@127.0.0.1:1/" in str(caught.value)
    assert str(caught.value).endswith("start it, or set TASKADMIN_TEST_DATABASE_URL.")


def test_without_postgresql_one_is_started() -> None:
    """On a free port, stopped afterwards, so that its tests are never skipped."""
    with postgresql.postgresql_server() as server:
        url = server.create()
        assert url.host == "127.0.0.1"
        assert url.port not in (1, 5432)
        engine = create_engine(url)
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
        engine.dispose()
    assert server.why_unreachable() is not None


def test_named_programs_are_started_even_if_a_server_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are of the version that is to be tested, also in CI."""
    with tempfile.TemporaryDirectory() as folder, postgresql.postgresql_server() as running:
        Path(folder).chmod(0o755)  # the server's user enters it
        programs = postgresql._programs(Path(folder))
        monkeypatch.setattr(postgresql, "PROGRAMS", str(programs))
        monkeypatch.setattr(postgresql, "NAMED", str(running.url))
        monkeypatch.setenv("CI", "true")
        with postgresql.postgresql_server() as server:
            assert server.url.port != running.url.port
            assert server.why_unreachable() is None
        assert server.why_unreachable() is not None
