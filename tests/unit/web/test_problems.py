"""Problem details."""

from __future__ import annotations

import pytest
from flask import Flask

from taskadmin.web.problems import problem


@pytest.mark.databases("sqlite")
def test_a_problem_has_the_members_of_rfc_9457(app: Flask) -> None:
    """Without a kind, the status says all."""
    with app.test_request_context():
        plain = problem(404)
        special = problem(422, "odd", detail="It is odd.", errors=[{"detail": "x"}], retry_after=5)

    assert plain.json == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is nothing at this address.",
    }
    assert (plain.mimetype, plain.status_code) == ("application/problem+json", 404)
    assert special.json and special.json["type"] == "urn:taskadmin:problem:odd"
    assert special.json["errors"] == [{"detail": "x"}]
    assert special.headers["Retry-After"] == "5"
