"""Jobs by API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import PlainValidator, SecretStr

from services.api.caller import Caller, problem_of
from taskadmin.jobs import job
from taskadmin.jobs.registry import _jobs

pytestmark = pytest.mark.databases("sqlite")
_SECRET = SecretStr("swordfish")


@pytest.fixture
def secretive_job() -> Iterator[None]:
    """A job with a secret."""

    @job(name="secretive")
    def secretive(token: SecretStr = _SECRET) -> None:
        """Keep a secret."""

    yield
    del _jobs["secretive"]


def test_jobs_have_the_schema_of_their_arguments(boss: Caller) -> None:
    """As pydantic writes it."""
    found: Any = boss("GET", "/jobs/generate_random_number").json

    assert found["arguments"]["required"] == ["lower_limit", "upper_limit"]
    assert found["queue"] == "taskadmin.runs"
    assert found in boss("GET", "/jobs").json["items"]  # type: ignore[index]
    assert problem_of(boss("GET", "/jobs/nothing"))[:2] == (404, "unknown-job")


@pytest.mark.usefixtures("secretive_job")
def test_defaults_of_secrets_are_left_out(boss: Caller) -> None:
    """A schema is no place for them."""
    found = boss("GET", "/jobs/secretive")
    assert found.json["masked"] == ["token"]  # type: ignore[index]
    assert "swordfish" not in found.text


def test_a_job_without_a_schema_is_listed(boss: Caller) -> None:
    """Its arguments may be anything."""

    @job(name="no_schema")
    def probe(value: Annotated[int, PlainValidator(int)]) -> None:
        """Count."""

    try:
        found: Any = boss("GET", "/jobs/no_schema").json
    finally:
        del _jobs["no_schema"]
    assert found["name"] == "no_schema" and isinstance(found["arguments"], dict)
