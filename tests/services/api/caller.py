"""Programs that call the API."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

PREFIX = "/taskadmin/api/v1"


class Caller:
    """A client without cookies that sends a token."""

    def __init__(self, client: FlaskClient, secret: str | None) -> None:
        self._client = client
        self.headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}

    def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> TestResponse:
        """Send a request below the API's prefix; *body* as JSON, if it isn't None."""
        if body is not None:
            options["json"] = body
        return self._client.open(
            path if path.startswith(PREFIX) else f"{PREFIX}{path}",
            method=method,
            headers={**self.headers, **(headers or {})},
            **options,
        )


def problem_of(response: TestResponse) -> tuple[int, str, list[str]]:
    """Return a problem's status, kind, and the places of its errors."""
    assert response.mimetype == "application/problem+json", response.text
    problem: dict[str, Any] = response.json  # type: ignore[assignment]
    assert problem["status"] == response.status_code
    assert problem["title"] and problem["detail"]
    places = [str(one.get("pointer", one.get("parameter"))) for one in problem.get("errors", ())]
    return problem["status"], problem["type"].rpartition(":")[2], places
