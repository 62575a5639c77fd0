"""Every operation of the document, with values that nobody expects (schemathesis)."""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from fixture_types import MakeTask
from services.api.caller import PREFIX, Caller
from taskadmin.api.operations import RULES

#: Requests for each operation and kind of values; more of them: ``TESTS_API_EXAMPLES=100``.
EXAMPLES = int(os.environ.get("TESTS_API_EXAMPLES", "3"))
#: Statuses of valid requests: the document can't say which tasks, cursors and versions exist.
FINE = ["2xx", "404", "409", "412", "422", "428"]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_operation_does_what_its_document_says(
    app: Flask, boss: Caller, make_task: MakeTask, mode: GenerationMode
) -> None:
    """Status, type and schema of each answer; wrong values are refused, and none is an error."""
    for name in ("one", "two"):
        boss("POST", f"/tasks/{make_task(name=name).id}/runs")
    app.testing = False  # an exception is an answer with 500, as in production
    schema: Any = schemathesis.openapi.from_wsgi(f"{PREFIX}/openapi.json", app)
    schema.config.checks.positive_data_acceptance.expected_statuses = FINE
    seen = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        seen.add(operation.definition.raw["operationId"])

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(headers={**boss.headers, "Accept-Encoding": "identity"})

        check()

    assert seen == RULES.keys()
