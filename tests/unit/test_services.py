"""What a test run does when PostgreSQL or RabbitMQ isn't there."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text

from services import postgresql, rabbitmq

#: Port 1 on the loopback: nobody listens there.
NO_POSTGRESQL = "postgresql+psycopg://postgres:secret@127.0.0.1:1/postgres"
NO_RABBITMQ = "amqp://guest:secret@127.0.0.1:1//"


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is configured and nothing runs where it usually does."""
    monkeypatch.delenv("CI", raising=False)
    for module, nobody in ((postgresql, NO_POSTGRESQL), (rabbitmq, NO_RABBITMQ)):
        monkeypatch.setattr(module, "NAMED", None)
        monkeypatch.setattr(module, "USUAL", nobody)


def test_without_rabbitmq_its_tests_are_skipped_with_the_reason() -> None:
    """On a laptop; the reason has no password."""
    with pytest.raises(pytest.skip.Exception) as caught, rabbitmq.rabbitmq_server():
        pytest.fail("there is none")
    assert str(caught.value).startswith("No RabbitMQ at amqp://guest:**@127.0.0.1:1// (")
    assert str(caught.value).endswith("): start it, or set TASKADMIN_TEST_BROKER_URL.")


def test_without_rabbitmq_its_tests_fail_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that was never run must not look like one that passed."""
    monkeypatch.setenv("CI", "true")
    with (
        pytest.raises(pytest.fail.Exception, match="No RabbitMQ at"),
        rabbitmq.rabbitmq_server(),
    ):
        raise AssertionError


def test_a_rabbitmq_that_was_named_must_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever names one wants it used."""
    monkeypatch.setattr(rabbitmq, "NAMED", NO_RABBITMQ)
    with (
        pytest.raises(pytest.fail.Exception, match="No RabbitMQ at"),
        rabbitmq.rabbitmq_server(),
    ):
        raise AssertionError


@pytest.mark.parametrize("named", [True, False])
def test_a_missing_postgresql_fails_in_ci_and_when_it_was_named(
    monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """There, no other server takes its place; the message has no password."""
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
    """On a free port, and stopped afterwards; so its tests are skipped nowhere."""
    with postgresql.postgresql_server() as server:
        url = server.create()
        assert url.host == "127.0.0.1"
        assert url.port not in (1, 5432)
        engine = create_engine(url)
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
        engine.dispose()
    assert server.why_unreachable() is not None
