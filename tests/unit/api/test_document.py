"""The API's document, and what programs rely on."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from flask import Flask

from services.api.caller import PREFIX
from services.api.openapi import Document, checked_in, incompatible

TASK = "GET /tasks/{task_id}: 200"


@pytest.mark.databases("sqlite")
def test_the_document_is_checked_in(app: Flask) -> None:
    """``python tests/services/api/openapi.py`` writes it."""
    document = app.test_client().get(f"{PREFIX}/openapi.json").json
    assert document is not None

    assert incompatible(checked_in(), document) == []
    assert document == checked_in()


def test_the_document_is_openapi_3_1_with_unique_names() -> None:
    """Each operation has a name, a text and its errors."""
    document = checked_in()
    operations = [one for path in document["paths"].values() for one in path.values()]

    assert document["openapi"].startswith("3.1")
    assert len({one["operationId"] for one in operations}) == len(operations) > 30
    for one in operations:
        assert one["summary"].endswith((".", "people can edit.")), one["operationId"]
        assert {"401", "403", "404", "422", "503"} <= one["responses"].keys()
        is_edit = "If-Match" in {parameter["name"] for parameter in one["parameters"]}
        assert ({"412", "428"} <= one["responses"].keys()) is is_edit


def remove(*keys: str) -> Callable[[Document], None]:
    """Remove the key at a path."""

    def change(document: Document) -> None:
        inner: Any = document
        for key in keys[:-1]:
            inner = inner[key]
        del inner[keys[-1]]

    return change


def require_name(document: Document) -> None:
    """Make a key of new tasks required."""
    document["components"]["schemas"]["TaskBody"]["required"].append("name")


def require_limit(document: Document) -> None:
    """Make a parameter required."""
    document["paths"]["/tasks"]["get"]["parameters"][0]["required"] = True


def take_fewer(document: Document) -> None:
    """Take fewer kinds of schedules."""
    del document["components"]["schemas"]["ScheduleKind"]["enum"][0]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (remove("paths", "/me"), "GET /me is gone"),
        (remove("paths", "/tasks", "post"), "POST /tasks is gone"),
        (remove("components", "schemas", "Task", "properties", "name"), f"{TASK}/name is gone"),
        (require_name, "POST /tasks: body/name is required now"),
        (require_limit, "GET /tasks: parameter limit is required now"),
        (take_fewer, "POST /tasks: body/schedule/kind takes fewer values"),
    ],
)
def test_changes_that_break_programs_are_found(
    change: Callable[[Document], None], expected: str
) -> None:
    """Each kind of them."""
    document = deepcopy(checked_in())
    change(document)
    assert expected in incompatible(checked_in(), document)


def test_additions_break_nothing() -> None:
    """Paths, optional parameters and keys of answers."""
    document = deepcopy(checked_in())
    schemas = document["components"]["schemas"]
    document["paths"]["/new"] = document["paths"]["/me"]
    schemas["TaskBody"]["properties"]["new"] = schemas["Task"]["properties"]["new"] = {
        "type": "string"
    }
    schemas["Task"]["required"].append("new")
    assert incompatible(checked_in(), document) == []
