"""Allowed targets of redirects."""

from __future__ import annotations

import pytest
from flask import Flask

from services.addresses import EVIL
from taskadmin.web.redirects import is_own_path


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("target", EVIL)
def test_paths_that_may_lead_away_are_not_own(app: Flask, target: str) -> None:
    """In any browser or proxy."""
    with app.test_request_context("/taskadmin/"):
        assert is_own_path(target) is False


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "target",
    [
        *("/", "/taskadmin/tasks/?search=a%20b&page=2", "/a/b", "/taskadmin/runs/?task=1"),
        *("/taskadmin/tasks/?search=/../a", "/taskadmin/tasks/?search=%2e%2e", "/a..b/.c/..."),
        *("/taskadmin/tasks/?search=a%5Cb", "/taskadmin/runs/?search=%0A", "/?next=//b"),
    ],
)
def test_paths_of_the_site_are_own(app: Flask, target: str) -> None:
    """With their query."""
    with app.test_request_context("/taskadmin/"):
        assert is_own_path(target) is True
