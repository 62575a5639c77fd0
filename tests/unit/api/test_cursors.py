"""Cursors of lists."""

from __future__ import annotations

import base64

import pytest
from flask import Flask

from services.api.caller import PREFIX
from taskadmin.api.cursors import PageQuery, next_link
from taskadmin.api.errors import Refused

pytestmark = pytest.mark.databases("sqlite")


def cursor_of(app: Flask, path: str, number: int = 7) -> str:
    """Return the cursor of a list's next page."""
    with app.test_request_context(f"{PREFIX}{path}"):
        return next_link(number).rpartition("cursor=")[2].partition("&")[0].replace("%3D", "=")


def test_a_cursor_leads_on_in_its_list(app: Flask) -> None:
    """With another page size, too."""
    cursor = cursor_of(app, "/tasks?search=a&limit=3")
    with app.test_request_context(f"{PREFIX}/tasks?search=a&limit=9"):
        assert PageQuery.model_validate({"cursor": cursor}).before == 7
        assert PageQuery.model_validate({}).before is None


@pytest.mark.parametrize("path", ["/tasks?search=b", "/tasks", "/runs?search=a"])
def test_a_cursor_of_another_list_is_refused(app: Flask, path: str) -> None:
    """It would skip rows."""
    cursor = cursor_of(app, "/tasks?search=a")
    with app.test_request_context(f"{PREFIX}{path}"), pytest.raises(Refused) as caught:
        _ = PageQuery.model_validate({"cursor": cursor}).before
    assert caught.value.status == 422


@pytest.mark.parametrize(
    "cursor", ["", "x", "ä", "====", base64.urlsafe_b64encode(b"\xff" * 12).decode(), "A" * 90]
)
def test_a_made_up_cursor_is_refused(app: Flask, cursor: str) -> None:
    """Whatever it is."""
    with app.test_request_context(f"{PREFIX}/tasks"), pytest.raises(Refused):
        _ = PageQuery.model_validate({"cursor": cursor}).before
